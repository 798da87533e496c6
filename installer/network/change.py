"""Change this machine's own network so that it goes back by itself unless somebody confirms that they still see us."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from installer.model.events import Event, Happened
from installer.model.facts import Machine, Nic
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.network import networkd
from installer.network.links import find_admin_nics, find_link_names
from installer.network.pending import Pending, find_boot_id, find_uptime, hold_record, load_record, save_record
from installer.network.render import render_admin_network
from installer.network.state import NetworkState

WITHIN_S: Final = 60.0
LONGEST_S: Final = 3600.0
TRY_FOR_S: Final = 600.0  # how long the guard goes on when networkd does not answer
UNIT: Final = "rackstrap-network-guard"


def set_network(site: Site, machine: Machine, state_dir: Path, within_s: float = WITHIN_S) -> str:
    """Give this machine the site's admin address. Returns what was done, in a sentence.

    Unless `confirm_network` comes within `within_s` seconds, a process that outlives this one puts everything back.
    Raises RackstrapError where networkd does not run, the site names no NIC of this machine, or networkd refuses;
    what was begun then goes back at once.
    """
    return set_network_of(site, machine.nics, state_dir, within_s)


def set_network_of(site: Site, nics: tuple[Nic, ...], state_dir: Path, within_s: float = WITHIN_S) -> str:
    """The same where only the NICs are known."""
    files = render_admin_network(site, nics)
    networkd.check_networkd()
    if not 1 <= within_s <= LONGEST_S:
        raise RackstrapError(f"{within_s:g} s is no time to confirm in", f"1 to {LONGEST_S:.0f} s")
    chosen, _ = find_admin_nics(site, nics)
    link = find_link_names(site, chosen)[1]
    address = "by DHCP" if site.admin.method == "dhcp" else str(site.admin.address)
    with hold_record(state_dir):
        record = load_record(state_dir)
        waits = record.pending if record.pending and record.pending.boot_id == find_boot_id() else None
        before = waits.before if waits else networkd.load_files()  # what is not confirmed is nothing to go back to
        pending = Pending(find_boot_id(), find_uptime() + within_s, f"{address} on {link}", before)
        save_record(state_dir, replace(record, pending=pending, last_revert="", reverted_at=0.0))
        _start_guard(state_dir)
        try:
            networkd.set_files(files)
        except (RackstrapError, OSError) as error:
            with contextlib.suppress(RackstrapError):  # the guard goes on trying
                _go_back(state_dir, "networkd refused it")
            raise RackstrapError(f"the network stays as it was: {error}", getattr(error, "hint", ""), exit_code=1) from error
        _journal(state_dir, Happened.NETWORK_SET, {"address": address, "link": link, "within": within_s})
    return f"this machine has its address {address} on {link}; confirm within {within_s:.0f} s, or it goes back"


def confirm_network(state_dir: Path) -> str:
    """Keep what was set. Raises RackstrapError when nothing waits: it was confirmed, or has gone back."""
    with hold_record(state_dir):
        record = load_record(state_dir)
        if record.pending is None or record.pending.boot_id != find_boot_id():
            raise RackstrapError(
                record.last_revert or "nothing waits to be confirmed", "set it again: rackstrap network set SITE"
            )
        save_record(state_dir, replace(record, pending=None))
        _journal(state_dir, Happened.NETWORK_CONFIRMED, {"what": record.pending.what})
    return f"the network is kept: {record.pending.what}"


def revert_network(state_dir: Path, why: str = "as asked") -> str:
    """Go back now. Raises RackstrapError when nothing waits to be confirmed."""
    with hold_record(state_dir):
        record = load_record(state_dir)
        if record.pending is None or record.pending.boot_id != find_boot_id():
            raise RackstrapError("nothing waits to be confirmed", "rackstrap network show")
        return _go_back(state_dir, why)


def guard_network(state_dir: Path) -> str:
    """Wait until the change is due, and go back unless it was confirmed. Returns what became of it."""
    while True:
        pending = load_record(state_dir).pending
        if pending is None or pending.boot_id != find_boot_id():
            return "confirmed"
        left_s = pending.due - find_uptime()
        if left_s > 0:
            time.sleep(min(left_s, 0.5))
            continue
        with hold_record(state_dir):  # it may have been confirmed, or set anew, this very moment
            pending = load_record(state_dir).pending
            if pending is not None and pending.due <= find_uptime():
                try:
                    return _go_back(state_dir, "nobody confirmed it in time")
                except RackstrapError:
                    if find_uptime() > pending.due + TRY_FOR_S:
                        raise
        time.sleep(1)


def renew_dhcp(nic: str) -> str:
    """Ask the DHCP server anew. Raises RackstrapError where networkd does not run this NIC by DHCP."""
    networkd.check_networkd()
    if networkd.find_methods().get(nic) != "dhcp":
        raise RackstrapError(f"{nic} does not have its address by DHCP", "choose DHCP for it first (admin.method)", exit_code=1)
    networkd.tell("renew", nic)
    return f"{nic} asks the DHCP server anew"


def read_network(state_dir: Path) -> NetworkState:
    """What is known now. Reads a few small files; never raises for what is missing."""
    record = load_record(state_dir)
    pending, said = record.pending, record.last_revert
    confirm_by = 0.0
    if pending is not None and pending.boot_id == find_boot_id():
        confirm_by = time.time() + pending.due - find_uptime()
    elif pending is not None:
        said = f"{pending.what} went back: this machine started anew before it was confirmed"
    return NetworkState(confirm_by, networkd.find_methods(), said)


def _go_back(state_dir: Path, why: str) -> str:
    record = load_record(state_dir)
    if record.pending is None:
        return "nothing to go back to"
    said = f"{record.pending.what} went back: {why}"
    networkd.set_files(record.pending.before)
    save_record(state_dir, replace(record, pending=None, last_revert=said, reverted_at=time.time()))
    _journal(state_dir, Happened.NETWORK_REVERTED, {"what": record.pending.what, "reason": why})
    return said


def _start_guard(state_dir: Path) -> None:
    """Where systemd runs, in a unit of its own: the end of a service or a session does not end it."""
    words = [
        sys.executable,
        "-m",
        "installer.cli",
        "network",
        "revert",
        "--unless-confirmed",
        "--state",
        str(state_dir.absolute()),
    ]
    if Path("/run/systemd/system").exists():
        unit = f"--unit={UNIT}-{os.getpid()}-{time.monotonic_ns()}"
        argv = ["systemd-run", "--quiet", "--collect", unit, "--property=Restart=on-failure", "--", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=networkd.TIMEOUT_S)
        if done.returncode == 0:
            return
    log = state_dir / "network.log"
    with log.open("ab") as out:
        argv = ["setsid", "--fork", *words]  # nobody's child: it is not waited for, and no hang-up reaches it
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, cwd="/", timeout=networkd.TIMEOUT_S)


def _journal(state_dir: Path, kind: Happened, data: dict[str, object]) -> None:
    """In the journal too, where there is one; an admin node that has applied nothing yet has none."""
    from installer.engine.store import Store, make_who

    if (state_dir / "store.db").exists():
        store = Store(state_dir / "store.db", make_who("network"))
        try:
            store.append(Event(kind, "admin", data))
        finally:
            store.close()
