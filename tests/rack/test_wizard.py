"""The whole wizard, typed: from the welcome page to a node that answers over SSH, at 80x24 through tmux on a real rack.

On the way the line drops and another console takes over, and the TUI is killed while the node is being installed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.lock import find_holder, stop_holder
from screens.attach import find_socket
from tests.rack.one import One, one_machine
from tests.rack.pace import stretch
from tests.rack.rack import RACKSTRAP, Rack
from tests.terminal import Terminal

pytestmark = pytest.mark.rack


@dataclass(slots=True)
class Seat:
    """An operator before a console of the admin node. `written`: every byte that reached any console."""

    one: One
    console: Terminal | None = None
    written: bytearray = field(default_factory=bytearray)

    def sit_down(self, term: str) -> Terminal:
        """Join the session from one more console."""
        rack = self.one.rack
        words = ["tui", "--attach", "--state", str(rack.state), "--image", str(rack.image), "--interface", "br0"]
        self.console = Terminal([*RACKSTRAP, "lab", "run", "--dir", str(rack.lab), "--", *RACKSTRAP, *words], term=term)
        return self.console

    def leave(self) -> None:
        """The line drops."""
        if self.console is not None:
            self.written += self.console.written
            self.console.hang_up()
            self.console = None

    def answer(self, text: str) -> None:
        """Put this in the place of what the question begins with."""
        assert self.console is not None
        self.console.press("\x15", text, "enter")


def find_tui(one: One) -> int:
    """The process that draws the screen: not tmux, whose words hold the same command, nor the shell that starts it again."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if argv[0] == RACKSTRAP[0] and "tui" in argv and "--attach" not in argv and str(one.rack.state) in argv:
            return int(process.name)
    raise AssertionError("no TUI runs")


def type_site(seat: Seat, public: str) -> None:
    """From the welcome page to the nodes: a name that is refused, a name that is taken, an SSH key."""
    console = seat.console
    assert console is not None
    console.wait_for("Welcome 1/9", stretch(40))
    for page in ("Network 2/9", "Disks 3/9", "Site 4/9"):
        console.press("n")
        console.wait_for(page, stretch(20))
    console.press("enter")
    console.wait_for("Time zone")
    console.press("enter")
    console.wait_for("Name: lab")
    seat.answer("rack one")
    console.wait_for("cannot be used")
    seat.answer("rackone")
    console.wait_for(r"rackone +\(typed\)")
    console.press("esc")
    console.wait_for("Site 4/9")
    console.press("down", "enter")
    console.wait_for("Who may log in")
    console.press("enter")
    console.wait_for("Enter take it")
    seat.answer(public)
    console.wait_for(r"1 key +\(typed\)")
    console.press("esc")
    console.wait_for("Site 4/9")


def find_machine(seat: Seat) -> None:
    """BMCs from a file, discovery on, the machine named and admitted by its code."""
    console, rack = seat.console, seat.one.rack
    assert console is not None
    console.press("n")
    console.wait_for("Nodes 5/9")
    console.press("i")
    console.wait_for("File:")
    seat.answer(str(rack.lab / "bmc.csv"))
    console.wait_for("1 new")
    console.press("s")
    console.wait_for(r"(?s)switched off and on.*192\.168\.124\.162")
    console.press("y", "enter")
    console.wait_for("1 machine found", stretch(150))
    console.press("p")
    console.wait_for("named node1")
    console.press("a")
    console.wait_for(r"[0-9A-Z]{4}-[0-9A-Z]{4}  node1")
    console.press("y", "enter")
    console.wait_for("node1 may take part")


def consent(seat: Seat) -> None:
    """The plan says what is lost; a wrong name is no consent; the right one starts the work."""
    console, rack = seat.console, seat.one.rack
    assert console is not None
    console.press("n")
    console.wait_for("Roles 6/9")
    console.press("n")
    console.wait_for(r"(?s)Review 7/9.*1 disk erased.*node1 .*\.\.ONE", stretch(30))
    console.press("i")
    console.wait_for("Enter take it")
    seat.answer("rackon")
    console.settle(1)
    assert rack.ledger().machines[find_id(rack)].consent is None
    assert (rack.lab / "m1" / "disk0.raw").stat().st_blocks == 0
    seat.answer("rackone")
    console.wait_for("Deploy 8/9", stretch(40))


def find_id(rack: Rack) -> str:
    return next(iter(rack.ledger().machines))


def find_unpacking(journal: Journal) -> bool:
    return any(p.stage == "unpack" and 1 <= p.percent <= 95 for p in journal.progress().values())


def find_installed(journal: Journal) -> bool:
    return any(entry.installed for entry in journal.ledger.machines.values())


@pytest.fixture(scope="module")
def seat(rack_folder: Path) -> Iterator[Seat]:
    with one_machine(rack_folder) as one:
        seat = Seat(one)
        try:
            yield seat
        finally:
            seat.leave()
            tmux = ["tmux", "-S", str(find_socket(one.rack.state))]
            subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
            stop_applying(one)


def stop_applying(one: One) -> None:
    """End the apply or the discovery that still runs, as its lock names it."""
    if find_holder(one.rack.state) is not None:
        stop_holder(one.rack.state)


def test_the_whole_wizard_from_welcome_to_a_node_that_answers(seat: Seat) -> None:
    one, rack = seat.one, seat.one.rack
    seat.sit_down("vt220")
    type_site(seat, one.key.with_suffix(".pub").read_text().strip())
    find_machine(seat)
    seat.leave()  # the line drops; someone goes on at another console
    console = seat.sit_down("linux")
    console.wait_for(r"(?s)Nodes 5/9.*node1", stretch(20))
    consent(seat)
    rack.wait_for("a disk being unpacked", find_unpacking, 200)
    before = find_tui(one)
    os.kill(before, signal.SIGKILL)
    console.wait_for("Rackstrap's screen ended: signal 9", stretch(20))
    console.wait_for(r"(?s)Deploy 8/9.*node1", stretch(30))
    assert find_tui(one) != before
    rack.wait_for("node1 installed", find_installed, 300)
    console.wait_for(r"100 %|nothing is left|all is done|Everything is done", stretch(60))
    console.press("n")
    console.wait_for(r"(?s) 9/9.*node1 +installed", stretch(20))
    console.press("S")
    console.wait_for("Save as:")
    seat.answer(str(rack.folder / "saved.yaml"))
    console.wait_for("saved.yaml")
    console.settle(1)
    seat.leave()
    assert one.ask("hostname -f") == "node1.lab.example"
    assert one.entry().epoch == 1
    consented = [event for event in read_events(rack) if event == "consent_given"]
    assert len(consented) == 1


def read_events(rack: Rack) -> list[str]:
    journal = rack.journal()
    try:
        return [event.kind.value for event in journal.store.read()]
    finally:
        journal.close()


def test_nothing_secret_and_no_stray_glyph_reached_a_console(seat: Seat) -> None:
    text = seat.written.decode()
    secrets = [path.read_text().strip() for path in (seat.one.rack.lab / "secrets").iterdir()]
    assert secrets
    assert not any(secret in text for secret in secrets)
    plain = re.sub(r"\x1b(\[[0-9;?>]*[a-zA-Z]|[()][0AB]|[=>78DM]|\][^\x07]*\x07)|[\r\n\x0e\x0f\x07\x08]", "", text)
    assert {char for char in plain if not " " <= char <= "~"} <= set("─│┌┐└┘├┤┬┴┼═║╔╗╚╝█░▒■•▲▼←→↑↓")


def test_the_saved_file_has_nothing_left_to_do_without_a_screen(seat: Seat) -> None:
    """What was typed replays: the file that S saved is what was applied, to the byte, and every step of its plan is done."""
    rack = seat.one.rack
    saved = rack.folder / "saved.yaml"
    steps = rack.ledger().steps
    done = rack.rackstrap(*rack.apply_words(saved), deadline_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rack.ledger().steps == steps
    assert seat.one.entry().epoch == 1
