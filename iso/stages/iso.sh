#!/bin/bash
# Last stage: the hybrid ISO $5/rackstrap.iso, from the directories of the stages base, initrd, admin and layer.
# ID names this medium, SERIAL is its serial console (ttyS0,115200), VERSION is shown to people.
set -euo pipefail
base=$1 initrd=$2 admin=$3 layer=$4 out=$5 iso=$(dirname "$(dirname "$(realpath "$0")")")
tree=$base/tree root=$out/root
mkdir -p "$root"/{.disk,EFI/BOOT,boot/grub,rackstrap}
echo "Rackstrap $VERSION" >"$root/.disk/info"
echo "$ID" >"$root/.disk/rackstrap"
: >"$root/.disk/rackstrap-$ID"

"$iso/stages/menu.sh" "$iso/boot/grub.cfg" >"$root/boot/grub/grub.cfg"
head -c 4096 /dev/zero | tr '\0' '\n' >"$root/boot/grub/site.cfg"
head -c 1048576 /dev/zero >"$root/rackstrap/site.tar"
install -m644 "$admin/memtest/memtest86+x64.bin" "$root/boot/memtest.bin"
install -m644 "$admin/memtest/memtest86+x64.efi" "$root/boot/memtest.efi"
install -m644 "$tree/usr/lib/shim/shimx64.efi.signed" "$root/EFI/BOOT/BOOTX64.EFI"
install -m644 "$tree/usr/lib/shim/mmx64.efi.signed" "$root/EFI/BOOT/mmx64.efi"
# The signed GRUB that is made for media: it looks in /boot/grub, where it was started.
install -m644 "$tree/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed" "$root/EFI/BOOT/grubx64.efi"

# GRUB's core for BIOS, by the same release that its modules are of.
mount --bind "$root/boot/grub" "$tree/mnt"
mapfile -t modules < <(grep -v '^#' "$iso/boot/modules.list")
chroot "$tree" grub-mkimage -O i386-pc-eltorito -p /boot/grub -o /mnt/eltorito.img "${modules[@]}"
umount "$tree/mnt"

# The EFI partition. Its number and times are fixed, so that two builds are equal.
esp=$out/esp.img
"$iso/stages/menu.sh" "$iso/boot/esp.cfg" >"$out/esp.cfg"
: >"$out/rackstrap-medium"
find "$out/esp.cfg" "$out/rackstrap-medium" "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
truncate -s 6M "$esp"
mkfs.vfat --invariant -n ESP "$esp" >/dev/null
mmd -i "$esp" ::EFI ::EFI/BOOT ::boot ::boot/grub
mcopy -m -i "$esp" "$root"/EFI/BOOT/* ::EFI/BOOT/
mcopy -m -i "$esp" "$out/esp.cfg" ::boot/grub/grub.cfg
mcopy -m -i "$esp" "$out/rackstrap-medium" ::rackstrap-medium

python3 "$iso/stages/publish.py" "$base" "$initrd" "$admin" "$layer" "$out/image" "$VERSION"
xorriso -as mkisofs -quiet -r -J -joliet-long -V RACKSTRAP_LIVE -o "$out/rackstrap.iso" --set_all_file_dates "=$SOURCE_DATE_EPOCH" \
    -b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
    --grub2-mbr "$tree/usr/lib/grub/i386-pc/boot_hybrid.img" -partition_offset 16 \
    -append_partition 2 0xef "$esp" -appended_part_as_gpt \
    -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \
    -graft-points "$root" "/rackstrap=$out/image"
python3 "$iso/stages/manifest.py" "$root" "$out/image" "$iso" "$ID" "$VERSION" >"$out/rackstrap.iso.manifest.json"
rm -rf "$root" "$out/image" "$out/esp.cfg" "$out/rackstrap-medium"
