"""What serving decides, purely: orders, trust, reports, boot; and the certificate and image that it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.engine.conditions import Known
from installer.engine.effects import StepError
from installer.engine.ordering import check_leave
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.folds import make_ledger
from installer.model.ledger import Ledger, MachineEntry
from installer.model.orders import ChosenDisk, InstallSpec, Layout
from installer.model.problems import RackstrapError
from installer.probe.parse import parse_recording
from installer.serve.boot import boots_from_disk, find_booting
from installer.serve.certificate import load_pin, save_certificate
from installer.serve.fields import Refused
from installer.serve.keys import parse_fingerprint
from installer.serve.orders import make_order
from installer.serve.place import load_image
from installer.serve.reports import make_claim, make_installed, make_result, render_known_hosts
from installer.serve.requests import Wish, find_bmc, parse_wish
from installer.serve.trust import MOST_STRANGERS, find_doubt
from tests.plan_samples import make_machine as make_facts
from tests.served_files import make_recording, save_image

DISK = ChosenDisk("wwn-0x1", "0x1", "Z1", 10**10, "0" * 64)
SPEC = InstallSpec("node1", 1, (DISK,), Layout(), (), "reboot", ("tty0",))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMVDcOwEdKlVMJ6hQ4fVjXH9XzrjO6PDvzVjYqB"
ORDER = {"order": "o-1", "kind": "install", "install": json.loads(json.dumps(asdict(SPEC))), "resumes": False}


def happened(what: Happened, /, **data: Any) -> Event:
    return Event(what, "m-1", data)


DISCOVERED = happened(
    Happened.MACHINE_DISCOVERED, recording="r", code="ABCD-EFGH", key="k1", mac="52:54:00:00:00:01", boot_id="b1"
)
BOUND = happened(Happened.NODE_BOUND, name="node1", rule=0)
ADMITTED = happened(Happened.MACHINE_ADMITTED)
CONSENT = happened(Happened.CONSENT_GIVEN, disks=[asdict(DISK)], epoch=1, how="test")
STARTED = happened(Happened.INSTALL_STARTED, epoch=1)
GIVEN = happened(Happened.ORDER_GIVEN, **ORDER)
UNPACKED = happened(Happened.NODE_UNPACKED, epoch=1, phases={})
DONE = happened(Happened.ORDER_DONE, order="o-1")
RUNS = {
    "epoch": 1,
    "boot_id": "b2",
    "soft_reboots": 1,
    "ssh_host_keys": [KEY],
    "root": "/dev/sda3",
    "disk": "wwn-0x1",
    "address": "192.168.77.81",
    "cold": False,
}
INSTALLED = happened(Happened.NODE_INSTALLED, **RUNS)
READY_TO_INSTALL = (DISCOVERED, BOUND, ADMITTED, CONSENT, STARTED, GIVEN)


def entry_after(*events: Event) -> MachineEntry:
    return make_ledger(events).machines["m-1"]


@pytest.mark.parametrize(
    ("events", "shows"),
    [
        ((DISCOVERED,), "waits to be admitted: rackstrap node admit ABCD-EFGH"),
        ((DISCOVERED, BOUND), "waits to be admitted: rackstrap node admit ABCD-EFGH"),
        ((DISCOVERED, ADMITTED), "admitted; waits for a node in the site file that fits it"),
        ((DISCOVERED, BOUND, ADMITTED), "node1: waits for leave to erase its disks: rackstrap node allocate node1 --erase"),
        ((DISCOVERED, BOUND, ADMITTED, CONSENT), "node1: waits to be installed"),
        ((*READY_TO_INSTALL, UNPACKED, DONE), "node1: hands over to the installed system"),
        ((*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED), "node1 is installed"),
        ((DISCOVERED, BOUND, happened(Happened.NODE_LEFT_OUT)), "node1: left out by the operator"),
        (
            (*READY_TO_INSTALL, happened(Happened.ORDER_FAILED, order="o-1", reason="disk wwn-0x1 is gone")),
            "node1: installing: disk wwn-0x1 is gone",
        ),
    ],
)
def test_what_a_machine_waits_for_in_words(events: tuple[Event, ...], shows: str) -> None:
    order = make_order(entry_after(*events))
    assert (order.kind, order.id, order.shows) == ("wait", "wait", shows)


def test_an_install_order_goes_out_whole() -> None:
    order = make_order(entry_after(*READY_TO_INSTALL))
    assert (order.kind, order.id, order.install, order.resumes, order.secrets) == ("install", "o-1", SPEC, False, {})


OTHER_DISK = replace(DISK, serial="Z2")


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((DISCOVERED, BOUND, CONSENT, STARTED, GIVEN), "the machine is not admitted"),
        ((*READY_TO_INSTALL, happened(Happened.NODE_LEFT_OUT)), "the operator left it out"),
        ((DISCOVERED, BOUND, ADMITTED, GIVEN), "nobody has consented to erase its disks"),
        (
            (DISCOVERED, BOUND, ADMITTED, happened(Happened.CONSENT_GIVEN, disks=[asdict(DISK)], epoch=2, how="x"), GIVEN),
            "nobody has consented to erase its disks",
        ),
        (
            (DISCOVERED, BOUND, ADMITTED, happened(Happened.CONSENT_GIVEN, disks=[asdict(OTHER_DISK)], epoch=1, how="x"), GIVEN),
            "the order names other disks than the consent",
        ),
        (
            (DISCOVERED, happened(Happened.NODE_BOUND, name="node2"), ADMITTED, CONSENT, GIVEN),
            "the order is for installation 1 of node1",
        ),
    ],
)
def test_an_install_order_without_its_consent_never_leaves(events: tuple[Event, ...], why: str) -> None:
    order = make_order(entry_after(*events))
    assert (order.kind, order.install, order.shows) == ("wait", None, f"refused to install: {why}")


def test_no_order_is_given_to_a_node_that_was_left_out_while_its_machine_was_brought_back() -> None:
    ledger = make_ledger((DISCOVERED, BOUND, ADMITTED, CONSENT, happened(Happened.NODE_LEFT_OUT)))
    with pytest.raises(StepError) as caught:
        check_leave("node1", SPEC, resumes=False, known=Known(ledger, {}))
    assert (caught.value.reason, caught.value.is_final) == ("node1 was left out by the operator", True)


def test_other_orders_need_admission() -> None:
    reboot = happened(Happened.ORDER_GIVEN, order="o-2", kind="reboot", install=None)
    assert make_order(entry_after(DISCOVERED, BOUND, reboot)).kind == "wait"
    assert make_order(entry_after(DISCOVERED, BOUND, ADMITTED, reboot)).kind == "reboot"


def test_an_order_of_a_later_release_is_waited_out() -> None:
    strange = happened(Happened.ORDER_GIVEN, order="o-3", kind="levitate", install=None)
    assert make_order(entry_after(DISCOVERED, BOUND, ADMITTED, strange)).kind == "wait"


@pytest.mark.parametrize(
    ("events", "key", "is_believed"),
    [
        ((DISCOVERED,), "k1", True),
        ((DISCOVERED,), "k2", True),
        ((DISCOVERED, ADMITTED), "k1", True),
        ((DISCOVERED, ADMITTED), "k2", False),
        ((DISCOVERED, CONSENT), "k2", False),
        ((*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED), "k2", False),
        ((DISCOVERED, ADMITTED, happened(Happened.POWER_SET, bmc="manual:x", power="cycle", boot="pxe")), "k2", True),
        ((DISCOVERED, ADMITTED, happened(Happened.POWER_SET, bmc="manual:x", power="off", boot="")), "k2", False),
        ((DISCOVERED, ADMITTED, happened(Happened.CLAIM_APPROVED, key="k2")), "k2", True),
    ],
)
def test_who_is_believed(events: tuple[Event, ...], key: str, is_believed: bool) -> None:
    ledger = make_ledger(events)
    assert (find_doubt(ledger, ledger.machines["m-1"], key) == "") is is_believed


def test_strangers_are_counted() -> None:
    ledger = Ledger(machines={f"m-{n}": MachineEntry(f"m-{n}", key=f"k{n}") for n in range(MOST_STRANGERS)})
    assert find_doubt(ledger, None, "new") == "too many unknown machines wait to be admitted"
    assert find_doubt(ledger, ledger.machines["m-1"], "k1") == ""


def test_a_claim_is_told_once() -> None:
    entry = entry_after(DISCOVERED)
    (claim,) = make_claim(entry, "f" * 64, "192.168.77.30", "someone claims to be node1")
    assert claim.data["code"] == "ZZZZ-ZZZZ"
    assert make_claim(entry_after(DISCOVERED, claim), "f" * 64, "192.168.77.30", "again") == []


def test_results() -> None:
    entry = entry_after(*READY_TO_INSTALL)
    kinds = [event.kind for event in make_result(entry, {"order": "o-1", "ok": True, "phases": {"unpack": 3}})]
    assert kinds == [Happened.NODE_UNPACKED, Happened.ORDER_DONE]
    (failed,) = make_result(entry, {"order": "o-1", "ok": False, "reason": "no\x1bdisk"})
    assert (failed.kind, failed.data) == (Happened.ORDER_FAILED, {"order": "o-1", "reason": "no disk"})
    assert make_result(entry, {"order": "o-0", "ok": True}) == []
    assert make_result(entry_after(*READY_TO_INSTALL, UNPACKED, DONE), {"order": "o-1", "ok": True}) == []


@pytest.mark.parametrize("later", [happened(Happened.NODE_RESET), happened(Happened.REINSTALL_ASKED, epoch=2)])
def test_a_late_result_is_of_the_installation_that_was_ordered_not_of_the_present_one(later: Event) -> None:
    events = (*READY_TO_INSTALL, later)
    told = make_result(entry_after(*events), {"order": "o-1", "ok": True})
    assert [event.data.get("epoch") for event in told] == [1, None]
    entry = entry_after(*events, *told)
    assert (entry.epoch, entry.unpacked_epoch, entry.order, boots_from_disk(entry)) == (2, 1, None, False)


def test_an_installed_system_is_told_once_and_when_it_changes() -> None:
    entry = entry_after(*READY_TO_INSTALL, UNPACKED, DONE)
    (event,) = make_installed(entry, {"node": "node1", **RUNS})
    assert event == INSTALLED
    running = entry_after(*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED)
    assert make_installed(running, RUNS) == []
    assert [e.data["boot_id"] for e in make_installed(running, {**RUNS, "boot_id": "b3", "cold": True})] == ["b3"]


def test_a_lost_result_is_made_up_for_by_the_running_system() -> None:
    kinds = [event.kind for event in make_installed(entry_after(*READY_TO_INSTALL), RUNS)]
    assert kinds == [Happened.NODE_UNPACKED, Happened.ORDER_DONE, Happened.NODE_INSTALLED]


@pytest.mark.parametrize(
    "events", [(DISCOVERED, BOUND, ADMITTED), (*READY_TO_INSTALL, happened(Happened.REINSTALL_ASKED, epoch=2))]
)
def test_an_installation_that_is_not_current_is_refused(events: tuple[Event, ...]) -> None:
    with pytest.raises(Refused) as refused:
        make_installed(entry_after(*events), RUNS)
    assert refused.value.status == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": "/dev/sda3; rm"},
        {"root": "overlay"},
        {"disk": "a b"},
        {"address": "nowhere"},
        {"ssh_host_keys": ["ssh-ed25519 AAAA"]},
        {"ssh_host_keys": [f"{KEY}\n* {KEY}"]},
        {"ssh_host_keys": [KEY] * 9},
        {"soft_reboots": -1},
        {"epoch": True},
        {"boot_id": "x\n"},
        {"cold": "yes"},
    ],
)
def test_malformed_reports_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        make_installed(entry_after(*READY_TO_INSTALL), {**RUNS, **wrong})
    assert refused.value.status == 400


@given(
    st.dictionaries(st.sampled_from(sorted(RUNS)), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))
)
def test_any_report_is_refused_or_told(raw: dict[str, Any]) -> None:
    try:
        events = make_installed(entry_after(*READY_TO_INSTALL), {**RUNS, **raw})
    except Refused as refused:
        assert refused.status in {400, 409}  # noqa: PT017
    else:
        assert events[-1].kind is Happened.NODE_INSTALLED


def test_known_hosts_names_each_installed_node() -> None:
    ledger = make_ledger([*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED])
    assert render_known_hosts(ledger, "lab.example") == f"node1,node1.lab.example,192.168.77.81 {KEY}\n"
    assert render_known_hosts(make_ledger(READY_TO_INSTALL), "lab.example") == ""


@pytest.mark.parametrize(
    ("events", "is_disk"),
    [
        ((DISCOVERED,), False),
        (READY_TO_INSTALL, False),
        ((*READY_TO_INSTALL, UNPACKED, DONE), True),
        ((*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED), True),
        ((*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED, happened(Happened.REINSTALL_ASKED, epoch=2)), False),
        ((*READY_TO_INSTALL, UNPACKED, DONE, INSTALLED, happened(Happened.NODE_RESET)), False),
        ((*READY_TO_INSTALL, UNPACKED, DONE, GIVEN), False),
    ],
)
def test_what_a_machine_boots(events: tuple[Event, ...], is_disk: bool) -> None:
    assert boots_from_disk(entry_after(*events)) is is_disk


def make_machine(serial: str, mac: str) -> Machine:
    return parse_recording(make_recording(serial, mac))


def test_a_booting_machine_is_found_by_nic_and_else_by_board() -> None:
    machines = {name: make_machine(f"SERIAL-{name}", f"52:54:00:00:00:0{n}") for n, name in enumerate(("m-1", "m-2"), 1)}
    ledger = Ledger(machines={name: MachineEntry(name) for name in machines})
    one = machines["m-1"]
    assert find_booting(ledger, machines, "52:54:00:00:00:02") == ledger.machines["m-2"]
    assert find_booting(ledger, machines, "52:54:00:00:00:09") is None
    assert find_booting(ledger, machines, "52:54:00:00:00:09", one.uuid.upper(), one.serial) == ledger.machines["m-1"]
    assert find_booting(ledger, machines, "52:54:00:00:00:09", one.uuid, "another") is None
    twins = {**machines, "m-3": replace(one, nics=())}
    more = Ledger(machines={name: MachineEntry(name) for name in twins})
    assert find_booting(more, twins, "52:54:00:00:00:09", one.uuid, one.serial) is None
    shared = {name: replace(machine, nics=one.nics) for name, machine in machines.items()}
    assert find_booting(ledger, shared, "52:54:00:00:00:01") is None


def test_a_certificate_is_made_once_and_known_by_its_pin(tmp_path: Path) -> None:
    assert load_pin(tmp_path) == ""
    pin = save_certificate(tmp_path)
    assert (save_certificate(tmp_path), load_pin(tmp_path), len(pin)) == (pin, pin, 64)
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()} == {
        "key.pem": 0o600,
        "cert.pem": 0o600,
    }
    (tmp_path / "tls/cert.pem").write_text("damaged")
    with pytest.raises(RackstrapError, match="is not a certificate"):
        load_pin(tmp_path)


@given(st.text(max_size=300))
def test_what_is_no_certificate_has_no_fingerprint(text: str) -> None:
    with pytest.raises((ValueError, UnicodeError)):
        parse_fingerprint(text)


def test_an_image_is_whole_or_refused(tmp_path: Path) -> None:
    save_image(tmp_path / "image")
    assert load_image(tmp_path / "image").kernel == "6.12.0"
    (tmp_path / "image/initrd").write_text("cut")
    with pytest.raises(RackstrapError, match=r"initrd is not the file that manifest\.json names"):
        load_image(tmp_path / "image")
    for broken in ("[]", "{", '{"sha256": {}}'):
        (tmp_path / "image/manifest.json").write_text(broken)
        with pytest.raises(RackstrapError, match=r"manifest.json is damaged"):
            load_image(tmp_path / "image")


def test_a_wish_never_goes_to_the_bmc_of_a_twin() -> None:
    def imported(address: str, serial: str) -> Event:
        return Event(Happened.BMC_IMPORTED, "admin", {"address": address, "serial": serial, "user": "u", "secret": "s"})

    twins = {"m-1": make_facts(1, serial="TWIN"), "m-2": make_facts(2, serial="TWIN"), "m-3": make_facts(3)}
    ledger = make_ledger(
        (DISCOVERED, replace(DISCOVERED, host="m-2"), replace(DISCOVERED, host="m-3"), imported("10.0.0.7", "TWIN"),
         imported("10.0.0.9", "S3"))
    )  # fmt: skip
    found = [find_bmc(ledger, twins, host).address for host in ("m-1", "m-2", "m-3", "bmc 10.0.0.7")]
    assert found == ["manual:ABCD-EFGH", "manual:ABCD-EFGH", "10.0.0.9", "10.0.0.7"]


def test_wishes() -> None:
    assert parse_wish({"host": "m-1", "verb": "power", "power": "cycle", "boot": "pxe"}) == Wish("m-1", "cycle", "pxe", 0)
    assert parse_wish({"host": "m-1", "verb": "identify", "seconds": 30}) == Wish("m-1", "", "", 30)
    for wrong in ({"verb": "explode"}, {"verb": "power", "power": "up"}, {"verb": "identify", "seconds": 999}, {}):
        with pytest.raises(RackstrapError):
            parse_wish(wrong)
