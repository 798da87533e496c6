#!/bin/bash
# Stage 3: from the unpacked tree $1 make $2/initrd, which boots any machine, from the network and from its disk.
set -euo pipefail
tree=$1 out=$2 iso=$(dirname "$(dirname "$(realpath "$0")")")
kernel=$(basename "$tree"/usr/lib/modules/*)
root=$out/initrd.root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,etc,lib,newroot,proc,run,sys,tmp} "$root/lib/modules/$kernel"
ln -s lib "$root/lib64"

install -m755 "$iso/initramfs/init" "$root/init"
install -m644 "$iso/initramfs/functions.sh" "$iso/initramfs/medium.sh" "$root/"
install -m755 "$iso/initramfs/udhcpc" "$root/etc/udhcpc"
install -m755 "$tree/usr/bin/busybox" "$root/bin/busybox"
chroot "$tree" busybox --list | grep -vx busybox | while read -r name; do ln -sf busybox "$root/bin/$name"; done

# What the live system has over the image, and the units that it does without.
cp -r "$iso/live" "$root/live"
mask() { mkdir -p "$root/live/etc/$1" && grep -v '^#' "$iso/$2" | while read -r name; do ln -s /dev/null "$root/live/etc/$1/$name"; done; }
mask systemd/system live-masked.list
mask udev/rules.d live-rules.list

# The same for the admin medium's live system, which does with less of that left out.
cp -r "$root/live" "$root/medium"
grep -v '^#' "$iso/medium-kept.list" | while read -r file; do rm "$root/medium/$file"; done
cp -r "$iso/medium/." "$root/medium/"

# mdadm for root on a mirror, with its libraries: the only program here that is not busybox.
install -m755 "$tree/usr/sbin/mdadm" "$root/bin/mdadm"
chroot "$tree" ldd /usr/sbin/mdadm | grep -oE '/lib[^ ]+' | while read -r library; do
    install -D -m755 "$tree$library" "$root/lib/${library##*/}"
done
mkdir -p "$root/usr"
ln -s ../lib "$root/usr/lib"
# The kernel calls /sbin/modprobe for what it needs itself: ext4 asks for its checksums that way.
ln -s bin "$root/sbin"

# Modules unpacked (loading is then a read), in one flat folder, each with the firmware that it may ask for.
mapfile -t want < <(grep -v '^#' "$iso/initramfs/modules.list")
chroot "$tree" modprobe -S "$kernel" -a --show-depends "${want[@]}" >"$out/modules.all"
awk '/^insmod/ { print $2 }' "$out/modules.all" | LC_ALL=C sort -u >"$out/modules"
while read -r file; do
    xz -dc "$tree$file" >"$root/lib/modules/$kernel/$(basename "$file" .xz)"
done <"$out/modules"
cp "$tree/usr/lib/modules/$kernel"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$kernel/"
depmod -b "$root" "$kernel"
(cd "$root/lib/modules/$kernel" && rm -f ./*.bin modules.{builtin.modinfo,devname,order,softdep,symbols,weakdep})
find "$root/lib/modules/$kernel" -name '*.ko' -exec modinfo -F firmware {} + | LC_ALL=C sort -u | while read -r file; do
    [ ! -e "$tree/usr/lib/firmware/$file" ] || install -D -m644 "$tree/usr/lib/firmware/$file" "$root/lib/firmware/$file"
done

pack() { (cd "$1" && find . -exec touch -hd "@$SOURCE_DATE_EPOCH" {} + && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0); }
chmod -R u=rwX,go=rX "$root"
pack "$root" | zstd -q -12 -T2 >"$out/initrd"
rm -rf "$root"
