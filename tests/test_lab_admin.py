"""A machine with a boot medium in it: the rack's own admin machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from installer.lab.netns import find_namespace
from installer.lab.qemu import Bench, make_qemu_argv, render_spcr
from installer.lab.rack import RackDisk, RackMachine, RackNic
from installer.lab.rack_file import load_rack, parse_rack

MACHINE = RackMachine(
    name="admin",
    serial="S-1",
    uuid="5f1d2a60-0001-4c1e-9d3b-52540012a001",
    nics=(RackNic("52:54:00:12:a0:01"),),
    disks=(RackDisk("1G"), RackDisk("1G")),
    iso="rackstrap.iso",
)
BENCH = Bench(
    Path("/lab/admin"),
    Path("/lab/admin.console.log"),
    ("tap0-0",),
    (Path("/lab/admin/disk0.raw"), Path("/lab/admin/disk1.raw")),
    0,
    "tcg",
    (7, 2),
    Path("/iso/rack,strap.iso"),
)
HEAD = "name: r\nadmin: 192.168.124.10/24\n"
ADMIN = "machines:\n  - name: admin\n    serial: S1\n    uuid: 5f1d2a60-0001-4c1e-9d3b-52540012a001\n"


def find_values(argv: tuple[str, ...], option: str) -> list[str]:
    return [value for name, value in pairwise(argv) if name == option]


def find_boot_order(argv: tuple[str, ...]) -> list[str]:
    """What the firmware tries, in order."""
    devices = [device.split(",") for device in find_values(argv, "-device")]
    indexed = [(device[0], word) for device in devices for word in device if word.startswith("bootindex=")]
    return [name for name, _ in sorted(indexed, key=lambda row: int(row[1].removeprefix("bootindex=")))]


def test_a_cd_is_tried_before_the_disks_and_the_network_last() -> None:
    argv = make_qemu_argv(MACHINE, BENCH, "network")
    assert find_boot_order(argv) == ["ide-cd", "virtio-blk-pci", "virtio-blk-pci", "virtio-net-pci"]
    assert "if=none,id=medium,file=/iso/rack,,strap.iso,format=raw,readonly=on,media=cdrom" in find_values(argv, "-drive")
    assert find_values(argv, "-machine") == ["q35"]
    from_disk = make_qemu_argv(MACHINE, BENCH, "disk")
    assert find_boot_order(from_disk) == ["virtio-blk-pci", "virtio-blk-pci", "ide-cd", "virtio-net-pci"]


def test_the_same_file_as_a_stick() -> None:
    argv = make_qemu_argv(replace(MACHINE, iso="", stick="rackstrap.iso"), BENCH, "network")
    assert find_boot_order(argv) == ["usb-storage", "virtio-blk-pci", "virtio-blk-pci", "virtio-net-pci"]
    assert "qemu-xhci,id=xhci" in find_values(argv, "-device")
    assert "usb-storage,bus=xhci.0,removable=on,drive=medium,bootindex=0" in find_values(argv, "-device")
    assert "if=none,id=medium,file=/iso/rack,,strap.iso,format=raw,readonly=on" in find_values(argv, "-drive")


def test_consoles_beside_the_serial_line() -> None:
    """The table's bytes where Rackstrap's console generator and Linux (struct acpi_table_spcr) look for them, less its header."""
    argv = make_qemu_argv(replace(MACHINE, consoles=frozenset({"hvc0", "ttyS1"})), BENCH, "network")
    assert "virtconsole,chardev=hvc0" in find_values(argv, "-device")
    assert find_values(argv, "-serial") == ["chardev:con", "chardev:ttyS1"]
    assert find_values(argv, "-acpitable") == ["sig=SPCR,rev=2,data=/lab/admin/spcr.bin"]
    table = bytes(36) + render_spcr()
    assert (len(table), table[40], table[44:52], table[58]) == (80, 1, b"\xf8\x02" + bytes(6), 7)
    assert find_values(make_qemu_argv(MACHINE, BENCH, "network"), "-acpitable") == []


def test_the_host_keeps_another_address_than_the_admin_machine() -> None:
    rack, problems = parse_rack(HEAD + "host: 192.168.124.1\n" + ADMIN + "    iso: a.iso\n")
    assert rack is not None
    assert problems == []
    assert (str(rack.admin), str(rack.bridge_address), rack.machines[0].medium) == (
        "192.168.124.10/24",
        "192.168.124.1/24",
        "a.iso",
    )
    rack, problems = parse_rack(HEAD + ADMIN)
    assert rack is not None
    assert (str(rack.bridge_address), rack.machines[0].medium, problems) == ("192.168.124.10/24", "", [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HEAD + "host: 192.168.124.10\n" + ADMIN, ":3:7: host: 192.168.124.10 is already taken; give each its own"),
        (
            HEAD + "host: 10.0.0.1\n" + ADMIN,
            ":3:7: host: 10.0.0.1 is outside of 192.168.124.0/24; take an address of the admin network",
        ),
        (
            HEAD + ADMIN + "    iso: a.iso\n    stick: a.iso\n",
            ":8:12: machines.0.stick: there is a CD in this machine already; give it one of both: iso or stick",
        ),
        (
            HEAD + ADMIN + "    iso: a.iso\n    disks: [" + ", ".join(["{size: 1G, bus: sata}"] * 6) + "]\n",
            ":8:12: machines.0.disks: more than 5 SATA disks; put the others on scsi",
        ),
    ],
)
def test_problems(text: str, shown: str) -> None:
    assert [str(problem) for problem in parse_rack(text)[1]] == [shown]


# --- one real machine, whose CD and whose disk each say one word ---


@dataclass(frozen=True, slots=True)
class Room:
    folder: Path

    def run(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "installer.cli", "lab", verb, "--dir", str(self.folder / "lab"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    def hear(self, *words: str) -> str:
        """The first of these words that the machine says."""
        log = self.folder / "lab" / "admin.console.log"
        until = time.monotonic() + 40
        while time.monotonic() < until:
            said = log.read_text(errors="replace")
            if heard := [word for word in words if word in said]:
                return heard[0]
            time.sleep(0.05)
        raise AssertionError(said)


def make_boot_sector(word: str) -> bytes:
    """A boot sector that says this word on the first serial line, by x86 `out`, and halts."""
    say = b"".join(b"\xb0" + bytes([letter]) + b"\xee" for letter in word.encode())
    return (b"\xba\xf8\x03" + say + b"\xf4\xeb\xfd").ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "boot.img").write_bytes(make_boot_sector("from-the-cd").ljust(2048, b"\0"))
    argv = ["xorriso", "-as", "mkisofs", "-quiet", "-o", "admin.iso", "-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"]
    subprocess.run([*argv, "tree"], cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "disk").open("wb") as disk:
        disk.write(make_boot_sector("from-the-disk"))
        disk.truncate(2**20)
    extra = "    memory_mb: 64\n    iso: admin.iso\n    disks: [{size: 1M, file: disk}]\n"
    nic = '    nics: [{mac: "52:54:00:12:a0:01"}]\n'
    head = HEAD.replace("name: r", f"name: ta{os.getpid()}") + "host: 192.168.124.1\n"
    (tmp_path / "rack.yaml").write_text(head + ADMIN + extra + nic)
    room = Room(tmp_path)
    yield room
    room.run("down")


def test_it_starts_from_its_cd_and_from_its_disk_when_told_so(room: Room) -> None:
    done = room.run("up", str(room.folder / "rack.yaml"), "--accel", "tcg")
    assert done.returncode == 0, done.stderr
    assert load_rack(room.folder / "lab" / "rack.yaml").machines[0].medium == "admin.iso"
    addresses = room.run("run", "--", "ip", "-br", "-4", "addr", "show", "br0").stdout.split()[2:]
    assert addresses == ["192.168.124.1/24"]
    assert room.run("power", "admin", "on").returncode == 0
    assert room.hear("from-the-cd", "from-the-disk") == "from-the-cd"
    assert room.run("power", "admin", "pull").stdout == "admin is off\n"
    (room.folder / "lab" / "admin" / "boot").write_text("default")
    assert room.run("power", "admin", "on").returncode == 0
    assert room.hear("from-the-disk") == "from-the-disk"


def test_a_missing_medium_is_said_before_anything_starts(room: Room) -> None:
    (room.folder / "admin.iso").unlink()
    done = room.run("up", str(room.folder / "rack.yaml"), "--accel", "tcg")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        f"rackstrap: admin has no medium: {room.folder}/admin.iso is missing",
    )
    assert find_namespace(f"ta{os.getpid()}") == 0
