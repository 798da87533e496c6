"""The admin node on a mirror: either disk alone starts it, with its services, and the rack goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.rack.iso_rack import (
    ADMIN,
    INSTALLED,
    IsoRack,
    customize,
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
)
from tests.rack.rack import make_key

pytestmark = pytest.mark.prove
DECOYS: Final = ("ext4", "xfs", "mirror")
MEMBERS: Final = ("MIRROR0", "MIRROR1")
BOOT_ID: Final = "cat /proc/sys/kernel/random/boot_id"
# Every file of an ESP, with its sum: read by mtools, so that nothing is mounted and no automount hides a missing disk.
READ_ESP: Final = (
    "mkdir /tmp/{0} && mcopy -snQ -i /dev/disk/by-id/virtio-{0}-part2 ::/EFI /tmp/{0}"
    " && cd /tmp/{0} && find . -type f | sort | xargs sha256sum"
)


def make_mirrored(medium: Path, folder: Path, decoys: Sequence[Mapping[str, Any]], members: Sequence[str], **changes: Any) -> Any:
    """The admin machine with decoys, the volume with the site file, and these members of its mirror."""
    disks = [{"size": "8G", "bus": "virtio", "serial": name, "file": str(folder / f"{name}.raw")} for name in members]
    machine = make_admin_machine(medium, [], firmware="uefi", **changes)
    return {**machine, "disks": [*decoys, *disks, make_volume(folder / "volume")]}


def make_mirror_site(folder: Path) -> dict[str, Any]:
    """One machine becomes a node, whenever somebody switches it on: it has no BMC."""
    return make_iso_site(
        make_key(folder)[1],
        admin={"hostname": "admin", "address": ADMIN, "disk": {"serial": list(MEMBERS), "mirror": True}},
        discovery={"admit": "matched"},
        nodes=[{"name": "node1", "match": {"serial": "ISO-M1"}}],
    )


def test_the_admin_node_starts_from_either_half_of_its_mirror(folder: Path, iso: Path) -> None:
    """Its first disk goes, and it installs a node all the same; once mended, its second goes, and the ISO with it."""
    own = customize(iso, folder / "unattended.iso", "--unattended")
    save_volume(folder / "volume", {"site.yaml": render_site(make_mirror_site(folder))})
    decoys, before = make_decoys(folder / "decoys", DECOYS)
    node = make_node(bmc="none")
    with iso_rack(folder, own, [make_mirrored(own, folder, decoys, MEMBERS), node]) as made:
        made.power("on")
        made.wait_ssh(480, command=INSTALLED)
        check_serving(made, "[UU]")
        check_esps(made)
        boots = [made.ask(BOOT_ID)]
        made.power("pull")
    with iso_rack(folder, own, [make_mirrored(own, folder, decoys, MEMBERS[1:]), node]) as made:
        boots.append(check_start(made, "[_U]"))
        made.power("on", "m1")
        assert made.wait_node(is_done, 600)["name"] == "node1"
        made.power("pull")
    with iso_rack(folder, own, [make_mirrored(own, folder, decoys, MEMBERS), node]) as made:
        boots.append(check_start(made, "[_U]"))  # the disk that came back is behind: nothing is taken from it
        made.ask("mdadm /dev/md127 --add /dev/disk/by-id/virtio-MIRROR0-part3 && mdadm --wait /dev/md127")
        check_serving(made, "[UU]")
        made.power("pull")
    with iso_rack(folder, own, [make_mirrored(own, folder, decoys, MEMBERS[:1], iso=""), node]) as made:
        (made.rack.lab / "admin/boot").write_text("default\n")  # its disks first: without a medium the lab tries the network
        boots.append(check_start(made, "[U_]"))
        assert made.wait_node(is_done, 60)["name"] == "node1"
    assert len(set(boots)) == len(boots)
    assert hash_decoys(folder / "decoys", DECOYS) == before


def check_start(made: IsoRack, array: str) -> str:
    """The machine is switched on, and comes up by itself with the array so; its boot id."""
    made.power("on")
    made.wait_ssh(300, command=INSTALLED)
    check_serving(made, array)
    assert made.ask("systemctl is-active rackstrap-serve") == "active"
    return made.ask(BOOT_ID)


def check_serving(made: IsoRack, array: str) -> None:
    """It runs from its array, answers the rack, and nothing failed on it."""
    assert array in made.ask("cat /proc/mdstat")
    assert made.ask("findmnt -no SOURCE,FSTYPE /").split() == ["/dev/md127", "ext4"]
    asked = made.inside("curl", "-fsS", "--retry", "20", "--retry-all-errors", f"http://{ADMIN}/boot/ipxe?mac=&uuid=&serial=NEW")
    script = made.rack.rackstrap(*asked)
    assert script.stdout.startswith("#!ipxe"), script.stdout + script.stderr
    assert made.ask("systemctl --failed --no-legend --plain") == ""


def check_esps(made: IsoRack) -> None:
    """Both ESPs hold the same files, the loaders among them, and both say that one installation is finished."""
    first, second = (made.ask(READ_ESP.format(name)) for name in MEMBERS)
    assert first == second
    assert {"./EFI/BOOT/BOOTX64.EFI", "./EFI/rackstrap/admin.json"} <= {line.split()[1] for line in first.splitlines()}
    found = json.loads(made.ask("rackstrap install --find --json"))
    assert found["doubts"] == []
    shown = [(one["state"], one["this_machine"], len(one["found_on"]), one["has_state"]) for one in found["installations"]]
    assert shown == [("finished", True, 2, False)]
