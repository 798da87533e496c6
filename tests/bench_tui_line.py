"""Bytes on the line through tmux, against whiptail with the same list at the same size."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.lab.fleet_recordings import load_rack, make_admin
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.problems import RackstrapError
from installer.plan.consent import make_consent
from installer.plan.gifts import make_gifts
from installer.plan.plan import make_plan
from installer.plan.roles import load_roles
from installer.probe.parse import parse_recording
from installer.serve.verbs import find_image_dir
from installer.site.load import load_site
from installer.wizard.page import Table
from installer.wizard.pages.disks import make_disks_page
from installer.wizard.planning import PlaceFinder
from screens.attach import find_socket, make_tmux
from tests.terminal import Terminal
from tests.tui_session import MACHINES, SITE, Report, find_processes, join, make_environment, make_recording, make_state
from tests.wizard_views import make_view

DISKS: Final = 12
MOVES: Final = 5
QUIET_S: Final = 0.6
LINE_BYTES_A_S: Final = 11520  # 115200 baud, 10 bits a byte
PAINT_GOAL: Final = {"vt220": 1.3, "linux": 0.5}
MOVE_GOAL: Final = {"vt220": 1.0, "linux": 0.5}
MINUTE_GOAL: Final = 30_000
FAST: Final = 30.0
SERIALS: Final = ("BV0001", "BM0012", "FN0004", "OR0009", "SS0005", "FK0007", "SB0003", "SD0010")
RULES: Final = (f"  - {{name: node{at}, match: {{serial: {serial}}}, roles: [base]}}\n" for at, serial in enumerate(SERIALS, 1))
DEPLOYED: Final = SITE + "discovery: {admit: matched}\nnodes:\n" + "".join(RULES)


def measure_lines(report: Report, folder: Path, minute_s: float) -> None:
    """First paint, cursor move, screen change, log line, and a minute of deployment."""
    recording = make_recording(folder / "disks.json", "sixty-disks", DISKS)
    items = list_items(recording)
    for term in ("vt220", "linux"):
        whiptail = measure_whiptail(report, term, items)
        measure_disks(report, folder / f"state-{term}", recording, term, whiptail)
    measure_minute(report, folder / "state-demo", minute_s)


def list_items(recording: Path) -> list[tuple[str, str]]:
    """What the disk screen shows of each disk: its name, and the rest of its row."""
    machine = parse_recording(make_admin(load_rack([str(recording)])))
    page = make_disks_page(make_view(here_changes={"machine": machine}, planned=False), "")
    table = next(part for part in page.parts if isinstance(part, Table))
    return [(row.cells[0], "  ".join(row.cells[1:])) for row in table.rows]


def measure_whiptail(report: Report, term: str, items: Sequence[tuple[str, str]]) -> tuple[int, float]:
    """Bytes of its first paint and of one cursor move (median)."""
    words = [word for item in items for word in item]
    question = "Where shall the admin node live?"
    with Terminal(
        ["whiptail", "--title", "Disks", "--menu", question, "24", "80", str(len(items)), *words], term=term
    ) as terminal:
        terminal.settle(QUIET_S)
        painted = len(terminal.written)
        moves = [measure_key(report, f"whiptail-move-{term}", terminal, "down") for _ in range(MOVES)]
        report.keep(f"whiptail-paint-{term}", bytes(terminal.written[:painted]))
    return painted, statistics.median(moves)


def measure_key(report: Report, name: str, terminal: Terminal, *keys: str) -> int:
    """Bytes that come after these keys, until it is quiet."""
    before = len(terminal.written)
    terminal.press(*keys)
    terminal.settle(QUIET_S)
    report.keep(name, bytes(terminal.written[before:]))
    return len(terminal.written) - before


def measure_disks(report: Report, state: Path, recording: Path, term: str, whiptail: tuple[int, float]) -> None:
    """The disk screen: painted first, joined again, a cursor move, and a change to the next screen and back.

    Who begins the session waits for the TUI's own paint; who joins one that stands, perhaps on another console, for tmux's.
    """
    words = ["--machine", str(recording)]
    make_state(state, "disks")
    try:
        with join(state, words, term=term) as terminal:
            open_session(terminal, "Disks")
            painted = len(terminal.written)
            report.keep(f"paint-{term}", bytes(terminal.written))
        with join(state, words, term=term) as terminal:
            open_session(terminal, "Disks")
            joined = len(terminal.written)
            report.keep(f"join-{term}", bytes(terminal.written))
            moves = [measure_key(report, f"move-{term}", terminal, "down") for _ in range(MOVES)]
            changes = [measure_key(report, f"change-{key}-{term}", terminal, key) for key in ("n", "esc", "n", "esc")]
    finally:
        end_session(state)
    paint_s = painted / LINE_BYTES_A_S
    report.judge(
        f"first paint, {term}", painted / whiptail[0], PAINT_GOAL[term], "",
        f" of whiptail's: {painted} B of {whiptail[0]} B, {paint_s:.2f} s at 115200 baud",
    )  # fmt: skip
    moved = statistics.median(moves)
    report.judge(
        f"cursor move, {term}", moved / whiptail[1], MOVE_GOAL[term], "", f" of whiptail's: {moved:.0f} B of {whiptail[1]:.0f} B"
    )
    report.tell(f"     screen change, {term}: {statistics.median(changes):.0f} B; joined again: {joined} B")


def open_session(terminal: Terminal, title: str) -> None:
    """Wait until the screen of this title stands."""
    terminal.wait_for(rf"{title} \d/\d", 30)
    terminal.settle(QUIET_S)


def measure_log_line(report: Report, terminal: Terminal, state: Path) -> int:
    """Bytes of one more line in the log of the node under the cursor; the rack stands still meanwhile."""
    terminal.press("enter")
    terminal.settle(QUIET_S)
    with Journal(state / "store.db", "bench@line") as journal:
        before = len(terminal.written)
        journal.append(*(Event(Happened.GROUP_SET, host, {"group": "rack1"}) for host in journal.ledger.machines), durable=True)
    terminal.settle(1.5)
    report.keep("log-line", bytes(terminal.written[before:]))
    report.keep("log-screen", terminal.text().encode())
    return len(terminal.written) - before


def measure_minute(report: Report, state: Path, minute_s: float) -> None:
    """A deployment of the simulated rack as `tui --demo` shows it, on a serial line."""
    make_state(state, "deploy", DEPLOYED)
    files = sorted(MACHINES.glob("*.json"))
    discover_all(state, files)
    give_consents(state)
    words = ["--demo", "--machine", *map(str, files)]
    try:
        with join(state, words, term="vt220") as terminal:
            open_session(terminal, "Deploy")
            before = len(terminal.written)
            apply = start_apply(state)
            ends_at = time.monotonic() + minute_s
            while (left := ends_at - time.monotonic()) > 0:
                terminal.read(min(left, 1.0))
            written = bytes(terminal.written[before:])
            shown = terminal.text()
            end_processes(pid for pid in find_processes(state) if is_simulation(pid))
            apply.wait()
            terminal.settle(QUIET_S)
            line = measure_log_line(report, terminal, state)
    finally:
        end_session(state)
    report.tell(f"     one log line, vt220: {line} B")
    report.keep("minute", written)
    report.keep("minute-screen", shown.encode())
    percent = len(written) / (LINE_BYTES_A_S * minute_s) * 100
    report.judge(
        "a minute of deployment, vt220", len(written) * 60 / minute_s, MINUTE_GOAL, "B", f"; {percent:.1f} % of the line"
    )


def discover_all(state: Path, files: Sequence[Path]) -> None:
    """Let the simulated rack come up quickly, and end it."""
    words = [sys.executable, "-m", "installer.lab.fleet", *map(str, files), "--state", str(state), "--speed", str(FAST)]
    (state / "run").mkdir(exist_ok=True)
    fleet = subprocess.Popen(words, env={**os.environ, **make_environment(state.parent)}, cwd="/", start_new_session=True)
    deadline = time.monotonic() + 30
    with Journal(state / "store.db", "bench@line") as journal:
        while len(journal.ledger.machines) < len(files) - 1 and time.monotonic() < deadline:
            time.sleep(0.1)
            journal.refresh()
    fleet.terminate()
    fleet.wait()


def give_consents(state: Path) -> None:
    """Names, admission and consent for every node that the plan has a machine and disks for, as an operator gives them."""
    site = load_site(state / "draft.yaml").site
    assert site is not None
    place = PlaceFinder(state, find_image_dir().absolute())(site)
    roles = load_roles()[0]
    with Journal(state / "store.db", "operator@bench") as journal:
        machines = journal.machines()
        gifts = make_gifts(make_plan(site, machines, journal.ledger, roles, place), site, machines, journal.ledger)
        journal.append(*gifts, durable=True)
        journal.refresh()
        for node in make_plan(site, machines, journal.ledger, roles, place).nodes:
            if node.machine and node.disks:
                events = make_consent_events(node.machine, machines[node.machine], [disk.id for disk in node.disks])
                journal.append(*events, durable=True)


def make_consent_events(host: str, machine: Machine, disks: list[str]) -> list[Event]:
    events = [Event(Happened.MACHINE_ADMITTED, host)]
    with suppress(RackstrapError):  # it carries Rackstrap's own mark: it waits, as it would
        events.append(Event(Happened.CONSENT_GIVEN, host, make_consent(machine, disks, 1, "bench")))
    return events


def start_apply(state: Path) -> subprocess.Popen[bytes]:
    """Carry the draft out over the simulated rack, in a process of its own."""
    words = [sys.executable, "-m", "installer.lab.fleet_apply", str(state / "draft.yaml"), "--state", str(state)]
    env = {**os.environ, **make_environment(state.parent)}
    return subprocess.Popen(words, env=env, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def is_simulation(pid: int) -> bool:
    """Whether this process is the simulated rack or its apply."""
    return b"installer.lab.fleet" in Path(f"/proc/{pid}/cmdline").read_bytes()


def end_processes(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def end_session(state: Path) -> None:
    """End what this bench began for a state folder: its tmux with the TUI, then its simulated rack. The socket goes too."""
    socket = find_socket(state)
    subprocess.run([*make_tmux(socket), "kill-server"], check=False, capture_output=True)
    end_processes(find_processes(state))
    socket.unlink(missing_ok=True)
