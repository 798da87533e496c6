#!/bin/sh
# The usual way of installing, inside the guest: run by the live system in place of the agent, seen on the serial line.
# What it needs lies on the second disk: a package repository, debootstrap, the list of packages, the SSH key.
set -eu
exec >/dev/ttyS0 2>&1
say() { echo "baseline: $*, $(cut -d' ' -f1 /proc/uptime) s after the kernel's start"; }
fail() {
    code=$?
    [ "$code" = 0 ] || { tail -n 20 /mnt/debootstrap/debootstrap.log || :; say failed; }
}
trap fail EXIT
say begins

cd /dev/disk/by-id
disk=$(readlink -f virtio-ONE) source=$(readlink -f virtio-SOURCE)
mkdir -p /run/source
mount -o ro "$source" /run/source
cd /run/source

blockdev --setrw "$disk"
sgdisk --clear --new=1:0:+1M --typecode=1:ef02 --new=2:0:0 --typecode=2:8300 "$disk"
udevadm settle
mkfs.ext4 -q "${disk}2"
mount "${disk}2" /mnt
say formatted

# debootstrap insists on a wget, which it does not need here.
mkdir /run/bin
ln -s /usr/bin/busybox /run/bin/wget
PATH=$PATH:/run/bin DEBOOTSTRAP_DIR=/run/source/debootstrap sh debootstrap/debootstrap --arch=amd64 --variant=minbase --no-check-gpg \
    --include="$(cat packages)" "$(cat suite)" /mnt file:///run/source/repository
say unpacked

echo "UUID=$(blkid -s UUID -o value "${disk}2") / ext4 errors=remount-ro 0 1" >/mnt/etc/fstab
echo node1 >/mnt/etc/hostname
printf '[Match]\nType=ether\n[Network]\nAddress=%s/24\n' "$(cat address)" >/mnt/etc/systemd/network/10-wired.network
install -D -m600 key.pub /mnt/root/.ssh/authorized_keys
printf 'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8 quiet"\n' >/mnt/etc/default/grub
for name in dev proc sys; do mount --bind "/$name" "/mnt/$name"; done
chroot /mnt systemctl enable systemd-networkd ssh
chroot /mnt grub-install --target=i386-pc "$disk"
chroot /mnt update-grub
umount -R /mnt
say installed
sleep 1
systemctl reboot
