#!/bin/bash
# Collect in $2 the first loaders that firmware fetches by TFTP, from the packages of tree $1, under the names they are asked by.
set -euo pipefail
tree=$1 out=$2
mkdir -p "$out"
ipxe=$(mktemp -d)
trap 'rm -rf "$ipxe"' EXIT
dpkg-deb -x "$(find "$tree/var/cache/apt/archives" -name 'ipxe_*.deb' | LC_ALL=C sort -V | tail -n1)" "$ipxe"
install -m644 "$ipxe/usr/lib/ipxe/undionly.kpxe" "$ipxe/usr/lib/ipxe/snponly.efi" "$out"
install -m644 "$tree/usr/lib/shim/shimx64.efi.signed" "$out/shimx64.efi"
install -m644 "$tree/usr/lib/shim/mmx64.efi.signed" "$out/mmx64.efi"
# shim loads its second stage by this name, next to itself.
install -m644 "$tree/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed" "$out/grubx64.efi"
