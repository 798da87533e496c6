"""The QEMU command line of a machine that is recorded. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.lab.qemu import CODE
from tests.recorded_machines import DiskSpec, MachineSpec

ADMIN: Final = "10.0.2.2"  # QEMU's user network: the side of whoever runs QEMU
PORT_NAME: Final = "rackstrap.record"


@dataclass(frozen=True, slots=True)
class Room:
    """Where one recording is made: its folder and the image, and the port of its BMC (0 is none)."""

    folder: Path
    image: Path
    bmc_port: int = 0

    @property
    def output(self) -> Path:
        return self.folder / "recording.json"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    def disk(self, number: int) -> Path:
        return self.folder / f"disk{number}.img"


def make_cmdline(machine: MachineSpec, image: Path) -> str:
    """The kernel line of the discovery system."""
    sha256 = json.loads((image / "manifest.json").read_text())["sha256"]
    words = (
        "rackstrap.mode=discover",
        f"rackstrap.image=http://{ADMIN}/image",
        f"rackstrap.sha256={sha256['root.squashfs']},{sha256['rackstrap.squashfs']}",
        f"rackstrap.mac={machine.nics[0].mac}",
        "console=tty0 console=ttyS0,115200n8 systemd.gpt_auto=0 panic=30 quiet",
    )
    return " ".join(words)


def make_grub_config(machine: MachineSpec, image: Path) -> str:
    """What signed GRUB reads by TFTP, for Secure Boot."""
    line = make_cmdline(machine, image)
    return f"set root=http,{ADMIN}\nlinux /image/vmlinuz {line}\ninitrd /initrd\nboot\n"


def make_argv(machine: MachineSpec, room: Room) -> list[str]:
    """The whole command line. The recording comes out of a virtio port; the machine ends when it is written."""
    secure = machine.firmware == "secure-boot"
    argv = ["qemu-system-x86_64", "-name", machine.name, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    argv += ["-machine", "q35" + (",smm=on" if secure else ""), "-accel", "tcg,thread=multi", "-cpu", "max"]
    argv += ["-smp", machine.processors, "-m", "1024", "-uuid", machine.uuid, "-vga", "std"]
    argv += ["-smbios", f"type=1,manufacturer=Rackstrap,product=Virtual,serial={machine.serial}"]
    argv += ["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"]
    argv += ["-chardev", f"file,id=con,path={room.console}", "-serial", "chardev:con"]
    argv += ["-device", "virtio-serial-pci", "-chardev", f"file,id=rec,path={room.output}"]
    argv += ["-device", f"virtserialport,chardev=rec,name={PORT_NAME}"]
    if secure:
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    else:
        argv += [
            "-kernel",
            f"{room.image}/vmlinuz",
            "-initrd",
            f"{room.folder}/initrd",
            "-append",
            make_cmdline(machine, room.image),
        ]
    if machine.firmware != "bios":
        argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={CODE[machine.firmware]}"]
        argv += ["-drive", f"if=pflash,format=raw,file={room.folder}/vars.fd"]
    argv += ["-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=xhci"]
    argv += make_nics(machine, room)
    for number, disk in enumerate(machine.disks):
        argv += make_disk(disk, number, room.disk(number))
    if room.bmc_port:
        argv += ["-chardev", f"socket,id=ipmi0,host=127.0.0.1,port={room.bmc_port},reconnect=2"]
        argv += ["-device", "ipmi-bmc-extern,chardev=ipmi0,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"]
    return argv


def make_nics(machine: MachineSpec, room: Room) -> list[str]:
    """The first NIC reaches the image through QEMU's own DHCP and NAT; a cable with a switch is a tap as well."""
    tftp = f",tftp={room.folder}/tftp,bootfile=shimx64.efi" if machine.firmware == "secure-boot" else ""
    argv: list[str] = []
    for number, nic in enumerate(machine.nics):
        hub = f"hubport,hubid={number}"
        argv += ["-netdev", f"{hub},id=net{number}", "-device", f"{nic.model},netdev=net{number},mac={nic.mac},romfile="]
        if number == 0:
            argv += ["-netdev", f"user,id=out{tftp}", "-netdev", f"{hub},id=out-hub,netdev=out"]
        if nic.switch:
            argv += ["-netdev", f"tap,id=tap{number},ifname=tap{number},script=no,downscript=no"]
            argv += ["-netdev", f"{hub},id=tap{number}-hub,netdev=tap{number}"]
    return argv


def make_disk(disk: DiskSpec, number: int, file: Path) -> list[str]:
    drive = ["-drive", f"if=none,id=disk{number},file={file},format=raw,cache=unsafe"]
    options = f"drive=disk{number}" + (f",serial={disk.serial}" if disk.serial else "")
    options += (
        f",logical_block_size={disk.sector_bytes},physical_block_size={disk.sector_bytes}" if disk.sector_bytes != 512 else ""
    )
    options += f",{disk.extra}" if disk.extra else ""
    devices = {
        "virtio": "virtio-blk-pci",
        "sata": f"ide-hd,bus=ide.{number}",
        "scsi": f"scsi-hd,bus=scsi0.0,scsi-id={number},lun=0",
        "usb": "usb-storage,bus=xhci.0",
        "nvme": f"nvme,id=nvme{number}",
    }
    return [*drive, "-device", f"{devices[disk.bus]},{options}"]
