"""The admin node's own installation, decided: which disks are refused, and what is laid on the disk that is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from installer.model.ledger import Ledger
from installer.node.admit import check_spec
from installer.plan.admin import dump_admin, plan_admin
from tests.admin_plans import BLANK, HERE, IMAGE, on, plan, problems_of
from tests.plan_samples import EXT4, GB, KEY, ROLES, make_site


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"removable": True}, "it is removable"),
        ({"transport": "usb"}, "it is on USB"),
        ({"read_only": True}, "it is read-only"),
        ({"transport": "fc"}, "Fibre Channel"),
        ({"size_bytes": 2 * GB}, "it is too small"),
    ],
)
def test_a_disk_that_is_not_offered_is_not_written_even_when_it_is_named(changes: dict[str, Any], says: str) -> None:
    here = on(HERE, sda=replace(HERE.disks[0], **changes))
    found = plan(BLANK, "{by_id: ata-DISK_sda}", here)
    assert (found.disks, found.chosen, says in problems_of(found)) == ((), (), True)
    assert found.problems[0].place.path == ("admin", "disk")
    assert found.problems[0].hint


def test_the_medium_is_never_chosen() -> None:
    found = plan(BLANK, medium="sda")
    assert [disk.name for disk in found.disks] == ["sdb"]
    assert ("ata-DISK_sda", "this system was started from it") in [(disk.id, why) for disk, why in found.refused]
    assert plan(BLANK, "{by_id: ata-DISK_sda}", medium="sda").chosen == ()


def test_all_layers_image_and_state_have_to_fit() -> None:
    small = on(HERE, sda=replace(HERE.disks[0], size_bytes=int(2.2 * GB)), sdb=replace(HERE.disks[1], size_bytes=4 * GB))
    assert [disk.name for disk in plan(BLANK, here=small).disks] == ["sdb"]


def test_a_mirror_takes_two_disks_and_both_need_consent() -> None:
    found = plan(BLANK, "{smallest: true, mirror: true}")
    assert (found.is_mirror, len(found.chosen), check_spec(found.spec)) == (True, 2, ())
    half = on(HERE, sdb=replace(HERE.disks[1], holds=(EXT4,)))
    assert plan(BLANK, "{smallest: true, mirror: true}", half).chosen == ()


def test_a_machine_without_a_disk_says_so() -> None:
    found = plan(BLANK, here=replace(HERE, disks=()))
    assert "0 of 1 disks that may be chosen (it has no disk)" in problems_of(found)


def test_serial_stays_serial_and_the_rest_is_as_on_nodes() -> None:
    serial = replace(HERE, consoles=("tty0", "ttyS1,57600n8"))
    found = plan(BLANK, here=serial)
    assert (found.consoles, found.spec.consoles) == (("tty0", "ttyS1,57600n8"),) * 2
    files = {file.path: file.text for file in found.files}
    assert {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/root/.ssh/authorized_keys"} <= files.keys()
    assert "Address=192.168.124.10/24" in files["/etc/systemd/network/05-rackstrap-admin-enp1s0.network"]
    assert files["/etc/hosts"].count("192.168.124.10 admin.lab.example admin") == 1
    assert "rackstrap-agent.service" not in found.enable


def test_the_admin_node_asks_the_forwarders() -> None:
    files = {file.path: file.text for file in plan("services: {dns_forwarders: [10.9.9.9]}\n").files}
    assert "nameserver 10.9.9.9" in files["/etc/resolv.conf"]


def test_without_a_port_that_faces_the_rack_it_is_a_problem() -> None:
    site = make_site("")
    found = plan_admin(site, HERE, Ledger(), IMAGE, ROLES["base"])
    assert (found.problems[0].place.path, found.has_errors) == (("admin", "nics"), True)
    held = replace(HERE, nics=(replace(HERE.nics[0], addresses=("192.168.124.10/24",)), *HERE.nics[1:]))
    found = plan_admin(site, held, Ledger(), IMAGE, ROLES["base"])
    assert found.problems == ()
    assert any(file.path.endswith("05-rackstrap-admin-enp1s0.network") for file in found.files)


def test_the_plan_as_json_holds_no_secret_and_no_text_of_files() -> None:
    shown = dump_admin(plan(BLANK + "# x\n"))
    assert (shown["epoch"], shown["consent"], shown["disks"][0]["id"]) == (1, "file: erase blank", "ata-DISK_sda")
    assert KEY not in str(shown)
