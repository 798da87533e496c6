"""The admin ISO just built, on machines that nobody has touched: typed on a serial line, and with nobody there at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.rack.iso_rack import (
    ADMIN,
    BANNER,
    INSTALLED,
    IsoRack,
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
from tests.rack.iso_wizard import type_consent, type_network_and_disk, type_site
from tests.rack.pace import stretch
from tests.rack.story import CANARY_HASH

pytestmark = pytest.mark.rack
DECOYS: Final = ("ext4", "xfs", "mirror")


def check_installed(made: IsoRack, mode: str) -> None:
    """The admin node runs from its disk, with its services, and nothing failed on it."""
    assert made.ask("findmnt -no FSTYPE /") == "ext4"
    assert made.ask("hostname -f") == "admin.iso.example"
    assert made.ask("test -d /sys/firmware/efi && echo uefi || echo bios") == mode
    assert "virtio-CHOSEN" in made.ask(
        "r=$(findmnt -no SOURCE /); for i in /dev/disk/by-id/*; do test $i -ef $r && echo $i; done; true"
    )
    assert made.ask("systemctl --failed --no-legend --plain") == ""


def check_serial(made: IsoRack) -> None:
    """GRUB, kernel and getty of the installed system use the serial line that the machine was booted on."""
    assert "console=ttyS0,115200" in made.ask("cat /proc/cmdline")
    assert "terminal_output" in made.ask("grep -h serial /boot/grub/grub.cfg")
    assert made.ask("systemctl is-active rackstrap-console@ttyS0") == "active"


def test_typed_on_the_serial_line(folder: Path, iso: Path) -> None:
    """From GRUB's menu to the installed admin node and its cold boot, with the ISO in the drive all the time."""
    decoys, before = make_decoys(folder / "decoys", DECOYS)
    with iso_rack(folder, iso, [make_admin_machine(iso, decoys)]) as made:
        made.power("on")
        wait_tui(made)
        type_network_and_disk(made)
        type_site(made)
        made.leave()  # the line is cut, and somebody plugs in again
        made.sit_down().press("\x0c")
        type_consent(made)
        made.wait_ssh(420, command=INSTALLED)
        check_dashboard(made)
        check_installed(made, "bios")
        made.leave()
        assert hash_decoys(folder / "decoys", DECOYS) == before
        check_cold_boot(made)
    assert hash_decoys(folder / "decoys", DECOYS) == before


def check_dashboard(made: IsoRack) -> None:
    """The line that was typed on shows the installed node's banner, and on Enter the rack, without a login."""
    console = made.console
    assert console is not None
    console.wait_for("Enter  watch the rack", stretch(120))
    console.press("enter")
    console.wait_for(r"\(look only\) +isorack", stretch(120))


def check_cold_boot(made: IsoRack) -> None:
    """Without its power for a moment: GRUB of the ISO, which is still in the drive, hands over to the installed system."""
    first = made.ask("cat /proc/sys/kernel/random/boot_id")
    made.power("pull")
    mark = made.mark()
    made.power("on")
    made.wait_said("(?i)start the installed admin node", 60, after=mark)
    made.wait_ssh(240, command=INSTALLED)
    assert made.ask("cat /proc/sys/kernel/random/boot_id") != first
    check_installed(made, "bios")
    check_serial(made)
    made.wait_said(BANNER, 60, after=mark)


def test_headless_from_a_labelled_volume_under_secure_boot(folder: Path, iso: Path) -> None:
    """Nobody at the console: the admin node installs itself, finds a blank machine by its BMC, and installs that too."""
    unattended = customize(iso, folder / "unattended.iso", "--unattended")
    volume = folder / "volume"
    admin = make_admin_machine(unattended, [], firmware="secure-boot")
    admin["disks"].append(make_volume(volume))
    with iso_rack(folder, unattended, [admin, make_node(firmware="secure-boot")]) as made:
        save_volume(volume, {"site.yaml": render_site(make_headless_site(made)), **find_bmc_files(made.rack)})
        made.power("on")
        made.wait_ssh(420, command=INSTALLED)
        check_installed(made, "uefi")
        node = made.wait_node(is_done, 420)
        assert (node["name"], node["epoch"]) == ("node1", 1)
        made.wait_ssh(240, node["address"])
        assert made.ask("hostname -f", node["address"]) == "node1.iso.example"
        for address in (ADMIN, node["address"]):
            assert made.ask("mokutil --sb-state", address) == "SecureBoot enabled"
        check_secrets(made)


def make_headless_site(made: IsoRack) -> dict[str, object]:
    return make_iso_site(
        made.public,
        access={"ssh_keys": [made.public], "password_hash": CANARY_HASH},
        discovery={"credentials": "bmc.csv", "admit": "matched"},
        nodes=[{"name": "node1", "match": {"serial": "ISO-M1"}}],
    )


def check_secrets(made: IsoRack) -> None:
    """No password has reached a console."""
    secrets = [CANARY_HASH, *(path.read_text().strip() for path in (made.rack.lab / "secrets").iterdir())]
    assert len(secrets) == 2
    for name in ("admin", "m1"):
        said = made.listen(name)
        assert said
        assert [secret for secret in secrets if secret in said] == []
