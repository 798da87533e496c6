"""The agent's loop: say who this machine is, wait for orders, carry them out, say how they ended. It never gives up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from installer.model.orders import Order, Stage, make_seen
from installer.model.problems import RackstrapError
from installer.node.admin import Admin, Enrolled, RefusedError, UnreachableError, set_clock
from installer.node.console import Console
from installer.node.identity import Identity, load_identity
from installer.node.orders import Drawer, run_order
from installer.node.place import Installed, Place, load_boot_id
from installer.node.report import load_report
from installer.node.result import Result

if TYPE_CHECKING:  # the facts' classes take a while to make, and only an installation needs them
    from installer.model.facts import Machine

WAIT_S: Final = 25
REFUSED_PAUSE_S: Final = 15.0
LONGEST_PAUSE_S: Final = 15.0
PROGRESS_PAUSE_S: Final = 3.0  # each report is a TLS handshake, which an emulated processor feels
Sleep = Callable[[float], None]


class EnrolAgainError(RackstrapError):
    """The admin node does not know this key (any more)."""


@dataclass(slots=True)
class Agent:
    """One run of the agent: what it knows, and how it reaches the admin node and the people at the console."""

    admin: Admin
    console: Console
    drawer: Drawer
    recording: Callable[[], Mapping[str, Any]]
    signs: Callable[[], tuple[str, ...]]
    sleep: Sleep = time.sleep
    seen: str = ""
    last_signs: tuple[str, ...] = ()
    progress_at: float = 0.0
    progress_stage: str = ""
    enrolled: Enrolled | None = field(default=None)

    @property
    def identity(self) -> Identity:
        if self.admin.identity is None:
            raise RackstrapError("this agent has no key yet")
        return self.admin.identity

    def retry(self, what: str, ask: Callable[[], Any]) -> Any:
        """Ask until the admin node answers: for ever, ever slower, and the console says what for. Raises RefusedError."""
        pause_s = 1.0
        while True:
            try:
                return ask()
            except UnreachableError as error:
                self.console.show(waits=f"{what}: {error.message}")
                self.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def enrol(self) -> Enrolled:
        """Until the admin node takes the claim. A refused claim is asked again: someone may approve it."""
        self.last_signs = self.signs()
        recording = self.recording()
        while True:
            try:
                enrolled: Enrolled = self.retry("to enrol", lambda: self.admin.enrol(recording, load_boot_id()))
            except RefusedError as error:
                self.console.show(state="refused", waits=error.message)
                self.sleep(REFUSED_PAUSE_S)
                continue
            set_clock(enrolled.time)
            self.seen, self.enrolled = "", enrolled
            self.console.show(state=enrolled.state, name=enrolled.name, address=enrolled.own_address, waits="")
            return enrolled

    def report_changes(self) -> None:
        """Send a new recording when the facts may have changed since the last."""
        signs = self.signs()
        if signs != self.last_signs:
            recording = self.recording()
            self.ask_known(lambda: self.admin.post("/agent/recording", {"recording": recording}))
            self.last_signs = signs

    def report_installed(self, report: Mapping[str, Any], address: Callable[[], str]) -> bool:
        """Tell that this node runs from its own disk; whether it was accepted. Raises EnrolAgainError.

        `address` is asked at each try: the first ones come before the network has one.
        """
        accepted = self.ask_known(lambda: self.admin.post("/agent/installed", {**report, "address": address()})) is not None
        self.console.show(state="installed" if accepted else "installed, report refused", address=address(), waits="")
        return accepted

    def ask_known(self, ask: Callable[[], Any]) -> Any:
        """Ask as someone whom the admin node knows. Raises EnrolAgainError when it does not; other refusals are shown."""
        try:
            return self.retry("for the admin node", ask)
        except RefusedError as error:
            if error.status in (401, 403, 404):
                raise EnrolAgainError(error.message) from error
            self.console.say(f"the admin node refused: {error.message}")
            return None

    def next_order(self) -> Order | None:
        """The order of now; None when it is to wait, or as before."""
        order: Order | None = self.ask_known(lambda: self.admin.wait_order(self.seen, WAIT_S))
        if order is None:
            self.sleep(REFUSED_PAUSE_S)
            return None
        seen, self.seen = self.seen, make_seen(order)
        if order.kind == "wait":
            self.console.show(state="waiting", waits=order.shows)
            return None
        return None if seen == self.seen else order

    def follow(self, order: Order, carry: Callable[[Order], Result]) -> Result:
        """Carry one order out, and tell how it ended until the admin node has heard it. Raises EnrolAgainError.

        What the admin node does not accept is no success: nothing may follow from it, a hand-over least of all.
        """
        self.console.show(state=order.shows or order.kind, waits="")
        result = run_order(order, self.drawer, carry)
        body = {
            "order": order.id,
            "ok": result.ok,
            "reason": result.reason,
            "phases": dict(result.phases),
            "ssh_host_keys": list(result.ssh_host_keys),
        }
        accepted = self.ask_known(lambda: self.admin.post("/agent/result", body)) is not None
        if not accepted:
            result = replace(result, ok=False, reason=result.reason or "the admin node did not accept the result")
        took = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.phases.items())
        self.console.show(state=f"{order.kind}: {'done' if result.ok else 'failed'}", waits=result.reason or took)
        return result

    def report_progress(self, order: Order, stage: Stage, percent: int, text: str) -> None:
        """Tell how far an order is, at most every three seconds; a report that gets lost stays lost."""
        now = time.monotonic()
        if stage != self.progress_stage:
            self.console.say(text)
        elif now - self.progress_at < PROGRESS_PAUSE_S:
            return
        self.progress_at, self.progress_stage = now, stage
        body = {"order": order.id, "stage": stage, "percent": percent, "text": text}
        try:
            self.admin.post("/agent/progress", body)
        except (UnreachableError, RefusedError) as error:
            self.console.say(error.message)


def start_agent(place: Place, state: Path, console: Console, sleep: Sleep = time.sleep) -> Admin:
    """Set the clock from the admin node, then make or load the key: a certificate from the future would be refused."""
    pause_s = 1.0
    while not (state / "agent.crt").exists():
        try:
            set_clock(Admin(place).ask_time())
            break
        except UnreachableError as error:
            console.show(state="starting", waits=f"for the admin node: {error.message}")
            sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    identity = load_identity(state)
    console.show(code=identity.code)
    return Admin(place, identity)


def run_live(agent: Agent, carry: Callable[[Order], Result], leave: Callable[[Order, Result], None], *, once: bool) -> int:
    """Discovery: enrol, then take orders. With `once`, until one order has ended."""
    agent.enrol()
    while True:
        try:
            agent.report_changes()
            order = agent.next_order()
            if order is None:
                continue
            result = agent.follow(order, carry)
            leave(order, result)
            if once:
                return 0 if result.ok else 4
        except EnrolAgainError:
            agent.enrol()


def run_installed(
    agent: Agent, installed: Installed, address: Callable[[], str], carry: Callable[[Order], Result],
    leave: Callable[[Order, Result], None], *, once: bool,
) -> int:  # fmt: skip
    """An installed node: report it, then take orders. A node that nobody knows goes on working, and asks again slowly."""
    reported = False
    while True:
        try:
            if not reported:
                reported = agent.report_installed(load_report(installed), address)
                if once:
                    return 0 if reported else 4
            order = agent.next_order()
            if order is not None:
                leave(order, agent.follow(order, carry))
        except EnrolAgainError as error:
            agent.console.show(state="installed", waits=f"unknown to the admin node: {error.message}")
            reported = False
            agent.sleep(REFUSED_PAUSE_S)


def find_machine(recording: Callable[[], Mapping[str, Any]]) -> Callable[[], Machine]:
    """This machine's facts, read anew by the probe's own code at each call."""

    def read() -> Machine:
        from installer.probe.parse import parse_recording

        try:
            return parse_recording(recording())
        except ValueError as error:
            raise RackstrapError(f"this machine's facts cannot be read: {error}") from error

    return read
