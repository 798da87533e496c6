"""Nothing that was allowed when a backup was made is allowed after its restore: time has passed that it knows nothing of."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.keep.backup import run_backup
from installer.keep.restore import run_restore
from installer.model.events import Event, Happened
from installer.model.ledger import Ledger
from installer.model.orders import ChosenDisk
from installer.plan.admin import find_epoch
from installer.plan.decided import has_begun
from tests.served_files import save_state

DISK: Final = ChosenDisk("wwn-0x5000c500a1b2c3d4", "0x5000c500a1b2c3d4", "Z1", 10_000_000_000, "0" * 64)


def found(machine: str, boot: str = "b1") -> Event:
    data = {"recording": "", "code": "AAAA-BBBB", "key": f"key-{machine}", "address": "192.168.77.21", "mac": "", "boot_id": boot}
    return Event(Happened.MACHINE_DISCOVERED, machine, data)


def consented(host: str, kind: Happened = Happened.CONSENT_GIVEN, *, own_mark: bool = False) -> Event:
    return Event(kind, host, {"disks": [asdict(DISK)], "epoch": 1, "how": "test", "own_mark": own_mark})


def installed(machine: str, epoch: int = 1) -> Event:
    data = {"epoch": epoch, "boot_id": "b2", "soft_reboots": 0, "ssh_host_keys": [], "root": "/dev/sda3", "disk": DISK.id}
    return Event(Happened.NODE_INSTALLED, machine, {**data, "address": "192.168.77.81", "cold": True})


def restore(tmp_path: Path, *events: Event) -> Ledger:
    """The ledger after a backup of a store with these events was restored."""
    save_state(tmp_path / "state")
    with Journal(tmp_path / "state/store.db") as journal:
        journal.append(*events, durable=True)
    out = io.BytesIO()
    run_backup(tmp_path / "state", out, "correct horse battery", work=4)
    run_restore(io.BytesIO(out.getvalue()), "correct horse battery", tmp_path / "new")
    with Journal(tmp_path / "new/store.db") as journal:
        assert journal.recent[-1].kind == Happened.STATE_RESTORED
        return journal.ledger


def order(machine: str) -> Event:
    return Event(Happened.ORDER_GIVEN, machine, {"order": "o1", "kind": "install", "install": None, "resumes": True})


def test_an_installation_that_was_under_way_is_not_gone_on_with(tmp_path: Path) -> None:
    begun = Event(Happened.INSTALL_STARTED, "m1", {"epoch": 1})
    ledger = restore(tmp_path, found("m1"), consented("m1"), begun, order("m1"))
    entry = ledger.machines["m1"]
    assert (entry.consent, entry.order, entry.epoch, entry.left_out, entry.state) == (None, None, 2, True, "problem")
    assert not has_begun(entry)


def test_a_reinstallation_that_was_asked_for_is_not_asked_for_any_more(tmp_path: Path) -> None:
    asked = Event(Happened.REINSTALL_ASKED, "m1", {"epoch": 2, "disks": [DISK.id]})
    entry = restore(tmp_path, found("m1"), consented("m1"), installed("m1"), asked).machines["m1"]
    assert (entry.consent, entry.epoch, entry.reinstall_epoch, entry.left_out) == (None, 3, 2, True)


def test_a_consent_that_was_not_used_is_withdrawn(tmp_path: Path) -> None:
    entry = restore(tmp_path, found("m1"), consented("m1")).machines["m1"]
    assert (entry.consent, entry.epoch, entry.left_out) == (None, 1, False)


def test_an_installed_node_stays_as_it_is(tmp_path: Path) -> None:
    begun = Event(Happened.INSTALL_STARTED, "m1", {"epoch": 1})
    laid = Event(Happened.NODE_UNPACKED, "m2", {"epoch": 1, "phases": {}})
    events = (found("m1"), consented("m1"), begun, installed("m1"), found("m2"), consented("m2"))
    ledger = restore(tmp_path, *events, Event(Happened.INSTALL_STARTED, "m2", {"epoch": 1}), laid)
    one, two = ledger.machines["m1"], ledger.machines["m2"]
    assert (one.epoch, one.left_out, one.installed is not None, has_begun(one)) == (1, False, True, True)
    assert (two.epoch, two.left_out, two.unpacked_epoch) == (1, False, 1)
    assert two.consent is not None
    assert two.consent.used


def test_the_admin_nodes_own_installation_is_not_resumed_over_a_finished_one(tmp_path: Path) -> None:
    started = Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1})
    admin = restore(tmp_path, consented("admin", Happened.ADMIN_CONSENTED, own_mark=True), started).admin
    assert admin.consent is None
    assert find_epoch(admin) == 2


def test_requests_that_waited_are_forgotten(tmp_path: Path) -> None:
    asked = Event(Happened.ASKED, "m1", {"request": "r1", "verb": "power", "power": "off"})
    assert restore(tmp_path, found("m1"), asked).asked == {}
