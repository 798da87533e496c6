#!/bin/bash
# Stage 1: Debian, unpacked in $2/tree and packed as $2/root.squashfs, with the boot files taken out beside it.
# $1: directory of downloaded packages, kept between builds.
set -euo pipefail
debs=$1 out=$2 iso=$(dirname "$(dirname "$(realpath "$0")")")
tree=$out/tree
mkdir -p "$debs" "$tree"

packages=$(grep -hv '^#' "$iso"/packages/*.list | LC_ALL=C sort -u | paste -sd,)
# shellcheck disable=SC2016 # what hooks expand is mmdebstrap's
# INITRD=No: the kernel's own hook would spend a minute on an initramfs that we replace.
INITRD=No mmdebstrap --quiet --variant=minbase --architectures=amd64 --keyring=/usr/share/keyrings \
    --components=main,non-free-firmware --include="$packages" \
    --dpkgopt=force-unsafe-io --skip=download/empty,essential/unlink,cleanup/apt,check/empty \
    --setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d" "$1/var/cache/apt/archives"' \
    --setup-hook="cp '$iso/base/etc/dpkg/dpkg.cfg.d/rackstrap' \"\$1/etc/dpkg/dpkg.cfg.d/\"" \
    --setup-hook="find '$debs' -name '*.deb' -exec cp -l -t \"\$1/var/cache/apt/archives\" {} +" \
    --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq --download-only install ipxe' \
    "${RACKSTRAP_SUITE:-trixie}" "$tree" ${RACKSTRAP_MIRROR:+"$RACKSTRAP_MIRROR"}
find "$tree/var/cache/apt/archives" -name '*.deb' -exec cp -lf -t "$debs" {} +

"$iso/stages/lock.sh" "$tree" /dev/null ipxe >"$out/packages.lock"
"$iso/stages/tftp.sh" "$tree" "$out/tftp"
"$iso/stages/clean.sh" "$tree"
cp "$tree"/boot/vmlinuz-* "$out/vmlinuz"
basename "$tree"/usr/lib/modules/* >"$out/kernel"
du -s --block-size=1 "$tree" | cut -f1 >"$out/root_bytes"
env -u SOURCE_DATE_EPOCH mksquashfs "$tree" "$out/root.squashfs" -quiet -no-progress -noappend \
    -all-time "$SOURCE_DATE_EPOCH" -mkfs-time "$SOURCE_DATE_EPOCH" -comp zstd -Xcompression-level "${RACKSTRAP_SQUASHFS_LEVEL:-15}"
