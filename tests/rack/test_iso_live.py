"""The ISO run live: everything works from memory, and the machine can still be installed later, with all that it found."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.rack.iso_console import ask_shell
from tests.rack.iso_rack import (
    ADMIN,
    BANNER,
    CHOSEN,
    INSTALLED,
    MENU,
    IsoRack,
    find_bmc_files,
    is_done,
    iso_rack,
    make_admin_machine,
    make_iso_site,
    make_node,
    render_site,
)
from tests.rack.pace import stretch
from tests.terminal import Terminal

pytestmark = pytest.mark.prove
SITE: Final = "/root/site/site.yaml"


def test_a_live_admin_node_is_installed_later_with_all_that_it_found(folder: Path, iso: Path) -> None:
    """A node that enrolled with the live system goes on with the installed one, without a start in between."""
    with iso_rack(folder, iso, [make_admin_machine(iso), make_node()]) as made:
        console = start_live(made)
        assert "in memory only: gone when the power goes" in console.text()
        open_ssh(made, console)
        put_files(made)
        made.ask(f"rackstrap network set {SITE} && rackstrap network confirm")
        made.ask(f"systemd-run --quiet --unit=discovery rackstrap apply --discover {SITE}")
        found = made.wait_node(lambda node: node["machine"] and node["state"] == "discovered", 420)
        assert [disk.stat().st_blocks for disk in (made.rack.lab / "admin").glob("disk*.raw")] == [0]
        assert "iPXE" in made.listen("m1")
        made.ask("rackstrap apply --stop")
        mark = made.mark("m1")
        made.ask(f"systemd-run --quiet --unit=installation rackstrap install {SITE}")
        made.wait_ssh(420, command=INSTALLED)
        kept = made.wait_node(lambda node: node["machine"] == found["machine"] and node["age_s"] < 60, 120)
        assert (kept["code"], kept["claims"]) == (found["code"], found["claims"])
        assert "iPXE" not in made.listen("m1", after=mark), "the node was started again"
        node = made.wait_node(is_done, 420)
        assert (node["machine"], node["name"]) == (found["machine"], "node1")
        made.wait_ssh(240, node["address"])


def start_live(made: IsoRack) -> Terminal:
    """Choose the menu's third entry on the serial line."""
    made.power("on")
    console = made.sit_down()
    made.wait_said(MENU, 60)
    console.press("home", "down", "down", "enter")
    console.wait_for(BANNER, stretch(200))
    return console


def open_ssh(made: IsoRack, console: Terminal) -> None:
    """The operator's key and the admin address, by the root shell of the banner: what the TUI does is seen elsewhere."""
    ask_shell(console, f"mkdir -m 700 -p /root/.ssh && echo {made.public!r} >>/root/.ssh/authorized_keys")
    console.wait_for(r"network address yet: enp\S+ asks for one", stretch(120))  # it has its name, and networkd has it
    ask_shell(console, f"ip address add {ADMIN}/24 dev $(ls /sys/class/net | grep -v lo | head -n 1)")
    made.wait_ssh(60)


def put_files(made: IsoRack) -> None:
    """The site file, the CSV of BMCs and its secrets, as `scp` would."""
    site: Mapping[str, Any] = make_iso_site(
        made.public,
        admin={"hostname": "admin", "address": ADMIN, "disk": {"serial": CHOSEN["serial"]}, "nics": ["52:54:00:4e:00:10"]},
        discovery={"credentials": "bmc.csv", "admit": "matched"},
        nodes=[{"name": "node1", "match": {"serial": "ISO-M1"}}],
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {"site.yaml": render_site(site), **find_bmc_files(made.rack)}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    made.ask(f"mkdir -p /root/site && echo {base64.b64encode(packed.getvalue()).decode()} | base64 -d | tar xzC /root/site")
