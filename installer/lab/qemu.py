"""The QEMU command line of one machine. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from installer.lab.rack import RackDisk, RackMachine, RackNic

First = Literal["network", "disk"]
CODE: Final = {"uefi": "/usr/share/OVMF/OVMF_CODE_4M.fd", "secure-boot": "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"}
VARS: Final = {"uefi": "/usr/share/OVMF/OVMF_VARS_4M.fd", "secure-boot": "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"}
NIC_DEVICES: Final = {"virtio": "virtio-net-pci", "e1000e": "e1000e", "e1000": "e1000", "rtl8139": "rtl8139"}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a machine stands: its own folder, the cables and sockets that it is plugged into, and its accelerator.

    `taps` belong to its NICs and `disks` to its disks, in order. `ipmi_port` is its BMC's, on 127.0.0.1; 0 is none.
    `medium` is the file of the CD or stick in it, where it has one.
    """

    folder: Path
    console_log: Path
    taps: tuple[str, ...]
    disks: tuple[Path, ...]
    ipmi_port: int
    accel: Literal["kvm", "tcg"]
    qemu_version: tuple[int, int]
    medium: Path | None = None


def make_qemu_argv(machine: RackMachine, bench: Bench, first: First) -> tuple[str, ...]:
    """The command line with which this machine starts and tries `first` first, then the other kind.

    What is in a machine with a medium is tried in this order: medium, disks, network; or disks, medium, network.
    """
    nic_index, disk_index, medium_index = _find_boot_order(machine, first)
    argv = ["qemu-system-x86_64", "-name", machine.name, "-nodefaults", "-no-user-config", *_make_board(machine, bench)]
    argv += _make_consoles(bench.folder, bench.console_log)
    argv += _make_more_consoles(machine, bench.folder)
    for number, (nic, tap) in enumerate(zip(machine.nics, bench.taps, strict=True)):
        argv += _make_nic(nic, number, tap, nic_index + number, machine.firmware == "bios")
    argv += _make_controllers(machine)
    for number, (disk, file) in enumerate(zip(machine.disks, bench.disks, strict=True)):
        argv += _make_disk(disk, number, file, disk_index + number)
    argv += _make_medium(machine, bench, medium_index)
    return (*argv, *_make_ipmi(bench))


def _find_boot_order(machine: RackMachine, first: First) -> tuple[int, int, int]:
    """The boot index of the first NIC, of the first disk and of the medium."""
    nics, disks = len(machine.nics), len(machine.disks)
    if machine.medium:
        return disks + 1, int(first == "network"), 0 if first == "network" else disks
    return (0, nics, 0) if first == "network" else (disks, 0, 0)


def _make_board(machine: RackMachine, bench: Bench) -> list[str]:
    secure = machine.firmware == "secure-boot"
    accel = ["-accel", "kvm", "-cpu", "host"] if bench.accel == "kvm" else ["-accel", "tcg,thread=multi", "-cpu", "max"]
    # graphics=off makes SeaBIOS copy the screen to the serial line; a medium's GRUB speaks on both by itself.
    graphics = "" if machine.medium else ",graphics=off"
    argv = ["-machine", "q35" + graphics + (",smm=on" if secure else ""), *accel]
    argv += ["-smp", str(machine.cpus), "-m", str(machine.memory_mb), "-uuid", machine.uuid]
    argv += ["-smbios", f"type=1,manufacturer=Rackstrap,product=Virtual,serial={machine.serial}"]
    argv += ["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"]
    if secure:
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    if machine.firmware != "bios":
        argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={CODE[machine.firmware]}"]
        argv += ["-drive", f"if=pflash,format=raw,file={_escape(bench.folder / 'vars.fd')}"]
        argv += ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]
    return argv


def _make_consoles(folder: Path, log: Path) -> list[str]:
    """Serial console, QMP and monitor on unix sockets; what the machine says goes to the log at all times."""
    con = f"socket,id=con,path={_escape(folder / 'console.sock')},server=on,wait=off,logfile={_escape(log)},logappend=on"
    argv = ["-display", "none", "-vga", "std", "-chardev", con, "-serial", "chardev:con"]
    argv += ["-qmp", f"unix:{_escape(folder / 'qmp.sock')},server=on,wait=off"]
    return [*argv, "-monitor", f"unix:{_escape(folder / 'monitor.sock')},server=on,wait=off"]


def _make_more_consoles(machine: RackMachine, folder: Path) -> list[str]:
    """Those beside ttyS0, each on a unix socket of its name. The body of the table lies in spcr.bin; QEMU writes its header."""
    argv = []
    if "hvc0" in machine.consoles:
        argv += ["-chardev", _make_plug(folder, "hvc0"), "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=hvc0"]
    if "ttyS1" in machine.consoles:
        argv += ["-chardev", _make_plug(folder, "ttyS1"), "-serial", "chardev:ttyS1"]
        argv += ["-acpitable", f"sig=SPCR,rev=2,data={_escape(folder / 'spcr.bin')}"]
    return argv


def _make_plug(folder: Path, name: str) -> str:
    path, log = _escape(folder / f"{name}.sock"), _escape(folder / f"{name}.log")
    return f"socket,id={name},path={path},server=on,wait=off,logfile={log},logappend=on"


def render_spcr() -> bytes:
    """Bytes 36 to 79 of the table that names the second serial port (I/O port 0x2f8, interrupt 3, 115200 8N1, VT100).

    Microsoft's "Serial Port Console Redirection Table", revision 2: interface 0 is a full 16550, a PCI id of 0xffff none.
    """
    address = struct.pack("<BBBBQ", 1, 8, 0, 1, 0x2F8)
    return struct.pack("<B3x12sBBI5B x HH3B I B I", 0, address, 1, 3, 3, 7, 0, 1, 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0, 0, 0, 0)


def _make_nic(nic: RackNic, number: int, tap: str, bootindex: int, is_bios: bool) -> list[str]:
    device = f"{NIC_DEVICES[nic.model]},netdev=net{number},mac={nic.mac},bootindex={bootindex}"
    if nic.model == "virtio" and not is_bios:
        device += ",romfile="  # OVMF has its own driver; QEMU's option ROM would put iPXE in its place
    return ["-netdev", f"tap,id=net{number},ifname={tap},script=no,downscript=no", "-device", device]


def _make_controllers(machine: RackMachine) -> list[str]:
    buses = {disk.bus for disk in machine.disks}
    scsi = ["-device", "virtio-scsi-pci,id=scsi0"] if "scsi" in buses else []
    return scsi + (["-device", "qemu-xhci,id=xhci"] if "usb" in buses or machine.stick else [])


def _make_medium(machine: RackMachine, bench: Bench, bootindex: int) -> list[str]:
    """The CD or the stick, read-only: racks that run side by side share the file."""
    if bench.medium is None:
        return []
    kind = ",media=cdrom" if machine.iso else ""
    device = "ide-cd" if machine.iso else "usb-storage,bus=xhci.0,removable=on"
    drive = f"if=none,id=medium,file={_escape(bench.medium)},format=raw,readonly=on{kind}"
    return ["-drive", drive, "-device", f"{device},drive=medium,bootindex={bootindex}"]


def _make_disk(disk: RackDisk, number: int, file: Path, bootindex: int) -> list[str]:
    """`cache=unsafe`: what the guest wrote outlives a killed QEMU; only the host's own crash could lose it."""
    drive = ["-drive", f"if=none,id=disk{number},file={_escape(file)},format=raw,cache=unsafe,discard=unmap"]
    serial = f",serial={disk.serial}" if disk.serial else ""
    options = f"drive=disk{number},bootindex={bootindex}"
    options += f",logical_block_size={disk.sector_bytes},physical_block_size=4096" if disk.sector_bytes != 512 else ""
    wwn = f",wwn={disk.wwn}" if disk.wwn else ""
    match disk.bus:
        case "virtio":
            device = f"virtio-blk-pci,{options}{serial}"
        case "sata":
            device = f"ide-hd,{options}{serial}{wwn}"
        case "scsi":
            device = f"scsi-hd,bus=scsi0.0,scsi-id={number},{options}{serial}{wwn}"
        case "usb":
            device = f"usb-storage,bus=xhci.0,removable={'on' if disk.removable else 'off'},{options}{serial}"
        case "nvme":
            controller = f"nvme,id=nvme{number},serial={disk.serial or f'nvme{number}'}"
            if disk.wwn:  # NVMe's world-wide name is the EUI-64 of a namespace
                space = f"nvme-ns,bus=nvme{number},eui64={disk.wwn},{options}"
                return [*drive, "-device", controller, "-device", space]
            device = f"{controller},{options}"
    return [*drive, "-device", device]


def _make_ipmi(bench: Bench) -> list[str]:
    """The machine's BMC as it sees it itself: KCS (IPMI 2.0, section 9), answered by ipmi_sim."""
    if not bench.ipmi_port:
        return []
    again = "reconnect-ms=2000" if bench.qemu_version >= (9, 2) else "reconnect=2"
    argv = ["-chardev", f"socket,id=ipmi0,host=127.0.0.1,port={bench.ipmi_port},{again}"]
    return [*argv, "-device", "ipmi-bmc-extern,chardev=ipmi0,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"]


def _escape(path: Path) -> str:
    """A comma ends a value in QEMU's options; doubled, it belongs to it."""
    return str(path).replace(",", ",,")
