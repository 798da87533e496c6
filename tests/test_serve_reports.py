"""What serving makes of machines' words, purely: results, claims, reports, wishes, and who is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.model.events import Event, Happened
from installer.model.folds import make_ledger
from installer.model.ledger import Ledger, MachineEntry
from installer.model.problems import RackstrapError
from installer.serve.boot import boots_from_disk
from installer.serve.fields import Refused
from installer.serve.reports import make_claim, make_installed, make_result, render_known_hosts
from installer.serve.requests import Wish, find_bmc, parse_wish
from installer.serve.trust import MOST_STRANGERS, find_doubt
from tests.plan_samples import make_machine as make_facts
from tests.serve_events import (
    ADMITTED,
    BOUND,
    CONSENT,
    DISCOVERED,
    DONE,
    INSTALLED,
    KEY,
    READY_TO_INSTALL,
    RUNS,
    UNPACKED,
    entry_after,
    happened,
)


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
