"""The ISO's wider matrix: one start of an admin machine a scenario, by `make prove`, one after the other."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.rack.iso_rack import (
    ADMIN,
    BANNER,
    HOST,
    INSTALLED,
    IsoRack,
    choose_install,
    customize,
    find_bmc_files,
    hash_decoys,
    is_done,
    iso_rack,
    make_admin_machine,
    make_decoys,
    make_iso_site,
    make_node,
    make_volume,
    render_site,
    save_volume,
    wait_tui,
)
from tests.rack.pace import stretch
from tests.rack.rack import RACKSTRAP
from tests.rack.screen_dump import find_differences, load_font, press, take_picture
from tests.terminal import Terminal

pytestmark = pytest.mark.prove
DECOYS: Final = ("ext4", "xfs", "mirror")


@contextmanager
def unattended(folder: Path, iso: Path, *more: Mapping[str, Any], **changes: Any) -> Iterator[tuple[IsoRack, Path]]:
    """A rack whose admin machine starts by itself from a volume; the volume's file, still without a site."""
    own = customize(iso, folder / "unattended.iso", "--unattended")
    volume = folder / "volume"
    machine = make_admin_machine(own, **changes)
    machine["disks"] = [*machine["disks"], make_volume(volume)]
    with iso_rack(folder, own, [machine, *more]) as made:
        yield made, volume


def count_blocks(made: IsoRack) -> int:
    """Blocks that the chosen disk's sparse file holds: 0 as long as nobody wrote to it."""
    return sum(path.stat().st_blocks for path in (made.rack.lab / "admin").glob("disk*.raw"))


def save_console_font(console: Terminal, file: Path) -> Path:
    """The font that the screen's console has now, with its Unicode table, through the root shell on the serial line."""
    console.wait_for(BANNER, stretch(200))
    console.press("s")
    console.wait_for("#", stretch(60))
    console.press("setfont -C /dev/tty1 -O /tmp/font; echo be''gin; base64 -w 76 /tmp/font; echo e''nd\r")
    console.wait_for(r"(?m)^end", stretch(60))
    # From the line itself: QEMU's log of it repeats a byte now and then, where the line was slower than the machine.
    said = re.search(rb"begin\r\n(.*?)\r\nend", console.written, re.DOTALL)
    assert said is not None, console.text()
    file.write_bytes(base64.b64decode(said[1]))
    console.press("exit\r")
    console.wait_for(BANNER, stretch(60))
    return file


def test_the_screen_shows_what_the_emulator_renders(folder: Path, iso: Path) -> None:
    """The VGA console and a serial line look at one session: each cell of the picture is the character's glyph."""
    with iso_rack(folder, iso, [make_admin_machine(iso)]) as made:
        made.power("on")
        console, machine = choose_install(made), made.rack.lab / "admin"
        font = load_font(save_console_font(console, folder / "font.psf"))
        press(machine, "ret")
        console.press("enter")
        console.wait_for("Welcome 1/9", stretch(120))
        give_up_at = time.monotonic() + stretch(60)
        while True:
            console.press("\x0c")  # painted anew; the window follows the console that was used last
            lines = console.settle(1).splitlines()
            picture = take_picture(machine, folder / "screen.ppm")
            wrong = find_differences(picture, [line.ljust(80) for line in lines], font)
            if not wrong:
                break
            said = f"{len(wrong)} cells of {picture.width}x{picture.height} dots differ, first {wrong[:10]}"
            assert time.monotonic() < give_up_at, f"{said}\n{console.text()}"
        assert "Welcome 1/9" in lines[0]


def test_a_stick_under_bios_shows_the_same(folder: Path, iso: Path) -> None:
    with iso_rack(folder, iso, [make_admin_machine(iso, iso="", stick=str(iso))]) as made:
        made.power("on")
        wait_tui(made)
        assert count_blocks(made) == 0


def test_a_stick_under_uefi_installs_by_the_site_inside(folder: Path, iso: Path) -> None:
    """The site file is in the ISO itself; the stick stays plugged in, and the finished installation starts over it."""
    from tests.rack.rack import make_key

    site = folder / "site.yaml"
    site.write_bytes(render_site(make_iso_site(make_key(folder)[1])))
    own = customize(iso, folder / "site.iso", "--site", str(site), "--unattended")
    decoys, before = make_decoys(folder / "decoys", DECOYS)
    with iso_rack(folder, own, [make_admin_machine(own, decoys, firmware="uefi", iso="", stick=str(own))]) as made:
        made.power("on")
        made.wait_ssh(420, command=INSTALLED)
        first = made.ask("cat /proc/sys/kernel/random/boot_id")
        made.power("pull")
        made.power("on")
        made.wait_ssh(240, command=INSTALLED)
        assert made.ask("cat /proc/sys/kernel/random/boot_id") != first
        assert made.ask("test -d /sys/firmware/efi && findmnt -no FSTYPE /") == "ext4"
    assert hash_decoys(folder / "decoys", DECOYS) == before


def test_its_power_goes_in_its_own_installation_and_in_a_nodes(folder: Path, iso: Path) -> None:
    """Both times it comes back by itself, and the rack is finished."""
    with unattended(folder, iso, make_node()) as (made, volume):
        site = make_iso_site(
            made.public,
            discovery={"credentials": "bmc.csv", "admit": "matched"},
            nodes=[{"name": "node1", "match": {"serial": "ISO-M1"}}],
        )
        save_volume(volume, {"site.yaml": render_site(site), **find_bmc_files(made.rack)})
        made.power("on")
        wait_written(made, 300 * 2**20, 300)
        made.power("pull")
        made.power("on")
        made.wait_ssh(420, command=INSTALLED)
        made.wait_node(lambda node: node["stage"] == "unpack", 420)
        made.power("pull")
        made.power("on")
        made.wait_ssh(240, command=INSTALLED)
        node = made.wait_node(is_done, 420)
        made.wait_ssh(240, node["address"])
        assert made.ask("hostname -f", node["address"]) == "node1.iso.example"


def wait_written(made: IsoRack, size_bytes: int, deadline_s: float) -> None:
    """Until so much was written to the admin machine's chosen disk."""
    give_up_at = time.monotonic() + stretch(deadline_s)
    while count_blocks(made) * 512 < size_bytes:
        assert time.monotonic() < give_up_at, f"nothing was installed\n{made.find_last_words()}"
        time.sleep(0.2)


def test_the_site_comes_by_http_from_a_server_that_is_late(folder: Path, iso: Path) -> None:
    """For its first minute the server is down; then it has a file with an error, and then the right one, pinned by its hash."""
    from tests.rack.rack import make_key

    right = render_site(make_iso_site(make_key(folder)[1]))
    words = f"rackstrap.site=http://{HOST}:8000/${{serial}}.yaml rackstrap.site_sha256={hashlib.sha256(right).hexdigest()}"
    own = customize(iso, folder / "http.iso", "--unattended", "--kernel-words", f"{words} rackstrap.ip={ADMIN}/24")
    (folder / "www").mkdir()
    with iso_rack(folder, own, [make_admin_machine(own)]) as made:
        made.power("on")
        made.wait_said(rf"{HOST}:8000", 120)
        began = time.monotonic()
        made.wait_said(r"Looking again (?:in|every) \d+ s", 60)
        time.sleep(max(0.0, 60 - (time.monotonic() - began)))
        (folder / "www/ISO-ADMIN.yaml").write_bytes(right)
        serve = [
            *RACKSTRAP,
            *made.inside("python3", "-m", "http.server", "8000", "--bind", HOST, "--directory", str(folder / "www")),
        ]
        with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                made.wait_ssh(480, command=INSTALLED)
            finally:
                server.terminate()


WRONG: Final = b"""rackstrap: 1
name: iso rack
domain: iso.example
access: {ssh_keys: [not-a-key]}
admin: {hostname: admin, address: 192.168.99.10, disk: {serial: CHOSEN}}
erase: blank
"""


def test_a_wrong_file_is_told_whole_and_no_disk_is_touched(folder: Path, iso: Path) -> None:
    decoys, before = make_decoys(folder / "decoys", DECOYS)
    machine: dict[str, Any] = {"disks": [*decoys, {"size": "8G", "bus": "virtio", "serial": "CHOSEN"}]}
    with unattended(folder, iso, **machine) as (made, volume):
        save_volume(volume, {"site.yaml": WRONG})
        made.power("on")
        for line in (2, 4, 5):
            made.wait_said(rf":{line}:\d+: ", 300)
        assert count_blocks(made) == 0
    assert hash_decoys(folder / "decoys", DECOYS) == before


def test_the_chosen_disk_is_missing(folder: Path, iso: Path) -> None:
    """It says which, and what there is; no other disk is taken in its place."""
    with unattended(folder, iso) as (made, volume):
        site = make_iso_site(made.public, admin={"hostname": "admin", "address": ADMIN, "disk": {"serial": "GONE"}})
        save_volume(volume, {"site.yaml": render_site(site)})
        made.power("on")
        made.wait_said("GONE", 300)
        made.wait_ssh(60, command="! " + INSTALLED)
        assert count_blocks(made) == 0


def test_no_consent_stops_at_the_gate(folder: Path, iso: Path) -> None:
    """A disk that is not blank, and `erase: blank`: nothing is written, and the consoles say what is missing."""
    decoys, before = make_decoys(folder / "decoys", ("ext4",))
    decoys[0]["size"], decoys[0]["serial"] = "8G", "CHOSEN"
    with (folder / "decoys/ext4").open("r+b") as disk:
        disk.truncate(8 * 2**30)
    before = hash_decoys(folder / "decoys", ("ext4",))
    with unattended(folder, iso, disks=decoys) as (made, volume):
        save_volume(volume, {"site.yaml": render_site(make_iso_site(made.public))})
        made.power("on")
        made.wait_said(r"(?i)consent", 300)
        made.wait_ssh(60, command="! " + INSTALLED)
    assert hash_decoys(folder / "decoys", ("ext4",)) == before


def test_too_little_memory_is_refused_in_words(folder: Path, iso: Path) -> None:
    with iso_rack(folder, iso, [make_admin_machine(iso, memory_mb=256)]) as made:
        made.power("on")
        choose_install(made)
        made.wait_said(r"too little memory: \d+ MB of the \d+ MB", 120)
        assert count_blocks(made) == 0


@pytest.mark.parametrize("handover", ["reboot", "kexec"])
def test_the_admin_node_is_entered_by(folder: Path, iso: Path, handover: str) -> None:
    """Not by a soft-reboot, as otherwise: through the firmware and the menu of the ISO in the drive, or by kexec."""
    with unattended(folder, iso) as (made, volume):
        save_volume(volume, {"site.yaml": render_site(make_iso_site(made.public, handover=handover))})
        made.power("on")
        made.wait_ssh(480, command=INSTALLED)
        words = made.ask("cat /proc/cmdline").split()
        assert [word for word in words if word.startswith(("rackstrap.medium", "rackstrap.boot"))] == []
        assert ("rackstrap.kexec=1" in words) == (handover == "kexec")
        assert made.ask("systemctl show --property=SoftRebootsCount --value") == "0"
        assert len(re.findall("(?i)booting `start the installed admin node", made.listen())) == (handover == "reboot")
        made.wait_said(r"Enter +watch the rack", 120)
        made.wait_ssh(120, command="curl -fsS 'http://" + ADMIN + "/boot/ipxe?mac='")
        assert made.ask("systemctl --failed --no-legend --plain") == ""
