#!/bin/bash
# Stage 2: what an admin node has over tree $1, packed as $5/admin.squashfs: Debian packages and Python wheels.
# $2, $3, $4: directories of downloaded packages, of their indexes, and of wheels, kept between builds.
set -euo pipefail
tree=$1 debs=$2 lists=$3 wheels=$4 out=$5 iso=$(dirname "$(dirname "$(realpath "$0")")")
upper=$out/upper root=$out/root
mkdir -p "$upper" "$out/work" "$root" "$out/lists"
# Indexes and lock take their place together, at the end: a build that is stopped leaves those that belong to each other.
[ ! -d "$lists" ] || cp -r "$lists/." "$out/lists/"
mount -t overlay -o "lowerdir=$tree,upperdir=$upper,workdir=$out/work,redirect_dir=off,index=off,metacopy=off" admin "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs shm "$root/dev/shm"
mount --bind "$debs" "$root/var/cache/apt/archives"
mount --bind "$out/lists" "$root/var/lib/apt/lists"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"

# Nothing starts here, and nobody is asked.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
apt=(chroot "$root" apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Dpkg::Options::=--force-unsafe-io
    -o Dpkg::Use-Pty=0 -o APT::Keep-Downloaded-Packages=true --no-install-recommends)
if [ -n "${RACKSTRAP_OFFLINE-}" ]; then
    "$iso/stages/offline.sh" "$lists" "$debs"
    apt+=(-o 'Acquire::http::Proxy=http://127.0.0.1:9' -o Acquire::Retries=0)
else
    "${apt[@]}" update
fi
mapfile -t packages < <(grep -v '^#' "$iso/packages-admin.list")
"${apt[@]}" install "${packages[@]}" >/dev/null
"${apt[@]}" --download-only install memtest86+ >/dev/null
"$iso/stages/lock.sh" "$root" "$tree/../packages.lock" memtest86+ >"$out/packages-admin.lock"
[ -n "${RACKSTRAP_OFFLINE-}" ] || "$iso/stages/keep_lists.sh" "$out/lists" "$out/packages-admin.lock" "$lists"

# The memory test is only unpacked: it is a file on the medium, not a program of the system.
memtest=$(awk '$1 == "memtest86+" { print $2 }' "$out/packages-admin.lock")
mkdir "$out/memtest"
dpkg-deb --fsys-tarfile "$debs/memtest86+_${memtest//:/%3a}_amd64.deb" | tar -C "$out/memtest" -xf - --wildcards --strip-components=2 './boot/*'

umount "$root/etc/resolv.conf" "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
"$iso/stages/wheels.sh" "$wheels" "$root/usr/lib/rackstrap/site-packages"
# Found by the system's own Python, so that `python3 -m installer.cli` works; read after Debian's packages.
printf '/usr/lib/rackstrap/site-packages\n/usr/lib/rackstrap\n' >"$root/usr/lib/python3/dist-packages/rackstrap.pth"
chroot "$root" python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/rackstrap/site-packages

grep -v '^#' "$iso/admin-masked.list" | while read -r unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/console-setup/cached_setup_keyboard.sh" "$root"/etc/*- "$root"/var/lib/dpkg/*-old \
    "$root/var/cache/ldconfig/aux-cache" "$root/etc/.pwd.lock"
find "$root"/{tmp,var/tmp,run,var/cache/debconf} -mindepth 1 -delete
find "$root/var/cache/apt" -type f -delete
find "$root/var/log" -type f -delete
umount "$root/dev/shm" "$root/proc" "$root"

# The day on which a user was made would be the build's.
sed -i "s/^\([^:]*:[^:]*:\)[0-9]*:/\1$((SOURCE_DATE_EPOCH / 86400)):/" "$upper/etc/shadow"

# Nothing starts because a package was installed.
find "$upper/etc/systemd/system" -path '*.wants/*' -type l -delete
find "$upper/etc/systemd/system" -name '*.wants' -empty -delete
# An installation lays the layers over each other on a disk, where nothing can be hidden.
hidden=$(find "$upper" -type c)
if [ -n "$hidden" ]; then
    printf 'The admin layer would take these files away from the image:\n%s\n' "$hidden" >&2
    exit 1
fi
# What an overlay notes for itself differs from build to build.
python3 - "$upper" <<'PY'
import os, sys
for folder, folders, files in os.walk(sys.argv[1]):
    for path in (folder, *(os.path.join(folder, name) for name in files)):
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith("trusted.overlay.") and name != "trusted.overlay.opaque":
                os.removexattr(path, name, follow_symlinks=False)
PY
"$iso/stages/pack.sh" "$upper" "$out/admin.squashfs" "${RACKSTRAP_SQUASHFS_LEVEL:-15}"
rm -rf --one-file-system "$upper" "$out/work" "$root" "$out/lists"
