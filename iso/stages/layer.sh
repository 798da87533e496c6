#!/bin/bash
# Stage 4: our own layer, $3/rackstrap.squashfs: code, units and the initrd of installed disks.
# $1: unpacked tree (its Python compiles), $2: directory of the initrd stage.
set -euo pipefail
tree=$1 initrd=$2 out=$3 top=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")
kernel=$(basename "$tree"/usr/lib/modules/*)
root=$out/root
rm -rf "$root"
mkdir -p "$root/usr/lib/rackstrap" "$root/boot" "$root/etc/systemd/system/multi-user.target.wants"

cp -r "$top/iso/overlay/." "$root/"
ln -s ../rackstrap-agent.service ../rackstrap-microcode.service "$root/etc/systemd/system/multi-user.target.wants/"
cp "$initrd/initrd" "$root/boot/initrd.img-$kernel"
(cd "$top" && git ls-files -z installer screens | tar --null -T - -cf -) | tar -C "$root/usr/lib/rackstrap" -xf -
# The image's Python compiles, from a folder that the tree has: nothing is left in it.
mount -t tmpfs shm "$tree/dev/shm"
mount --bind "$root/usr/lib/rackstrap" "$tree/mnt"
chroot "$tree" python3 -m compileall -q --invalidation-mode unchecked-hash -s /mnt -p /usr/lib/rackstrap /mnt
umount "$tree/mnt"
chmod -R u=rwX,go=rX "$root"
chown -hR 0:0 "$root"
"$top/iso/stages/pack.sh" "$root" "$out/rackstrap.squashfs" 3
rm -rf "$root"
