"""One site, typed through the wizard or given as a file: the same plan, the same admin node, the same rack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.rack.iso_rack import (
    INSTALLED,
    SERVES,
    IsoRack,
    customize,
    is_done,
    iso_rack,
    make_admin_machine,
    make_node,
    make_volume,
    render_site,
    save_volume,
    wait_tui,
)
from tests.rack.iso_wizard import type_consent, type_network_and_disk, type_site
from tests.rack.pace import stretch
from tests.rack.rack import make_key

pytestmark = pytest.mark.prove
APPLIED: Final = "/var/lib/rackstrap/applied/site.yaml"
ASKED: Final = {
    "disk": "lsblk -bno NAME,SIZE,FSTYPE,LABEL /dev/vda",
    "units": "systemctl list-unit-files --no-legend --state=enabled | awk '{print $1}'",
    "etc": "cd /etc && find . -type f -print0 | sort -z | xargs -0 sha256sum",
}
# What every installation makes anew: ids and keys at random, the boot that it was made in, and what holds one of these.
FRESH: Final = frozenset({
    "./fstab", "./machine-id",
    *(f"./ssh/ssh_host_{kind}_key{end}" for kind in ("ecdsa", "ed25519") for end in ("", ".pub")),
    *(f"./rackstrap/{name}" for name in ("admin.json", "agent.crt", "agent.key", "esps", "node.json")),
})  # fmt: skip


def test_typed_and_headless_end_in_the_same_plan_and_the_same_rack(folder: Path, iso: Path) -> None:
    """The file that the wizard saved, with the consents that were typed, makes the same rack of other machines."""
    (folder / "typed").mkdir()
    key, _ = make_key(folder / "typed")
    (folder / "given").mkdir()
    for file in (key, key.with_suffix(".pub")):
        shutil.copy2(file, folder / "given")
    saved, typed = tell_typed(folder / "typed", iso)
    given = {**saved, "erase": "blank", "discovery": {**saved.get("discovery", {}), "admit": "matched"}}
    assert tell_given(folder / "given", iso, given) == typed


def tell_typed(folder: Path, iso: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything is answered on the serial line; the node is found before its admin node is installed. Site file and rack."""
    with iso_rack(folder, iso, [make_admin_machine(iso), make_node(bmc="none")]) as made:
        made.power("on")
        wait_tui(made)
        type_network_and_disk(made)
        type_site(made)
        find_node(made)
        type_consent(made)
        made.wait_ssh(420, command=INSTALLED)
        made.wait_node(is_done, 600)
        return YAML(typ="safe", pure=True).load(made.ask(f"cat {APPLIED}")), find_rack(made)


def find_node(made: IsoRack) -> None:
    """Discovery is started, somebody switches the machine on, and it is named and admitted by its code."""
    console = made.console
    assert console is not None
    console.press("n")
    console.wait_for("Nodes 5/9", stretch(20))
    console.press("s")
    console.wait_for("discovery starts", stretch(40))
    made.power("on", "m1")
    console.wait_for("1 machine found", stretch(240))
    console.press("p")
    console.wait_for("named node1", stretch(20))
    console.press("a")
    console.wait_for(r"[0-9A-Z]{4}-[0-9A-Z]{4}  node1", stretch(20))
    console.press("y", "enter")
    console.wait_for("node1 may take part", stretch(20))
    console.press("esc")


def tell_given(folder: Path, iso: Path, site: Mapping[str, Any]) -> dict[str, Any]:
    """Nobody answers anything; the node is switched on once there is somebody to find it."""
    own = customize(iso, folder / "unattended.iso", "--unattended")
    machine = make_admin_machine(own)
    machine["disks"] = [*machine["disks"], make_volume(folder / "volume")]
    save_volume(folder / "volume", {"site.yaml": render_site(site)})
    with iso_rack(folder, own, [machine, make_node(bmc="none")]) as made:
        made.power("on")
        made.wait_ssh(420, command=INSTALLED)
        made.wait_ssh(120, command=f"test -e {APPLIED} && {SERVES}")  # earlier it would find nothing to start from, and stay so
        made.power("on", "m1")
        made.wait_node(is_done, 600)
        return find_rack(made)


def find_rack(made: IsoRack) -> dict[str, Any]:
    """The plan but for who gave consent, and what both machines are: disks, units, and every file of /etc by its sum."""
    plan = json.loads(made.ask(f"rackstrap plan {APPLIED} --json"))
    del plan["consents"]
    for planned in plan["nodes"]:
        del planned["consent"]
    node = made.wait_node(is_done, 30)
    made.wait_ssh(240, node["address"])
    return {
        "plan": plan,
        "node": {key: node[key] for key in ("name", "address", "epoch")},
        "admin": find_system(made),
        "node1": find_system(made, node["address"]),
    }


def find_system(made: IsoRack, *address: str) -> dict[str, list[str]]:
    said = {what: made.ask(command, *address).splitlines() for what, command in ASKED.items()}
    return {**said, "etc": [line for line in said["etc"] if line.split(maxsplit=1)[1] not in FRESH]}
