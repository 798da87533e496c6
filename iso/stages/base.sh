#!/bin/bash
# Stage 1: Debian, unpacked in $3/tree and packed as $3/root.squashfs, with the boot files taken out beside it.
# $1, $2: directories of downloaded packages and of their indexes, kept between builds.
set -euo pipefail
debs=$1 lists=$2 out=$3 iso=$(dirname "$(dirname "$(realpath "$0")")")
tree=$out/tree
mkdir -p "$debs" "$lists" "$tree/var/cache/apt/archives"
# What is downloaded is kept from the first package on.
mount --bind "$debs" "$tree/var/cache/apt/archives"

packages=$(grep -hv '^#' "$iso"/packages/*.list | LC_ALL=C sort -u | paste -sd,)
offline=()
if [ -n "${RACKSTRAP_OFFLINE-}" ]; then
    "$iso/stages/offline.sh" "$lists" "$debs"
    offline=(--skip=update --aptopt='Acquire::http::Proxy "http://127.0.0.1:9"'
        --setup-hook="cp -rT '$lists' \"\$1/var/lib/apt/lists\"")
fi
# shellcheck disable=SC2016 # what hooks expand is mmdebstrap's
# INITRD=No: the kernel's own hook would spend a minute on an initramfs that we replace.
INITRD=No mmdebstrap --quiet --variant=minbase --architectures=amd64 --keyring=/usr/share/keyrings \
    --components=main,non-free-firmware --include="$packages" \
    --dpkgopt=force-unsafe-io --skip=download/empty,essential/unlink,cleanup/apt,check/empty "${offline[@]}" \
    --setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d"' \
    --setup-hook="cp '$iso/base/etc/dpkg/dpkg.cfg.d/rackstrap' \"\$1/etc/dpkg/dpkg.cfg.d/\"" \
    --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq --download-only install ipxe' \
    "${RACKSTRAP_SUITE:-trixie}" "$tree" ${RACKSTRAP_MIRROR:+"$RACKSTRAP_MIRROR"}

"$iso/stages/lock.sh" "$tree" /dev/null ipxe >"$out/packages.lock"
[ -n "${RACKSTRAP_OFFLINE-}" ] || "$iso/stages/keep_lists.sh" "$tree/var/lib/apt/lists" "$out/packages.lock" "$lists"
"$iso/stages/tftp.sh" "$tree" "$out/tftp"
umount "$tree/var/cache/apt/archives"
"$iso/stages/clean.sh" "$tree"
cp "$tree"/boot/vmlinuz-* "$out/vmlinuz"
basename "$tree"/usr/lib/modules/* >"$out/kernel"
"$iso/stages/pack.sh" "$tree" "$out/root.squashfs" "${RACKSTRAP_SQUASHFS_LEVEL:-15}"
