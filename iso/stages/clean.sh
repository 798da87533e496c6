#!/bin/bash
# Make tree $1 the same for every machine: our files laid over it, services as the presets say, no traces of the build.
set -euo pipefail
tree=$1 iso=$(dirname "$(dirname "$(realpath "$0")")")

# Nodes get their updates from where the image came: Debian's default as mmdebstrap knows it, or RACKSTRAP_MIRROR.
mirror=$(grep -rhoE 'https?://[^ ]+' "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/ | head -n 1)
mirror=${mirror%/}
suite=${RACKSTRAP_SUITE:-trixie}
rm -f "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/* "$tree"/etc/{dpkg/dpkg.cfg.d,apt/apt.conf.d}/99mmdebstrap
print_source() {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main non-free-firmware\n' "$1" "$2"
    printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
}
{
    print_source "${mirror:?mmdebstrap named no mirror}" "$suite $suite-updates"
    print_source "$mirror-security" "$suite-security"
} >"$tree/etc/apt/sources.list.d/debian.sources"
# With modes of their own: a checkout has those of its maker's umask.
tar -C "$iso/base" --mode=u=rwX,go=rX --owner=root:0 --group=root:0 -cf - . | tar -C "$tree" -xf -

chroot "$tree" systemctl --quiet preset-all 2>/dev/null
grep -v '^#' "$iso/base-masked.list" | while read -r unit; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done

# Compiled Python is trusted as it is: no look at the source's time, which packing changes. By one process: what two share
# between files depends on which of them came first.
mount -t tmpfs shm "$tree/dev/shm"
chroot "$tree" python3 -m compileall -q -f --invalidation-mode unchecked-hash \
    /usr/lib/python3.13 /usr/lib/python3/dist-packages /usr/share/python3

rm -f "$tree"/etc/ssh/ssh_host_* "$tree"/var/lib/systemd/random-seed "$tree"/var/lib/systemd/credential.secret \
    "$tree"/var/lib/dbus/machine-id "$tree"/etc/*- "$tree"/var/lib/dpkg/*-old "$tree"/var/cache/ldconfig/aux-cache \
    "$tree"/etc/.pwd.lock "$tree"/etc/nvme/host{id,nqn} # made at random; each machine has to have its own
rm -rf "$tree/var/log/journal" # the installer makes it, where a journal is to be kept
: >"$tree/etc/machine-id"
: >"$tree/etc/resolv.conf"
: >"$tree/etc/fstab"
ln -sf ../proc/self/mounts "$tree/etc/mtab"
umount "$tree/dev/shm"
echo rackstrap >"$tree/etc/hostname"
# The day on which a user was made would be the build's.
sed -i "s/^\([^:]*:[^:]*:\)[0-9]*:/\1$((SOURCE_DATE_EPOCH / 86400)):/" "$tree/etc/shadow"
find "$tree/var/log" -type f -delete
find "$tree"/{tmp,var/tmp,run,var/lib/apt/lists,var/cache/debconf} -mindepth 1 -delete
find "$tree/var/cache/apt" -mindepth 1 ! -name archives ! -name partial -delete
# Whose it is depends on whether something had to be downloaded.
chroot "$tree" install -d -m 700 -o _apt -g root /var/cache/apt/archives/partial
