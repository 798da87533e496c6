"""The ledger: what events amount to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.model.events import Event, Happened
from installer.model.folds import FOLDS, add_event, make_ledger
from installer.model.ledger import Consent, Ledger, MachineEntry, StepEntry
from installer.model.orders import ChosenDisk
from installer.model.plan import StepKey

DISK = {"id": "wwn-0x1", "wwn": "0x1", "serial": "S1", "size_bytes": 10**10, "holds_digest": "d"}
FOUND = {
    "recording": "r1",
    "code": "ABCD-EFGH",
    "key": "k1",
    "address": "192.168.124.21",
    "mac": "52:54:00:00:00:01",
    "boot_id": "b1",
}
INSTALLED = {"boot_id": "b2", "soft_reboots": 1, "ssh_host_keys": ["ssh-ed25519 A"], "root": "/dev/vda3", "disk": "wwn-0x1"}


def make(*told: tuple[Happened, str, dict[str, Any]]) -> Ledger:
    return make_ledger(Event(kind, host, data, at=1000.0 + n, id=n) for n, (kind, host, data) in enumerate(told, 1))


def discovered(*more: tuple[Happened, dict[str, Any]]) -> MachineEntry:
    rest = [(kind, "m1", data) for kind, data in more]
    return make((Happened.MACHINE_DISCOVERED, "m1", FOUND), *rest).machines["m1"]


def installed(epoch: int, **changes: Any) -> tuple[Happened, dict[str, Any]]:
    return Happened.NODE_INSTALLED, {**INSTALLED, "epoch": epoch, "address": "192.168.124.81", "cold": False, **changes}


def test_every_kind_of_event_is_folded() -> None:
    assert set(FOLDS) == set(Happened)


def test_discovery_makes_a_machine() -> None:
    entry = discovered()
    assert (entry.state, entry.recording, entry.code, entry.key) == ("discovered", "r1", "ABCD-EFGH", "k1")
    assert (entry.seen_address, entry.boot_mac, entry.boot_id) == ("192.168.124.21", "52:54:00:00:00:01", "b1")
    assert (entry.discovered_at, entry.admitted, entry.name, entry.epoch) == (1001.0, False, "", 1)


@pytest.mark.parametrize("kind", [kind for kind in Happened if kind is not Happened.MACHINE_DISCOVERED])
def test_only_a_discovery_makes_a_machine(kind: Happened) -> None:
    data = {
        "sha256": "x", "name": "x", "digest": "x", "address": "10.0.0.1", "recording": "r", "key": "k", "network": "admin",
        "group": "g", "roles": [], "disks": [DISK], "epoch": 1, "how": "file", "state": "problem", "bmc": "10.0.0.1",
        "power": "on", "id": "i", "attempt": 1, "reason": "r", "for": "f", "order": "o", "request": "q", "cold": True,
        **INSTALLED,
    }  # fmt: skip
    assert make((kind, "ghost", data)).machines == {}


def test_rediscovery_keeps_name_and_addresses() -> None:
    entry = discovered(
        (Happened.NODE_BOUND, {"name": "node1", "rule": 0}),
        (Happened.ADDRESS_GIVEN, {"network": "admin", "address": "192.168.124.81"}),
        (Happened.POWER_SET, {"bmc": "10.0.0.1", "power": "cycle", "boot": "pxe"}),
        (Happened.MACHINE_DISCOVERED, {**FOUND, "key": "k2", "boot_id": "b9"}),
    )
    assert (entry.name, entry.addresses, entry.key, entry.boot_id) == ("node1", {"admin": "192.168.124.81"}, "k2", "b9")
    assert (entry.boot_expected, entry.discovered_at) == (False, 1005.0)


def test_power_makes_the_next_enrolment_expected() -> None:
    assert discovered((Happened.POWER_SET, {"bmc": "b", "power": "on"})).boot_expected
    assert not discovered((Happened.POWER_SET, {"bmc": "b", "power": "off"})).boot_expected


def test_consent_allocates_and_installing_uses_it_up() -> None:
    consent = (Happened.CONSENT_GIVEN, {"disks": [DISK], "epoch": 1, "how": "file: erase blank"})
    entry = discovered(consent)
    assert entry.state == "allocated"
    assert entry.consent == Consent((ChosenDisk("wwn-0x1", "0x1", "S1", 10**10, "d"),), 1, "file: erase blank")
    entry = discovered(consent, (Happened.INSTALL_STARTED, {"epoch": 1}))
    assert entry.consent is not None
    assert (entry.consent.used, entry.state, entry.installing_epoch) == (True, "installing", 1)


def test_installed_keeps_the_first_time_and_remembers_a_cold_start() -> None:
    entry = discovered(installed(1), installed(1, boot_id="b3", cold=True), installed(1, boot_id="b4"))
    assert entry.installed is not None
    assert (entry.installed_at, entry.installed.boot_id, entry.installed.cold, entry.state) == (1002.0, "b4", True, "installed")


def test_an_order_ends_only_by_its_own_result() -> None:
    given_ = (Happened.ORDER_GIVEN, {"order": "new", "kind": "install", "install": None, "resumes": True})
    entry = discovered(given_, (Happened.ORDER_FAILED, {"order": "old", "reason": "late"}))
    assert entry.order == {"order": "new", "kind": "install", "install": None, "resumes": True}
    assert entry.order_failed == ""
    entry = discovered(given_, (Happened.ORDER_DONE, {"order": "old"}))
    assert (entry.order is None, entry.orders_done) == (False, ("old",))
    entry = discovered(given_, (Happened.ORDER_FAILED, {"order": "new", "reason": "no disk"}))
    assert (entry.order, entry.order_failed) == (None, "no disk")
    entry = discovered(given_, (Happened.ORDER_DONE, {"order": "new"}))
    assert (entry.order, entry.orders_done) == (None, ("new",))


def test_reinstalling_begins_a_new_epoch_without_consent() -> None:
    consent = (Happened.CONSENT_GIVEN, {"disks": [DISK], "epoch": 1, "how": "x"})
    entry = discovered(consent, installed(1), (Happened.REINSTALL_ASKED, {"epoch": 2}))
    assert (entry.epoch, entry.reinstall_epoch, entry.consent, entry.installed, entry.state) == (2, 2, None, None, "discovered")
    entry = discovered(consent, installed(1), (Happened.NODE_RESET, {}))
    assert (entry.epoch, entry.reinstall_epoch, entry.consent, entry.installed) == (2, 0, None, None)


def test_an_enrolment_that_was_decided_before_an_admission_and_journalled_after_it_is_only_a_claim() -> None:
    """Serving and the command line are two processes: between look and append of the one, the other may have appended."""
    other = (Happened.MACHINE_DISCOVERED, {**FOUND, "key": "k2", "code": "WXYZ-0000"})
    consent = (Happened.CONSENT_GIVEN, {"disks": [DISK], "epoch": 1, "how": "x"})
    for settled in ((Happened.MACHINE_ADMITTED, {"key": "k1"}), consent):
        entry = discovered(settled, other)
        assert (entry.key, entry.code, entry.claims, entry.discovered_at) == ("k1", "ABCD-EFGH", ("k2",), 1001.0)


def test_an_admission_is_of_the_machine_whose_code_was_seen() -> None:
    other = (Happened.MACHINE_DISCOVERED, {**FOUND, "key": "k2", "code": "WXYZ-0000"})
    admitted = (Happened.MACHINE_ADMITTED, {"key": "k1"})
    assert discovered(admitted).admitted
    entry = discovered(other, admitted)
    assert (entry.key, entry.admitted) == ("k2", False)


def test_claims_are_kept_once_and_approved() -> None:
    refused = (Happened.CLAIM_REFUSED, {"key": "k9", "code": "c", "address": "", "reason": "r"})
    assert discovered(refused, refused).claims == ("k9",)
    entry = discovered(refused, (Happened.CLAIM_APPROVED, {"key": "k9"}))
    assert (entry.claims, entry.key, entry.boot_expected) == ((), "k9", True)


def test_a_step_counts_its_attempts_until_it_succeeds() -> None:
    key = StepKey("node1", "install")
    start = (Happened.STEP_STARTED, "node1", {"name": "install", "id": "i1", "attempt": 2})
    fail = (Happened.STEP_FAILED, "node1", {"name": "install", "id": "i1", "attempt": 2, "reason": "no"})
    done = (Happened.STEP_DONE, "node1", {"name": "install", "id": "i1", "seconds": 3})
    assert make(start).steps[key] == StepEntry(id="i1", attempts=2, started_at=1001.0)
    failed = make(start, fail).steps[key]
    assert (failed.failed, failed.failed_seq, failed.attempts, failed.done_id) == ("no", 2, 2, "")
    after = make(start, fail, done).steps[key]
    assert (after.done_id, after.done_seq, after.failed, after.attempts, after.seconds) == ("i1", 3, "", 0, 3.0)


def test_retrying_clears_problem_and_failures() -> None:
    ledger = make(
        (Happened.MACHINE_DISCOVERED, "m1", FOUND),
        (Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0}),
        (Happened.STEP_FAILED, "node1", {"name": "install", "id": "i1", "attempt": 3, "reason": "no"}),
        (Happened.NODE_STATE, "m1", {"state": "problem", "reason": "install: no"}),
        (Happened.NODE_LEFT_OUT, "m1", {}),
        (Happened.NODE_RETRIED, "m1", {}),
    )
    entry, step = ledger.machines["m1"], ledger.steps[StepKey("node1", "install")]
    assert (entry.state, entry.reason, entry.left_out, entry.retried_at) == ("discovered", "", False, 6)
    assert (step.failed, step.attempts) == ("", 0)


def test_a_renamed_node_takes_its_steps_along_and_a_deleted_one_leaves_none() -> None:
    start: list[tuple[Happened, str, dict[str, Any]]] = [
        (Happened.MACHINE_DISCOVERED, "m1", FOUND),
        (Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0}),
        (Happened.STEP_DONE, "node1", {"name": "install", "id": "i1", "seconds": 3}),
        (Happened.NODE_RENAMED, "m1", {"name": "db1"}),
    ]
    ledger = make(*start)
    assert list(ledger.steps) == [StepKey("db1", "install")]
    ledger = make(*start, (Happened.MACHINE_DELETED, "m1", {}))
    assert (ledger.steps, ledger.machines) == ({}, {})


def test_services_bmcs_and_requests() -> None:
    bmc = {"address": "10.0.0.9", "serial": "S", "user": "root", "secret": "/s", "uefi": True}
    ledger = make(
        (Happened.SITE_APPLIED, "admin", {"sha256": "abc", "name": "lab"}),
        (Happened.SERVICE_STARTED, "admin", {"name": "nginx", "digest": "d1"}),
        (Happened.SERVICE_STARTED, "admin", {"name": "dnsmasq", "digest": "d2"}),
        (Happened.SERVICE_STOPPED, "admin", {"name": "nginx", "reason": "asked"}),
        (Happened.BMC_IMPORTED, "bmc 10.0.0.9", bmc),
        (Happened.BMC_FOUND, "bmc 10.0.0.9", {"address": "10.0.0.9"}),
        (Happened.POWER_SET, "bmc 10.0.0.9", {"bmc": "10.0.0.9", "power": "cycle"}),
        (Happened.ASKED, "m1", {"request": "q1", "verb": "identify"}),
        (Happened.ASKED, "m1", {"request": "q2", "verb": "power"}),
        (Happened.ANSWERED, "m1", {"request": "q1", "ok": True, "message": ""}),
    )
    assert (ledger.site_sha256, ledger.services) == ("abc", {"dnsmasq": "d2"})
    assert (ledger.bmcs["10.0.0.9"].user, ledger.bmcs["10.0.0.9"].boot_expected) == ("root", True)
    assert ledger.asked == {"q2": {"request": "q2", "verb": "power", "host": "m1", "at": 1009.0}}


@given(st.lists(st.sampled_from(["m1", "m2"]), max_size=12), st.integers(0, 12))
def test_folding_in_parts_is_folding_at_once(hosts: list[str], cut: int) -> None:
    events = [
        Event(Happened.MACHINE_DISCOVERED, host, {**FOUND, "boot_id": str(n)}, at=n, id=n) for n, host in enumerate(hosts, 1)
    ]
    ledger = make_ledger(events[:cut])
    for event in events[cut:]:
        add_event(ledger, event)
    assert ledger == make_ledger(events)
