"""The initramfs's way to the admin medium, under busybox, in a root that has nothing else."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Final

import pytest

from installer.live.lease import OPTION
from tests.busybox_root import make_root, run_inside

ISO: Final = Path(__file__).parent.parent / "iso"
SCRIPTS: Final = (ISO / "initramfs/functions.sh", ISO / "initramfs/medium.sh")
ID: Final = "00112233aabbccdd"
# `mount` and `umount` are asked for by name: a device file's mark stands for what is on it.
MOUNT: Final = """
mount() { echo "mount $*" >>/mounts; cp -r "/media/${5#/dev/}/." "$6/" 2>/dev/null; }
umount() { echo "umount $*" >>/mounts; rm -rf "$1"/.disk; }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path, *SCRIPTS)


def ask(script: str, root: Path, **environment: str) -> str:
    whole = f'. /functions.sh\n. /medium.sh\nsay() {{ echo "$*"; }}\nrefuse() {{ echo "REFUSED $*"; exit 9; }}\n{script}'
    done = run_inside(root, whole, **environment)
    assert done.stderr == ""
    return done.stdout.strip()


def add_disk(root: Path, name: str, *, removable: bool = False, path: str = "pci0/ata1", parts: tuple[str, ...] = ()) -> None:
    device = root / "sys/devices" / path / name
    device.mkdir(parents=True)
    (device / "removable").write_text(f"{int(removable)}\n")
    (device / "ro").write_text("1\n")
    for part in parts:
        (device / part).mkdir()
        (device / part / "partition").write_text("1\n")
    (root / "sys/block").mkdir(parents=True, exist_ok=True)
    (root / "sys/block" / name).symlink_to(Path("../devices") / path / name)


def add_iso(root: Path, device: str, medium: str) -> None:
    with (root / "dev" / device).open("wb") as file:
        file.write(bytes(32769) + b"CD001")
    (root / "media" / device / ".disk").mkdir(parents=True)
    (root / "media" / device / ".disk/rackstrap").write_text(f"{medium}\n")


def test_the_kernel_line_names_the_medium_and_what_to_do_with_it(root: Path) -> None:
    script = 'parse_medium_words quiet rackstrap.medium=00112233aabbccdd {}; echo "$MEDIUM [$CHECK] [$MEMORY]"'
    assert ask(script.format(""), root) == f"{ID} [] []"
    assert ask(script.format("rackstrap.check=1 rackstrap.memory=1"), root) == f"{ID} [1] [1]"


@pytest.mark.parametrize("word", ["x/../y", "00112233AABBCCDD", "00112233aabbccdd0", "$(id)", ""])
def test_a_medium_that_is_no_id_is_refused(root: Path, word: str) -> None:
    (root / "meminfo").write_text("MemTotal: 2000000 kB\n")
    script = f"parse_medium_words 'rackstrap.medium={word}'; run_medium \"$MEDIUM\""
    assert ask(script, root, MEMINFO="/meminfo") == "REFUSED rackstrap.medium= on the kernel line is not 16 hex digits."


def test_only_what_a_person_can_take_out_is_looked_at(root: Path) -> None:
    add_disk(root, "sda")
    add_disk(root, "nvme0n1", path="pci0/nvme")
    add_disk(root, "loop0", removable=True, path="virtual")
    add_disk(root, "sdb", path="pci0/usb1/1-1", parts=("sdb1", "sdb2"))
    add_disk(root, "sdc", removable=True)
    add_disk(root, "sr0")
    assert ask("find_removable", root).split() == ["sdb", "sdc", "sr0"]
    assert ask("find_parts sdb", root).split() == ["sdb", "sdb1", "sdb2"]


def test_the_medium_is_found_by_its_id_and_nothing_but_iso_9660_is_mounted(root: Path) -> None:
    add_disk(root, "sda", parts=("sda1",))
    add_iso(root, "sda1", ID)  # the right one, where none is looked for
    add_disk(root, "sdb", removable=True)
    (root / "dev/sdb").write_bytes(b"\x53\xef" * 40000)  # something else, which nobody mounts
    add_disk(root, "sdc", path="pci0/usb2/2-1", parts=("sdc1",))
    add_iso(root, "sdc1", ID)
    (root / "dev/sdc").touch()
    add_disk(root, "sr0", removable=True)
    add_iso(root, "sr0", "ffffffffffffffff")
    found = ask(f"{MOUNT}\nrun_look {ID} /place && cat /place/.disk/rackstrap", root)
    assert found == ID
    assert (root / "mounts").read_text().splitlines() == ["mount -t iso9660 -o ro,nodev,nosuid /dev/sdc1 /place"]


def test_what_was_looked_at_is_told(root: Path) -> None:
    add_disk(root, "sdb", removable=True)
    (root / "dev/sdb").write_bytes(b"nothing")
    add_disk(root, "sr0", removable=True)
    add_iso(root, "sr0", "ffffffffffffffff")
    assert ask(f'{MOUNT}\nmkdir /place; run_look {ID} /place || echo "$LOOKED"', root) == "sdb (no ISO), sr0 (another ISO)"
    assert (root / "mounts").read_text().splitlines()[-1] == "umount /place"


def test_a_missing_medium_is_waited_for_and_said(root: Path) -> None:
    add_disk(root, "sr0", removable=True)
    script = f"""{MOUNT}
    modprobe() {{ :; }}
    load_modules() {{ :; }}
    sleep() {{ tries=$((tries + 1)); [ $tries -lt 41 ] || exit 0; }}
    tries=0; run_find_medium {ID} /run/rackstrap/medium"""
    assert ask(script, root).splitlines() == [
        f"Looking for the Rackstrap medium {ID}. Removable devices seen: sr0 (no ISO).",
        "Put it in, or connect the virtual medium again: this goes on looking. Other disks are not looked at.",
    ]


def test_too_little_memory_is_refused_with_numbers_and_a_way_out(root: Path) -> None:
    (root / "meminfo").write_text("MemTotal: 409600 kB\n")
    small = "There is too little memory: 400 MB of the 500 MB that Rackstrap needs."
    assert ask("check_medium_memory 0", root, MEMINFO="/meminfo") == small
    assert ask("check_medium_memory 0", root, MEMINFO="/meminfo", MEDIUM_FLOOR_MB="400") == ""
    (root / "source/rackstrap").mkdir(parents=True)
    (root / "source/rackstrap/root.squashfs").write_bytes(bytes(2**21))
    refused = ask("run_copy /source /place", root, MEMINFO="/meminfo", MEDIUM_FLOOR_MB="399")
    assert refused.startswith("REFUSED There is too little memory: 400 MB of the 401 MB that Rackstrap needs.")
    assert refused.endswith("Start without rackstrap.memory=1, and leave the medium in.")


def test_a_copy_in_memory_needs_the_medium_no_more(root: Path) -> None:
    (root / "meminfo").write_text("MemTotal: 2000000 kB\n")
    (root / "source/rackstrap").mkdir(parents=True)
    (root / "source/.disk").mkdir()
    (root / "source/.disk/rackstrap").write_text(ID)
    (root / "source/rackstrap/root.squashfs").write_text("image")
    (root / "source/boot").mkdir()
    script = 'mount() { echo "$*"; }; umount() { echo "umount $*"; }; run_copy /source /place'
    lines = ask(script, root, MEMINFO="/meminfo").splitlines()
    assert lines[0] == "Copying 0 MB into memory."
    assert lines[1].startswith("-t tmpfs -o mode=0755,nodev,nosuid,size=")
    assert lines[2:] == ["-o remount,ro /place", "umount /source"]
    assert (root / "place/rackstrap/root.squashfs").read_text() == "image"
    assert sorted(path.name for path in (root / "place").iterdir()) == [".disk", "rackstrap"]


def test_a_damaged_medium_is_named_by_its_files(root: Path) -> None:
    image = root / "image"
    image.mkdir()
    sums = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("initrd", "root.squashfs", "vmlinuz")}
    for name in sums:
        (image / name).write_text(name)
    (image / "image.sha256").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    assert ask("check_image /image", root) == ""
    (image / "root.squashfs").write_text("other")
    (image / "vmlinuz").unlink()
    assert ask("check_image /image", root).split() == ["root.squashfs", "vmlinuz"]


def test_every_card_asks_for_an_address_by_its_mac_and_a_set_network_comes_first(root: Path) -> None:
    ask("render_medium", root)
    files = sorted(path.name for path in (root / "run/systemd/network").iterdir())
    assert files == ["20-rackstrap-live.network"]
    text = (root / "run/systemd/network" / files[0]).read_text()
    assert {"Type=ether", "DHCP=ipv4", "ClientIdentifier=mac", "RequiredForOnline=no", "LLDP=yes"} <= set(text.splitlines())
    assert f"RequestOptions={OPTION}" in text.splitlines(), "what a headless start reads of the lease has to be asked for"
    assert files[0] > "05-rackstrap-admin-"
    rules = root / "run/udev/rules.d"
    assert "blockdev --setro" in (rules / "10-rackstrap-readonly.rules").read_text()
    assert (rules / "64-md-raid-assembly.rules").readlink() == Path("/dev/null")


def test_layers_lie_over_each_other_in_the_order_that_is_given(root: Path) -> None:
    lines = ask('mount() { echo "$*"; }; run_overlay /image rackstrap admin root', root).splitlines()
    assert lines[:3] == [
        "-t squashfs -o ro,loop /image/rackstrap.squashfs /run/rackstrap/layer",
        "-t squashfs -o ro,loop /image/admin.squashfs /run/rackstrap/admin",
        "-t squashfs -o ro,loop /image/root.squashfs /run/rackstrap/root",
    ]
    assert "lowerdir=/run/rackstrap/layer:/run/rackstrap/admin:/run/rackstrap/root,upperdir=" in lines[-1]


def test_what_the_medium_keeps_is_left_out_of_discovery() -> None:
    kept = [line for line in (ISO / "medium-kept.list").read_text().splitlines() if not line.startswith("#")]
    masked = (ISO / "live-masked.list").read_text().splitlines()
    rules = (ISO / "live-rules.list").read_text().splitlines()
    for path in kept:
        folder, _, name = path.rpartition("/")
        listed = {"etc/systemd/system": masked, "etc/udev/rules.d": rules}.get(folder, [])
        assert name in listed or (ISO / "live" / path).is_file(), path


def test_a_long_line_is_folded_for_terminals_that_do_not(root: Path) -> None:
    (root / "sys/class/tty/console").mkdir(parents=True)
    (root / "sys/class/tty/console/active").write_text("tty0 ttyS0\n")
    (root / "proc").mkdir()
    (root / "proc/uptime").write_text("6.39 1.00\n")
    done = subprocess.run(
        ["unshare", "--map-root-user", "chroot", root, "/bin/sh", "-c", f". /functions.sh; say {'word ' * 20}"],
        env={"PATH": "/bin:/usr/sbin:/usr/bin:/sbin"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout + done.stderr == ""
    for name in ("tty0", "ttyS0"):
        first, second, rest = (root / "dev" / name).read_bytes().split(b"\r\n")
        assert (first[:21], len(first) <= 78, rest) == (b"rackstrap[6.39] word ", True, b"")
        assert second == b"word word word word word word word word"[: len(second)]


def test_scripts_pass_shellcheck() -> None:
    done = subprocess.run(["shellcheck", *map(str, SCRIPTS)], check=False, capture_output=True, text=True)
    assert done.stdout == ""
