"""What serving decides, purely: orders, and what a machine boots; and the certificate and image that it reads."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

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
from installer.model.problems import RackstrapError
from installer.probe.parse import parse_recording
from installer.serve.boot import boots_from_disk, find_booting
from installer.serve.certificate import load_pin, save_certificate
from installer.serve.keys import parse_fingerprint
from installer.serve.orders import make_order
from installer.serve.place import load_image
from tests.serve_events import (
    ADMITTED,
    BOUND,
    CONSENT,
    DISCOVERED,
    DISK,
    DONE,
    GIVEN,
    INSTALLED,
    READY_TO_INSTALL,
    SPEC,
    STARTED,
    UNPACKED,
    entry_after,
    happened,
)
from tests.served_files import make_recording, save_image


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
