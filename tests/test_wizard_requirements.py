"""What the terminal UI promises as a whole: driven through the real screens, or the plain lines, on a rehearsal's desk."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest
from textual import events

from installer.admin.run import Wanted, make_plan
from installer.cli import run
from installer.engine.prepare import load_input
from installer.live.boot import Boot
from installer.model.ledger import Ledger
from installer.plan.dump import dump_plan
from installer.serve.verbs import find_image_dir
from installer.site.document import InteractiveWord
from installer.wizard.guide import Guide
from installer.wizard.page import Table
from installer.wizard.planning import PlaceFinder
from installer.wizard.rehearsal import RehearsalDesk
from installer.wizard.sections import find_sections
from installer.wizard.stages import STAGES
from installer.wizard.view import View
from installer.wizard.wishes import Wish
from tests.shelf_desk import ShelfDesk
from tests.terminal import Terminal
from tests.tui_seat import Seat, sit
from tests.tui_session import make_recording
from tests.wizard_views import SITE, make_view

NAMES = ("four-nics", "bios-virtio", "secure-boot-sata", "twin-a", "twin-b", "bmc")
ROLE = "title: Keep the ring\ncount: {min: 2}\nhardware: {min_disks: 1}\noptions:\n  replicas: {type: integer, default: 2}\n"
ROOT = str(Path(__file__).parent.parent)
CANARY = "CANARY-of-the-requirements"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Machines with disks that an installation fits on; the first is this machine."""
    folder = tmp_path_factory.mktemp("recordings")
    return [make_recording(folder / f"{name}.json", name) for name in NAMES]


@asynccontextmanager
async def rehearse(
    machines: Sequence[Path], state: Path, site: Path | None = None, roles: Sequence[Path] = (), boot: Boot | None = None
) -> AsyncIterator[tuple[Seat, RehearsalDesk]]:
    desk = RehearsalDesk(machines, state=state, site=site, roles_dirs=roles, boot=boot)
    try:
        async with sit(lambda: Guide(desk)) as seat:
            yield seat, desk
    finally:
        desk.close()


async def look_until(desk: RehearsalDesk, is_so: Callable[[View], object], within_s: float = 10) -> View:
    ends_at = time.monotonic() + within_s
    while not is_so(view := desk.look(frozenset({"plan"}))):
        assert time.monotonic() < ends_at, (view.plan_problem, view.status)
        await asyncio.sleep(0.02)
    return view


def make_roles(folder: Path) -> Path:
    """A folder with one role, as somebody may have dropped it there."""
    (folder / "keeper").mkdir(parents=True)
    (folder / "keeper/role.yaml").write_text(ROLE)
    return folder


async def test_a_role_that_is_dropped_into_a_folder_is_driven_to_the_plan(recordings: Sequence[Path], tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE.partition("nodes:")[0])
    async with rehearse(recordings, tmp_path / "state", site, [make_roles(tmp_path / "roles")]) as (seat, desk):
        await seat.go_to("Nodes")
        await seat.press("p")
        await seat.wait_for("named ", "node6")
        await seat.go_to("Roles")
        await seat.wait_for("keeper", "Keep the ring")
        await seat.press("space", "down", "space", "r")
        await seat.wait_for("> ")
        await seat.press("k", "enter")
        await seat.wait_for("yes")
        view = await look_until(desk, lambda view: view.plan is not None and any("keeper" in n.roles for n in view.plan.nodes))
        assert view.plan is not None
        assert [node.name for node in view.plan.nodes if "keeper" in node.roles] == ["node1", "node2"]
        await seat.go_to("Review")
        await seat.wait_for("6 nodes, 6 disks erased", "node1")
        await seat.press("enter")
        await seat.wait_for("keeper: ")


async def test_screens_and_the_headless_run_of_what_they_saved_give_the_same_plan(
    recordings: Sequence[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, saved, state = tmp_path / "site.yaml", tmp_path / "saved.yaml", tmp_path / "state"
    roles = make_roles(tmp_path / "roles")
    site.write_text(SITE.partition("nodes:")[0])
    async with rehearse(recordings, state, site, [roles], Boot("medium", "install")) as (seat, desk):
        await seat.go_to("Network")
        await seat.press("enter")
        await seat.go_to("Disks")
        await seat.press("enter")
        await seat.wait_for("Site 4/9")
        await seat.press("tab", "a")
        await seat.answer("Name", "backup", "Subnet:")
        await seat.answer("Subnet:", "192.168.200.0/24", "Conduit:")
        await seat.press("down", "enter")
        await seat.answer("VLAN:", "600", "backup is added")
        await seat.press("escape")
        await seat.wait_for("Site 4/9")
        await seat.go_to("Nodes")
        await seat.press("p")
        await seat.wait_for("named ")
        await seat.press("d")
        await seat.wait_for("Everything on the chosen disk")
        await seat.press("enter")
        await seat.wait_for("Nodes 5/9")
        await seat.go_to("Roles")
        await seat.press("space", "down", "space", "r")
        await seat.wait_for("> ")
        await seat.press("k", "enter")
        await seat.wait_for("yes")
        await seat.press("S")
        await seat.answer("Save as", str(saved), "saved as")
        draft = desk.look(frozenset()).draft.text
        view = await look_until(desk, lambda view: view.plan is not None and view.draft.text == draft)
        assert view.plan is not None
        shown = dump_plan(view.plan)
    with monkeypatch.context() as patch:
        patch.setenv("RACKSTRAP_ROLES", str(roles))
        check_own(view, saved)
    assert saved.read_text() == draft
    (state / "store.db").rename(tmp_path / "no-store")  # a first run: nothing is known but the file and the machines
    monkeypatch.setenv("RACKSTRAP_STATE", str(state))
    capsys.readouterr()
    words = ["plan", str(saved), "--json", "--roles-dir", str(roles), "--machine", *map(str, recordings)]
    assert (run(words), capsys.readouterr().out) == (0, shown)
    assert [len(node.disks) for node in view.plan.nodes] == [1] * 6
    desk = RehearsalDesk(recordings, state=tmp_path / "second", site=saved, roles_dirs=[roles])
    try:
        opened = desk.look(frozenset()).draft
        assert (opened.text, opened.file) == (draft, str(saved))
    finally:
        desk.close()


def check_own(view: View, saved: Path) -> None:
    """This machine's own installation is planned headless as it was on the screens: disks, files, costs, byte for byte."""
    found = load_input(saved)
    assert found.site is not None
    image = PlaceFinder(saved.parent, find_image_dir().absolute())(found.site).image
    wanted = Wanted(saved, saved.parent, found, found.site, image, saved.parent, view.here.machine)
    planned, given = make_plan(wanted, Ledger(), view.machines, [])
    assert (view.own, given) == (planned, None)
    assert (len(planned.disks), planned.problems) == (1, ())
    assert f"/etc/systemd/network/05-rackstrap-admin-{view.here.machine.nics[0].name}.network" in {f.path for f in planned.files}


class SlowDesk(ShelfDesk):
    """A world that takes five seconds for whatever it does, once it is told to."""

    def __init__(self, view: View, page: str) -> None:
        super().__init__(view, page)
        self.is_quick = threading.Event()
        self.is_quick.set()
        self.is_at_work = threading.Event()

    def _rest(self) -> None:
        if not self.is_quick.is_set():
            self.is_at_work.set()
            self.is_quick.wait(5)

    def look(self, wants: frozenset[str]) -> View:
        self._rest()
        return super().look(wants)

    def has_news(self) -> bool:
        self._rest()
        return super().has_news()

    def carry_out(self, wish: Wish) -> str:
        self._rest()
        return super().carry_out(wish)


async def test_a_world_that_takes_five_seconds_keeps_no_cursor_waiting() -> None:
    desk = SlowDesk(make_view(deploying=True), "nodes")
    async with sit(lambda: Guide(desk)) as seat:
        await seat.wait_for("Nodes", "node1")
        desk.is_quick.clear()
        await seat.press("s")  # carried out by the worker: it takes its time
        assert await asyncio.to_thread(desk.is_at_work.wait, 5)
        for key in ("down", "up", "down"):
            before = next(line for line in seat.text.splitlines() if line.startswith(">"))
            began = time.monotonic()
            await seat.press(key)
            while next(line for line in seat.text.splitlines() if line.startswith(">")) == before:
                assert time.monotonic() < began + 1, seat.text
                await asyncio.sleep(0.005)
        assert not desk.is_quick.is_set()
        desk.is_quick.set()


@pytest.mark.parametrize("key", sorted(get_args(InteractiveWord)))
def test_whatever_interactive_names_has_a_stage_and_the_gate_stays(key: str) -> None:
    guide = Guide(ShelfDesk(make_view(text=f"{SITE}interactive: [{key}]\n", planned=False)))
    names = [stage.name for stage in guide.stages]
    assert [name for name in names if name in ("welcome", "review", "deploy", "done")] == ["welcome", "review", "deploy", "done"]
    assert len(names) < len(STAGES)
    pages = set()
    for _ in names:
        pages |= {guide.page.name}
        if guide.page.name == "site":
            table = next(part for part in guide.page.parts if part.name == "sections")
            assert isinstance(table, Table)
            assert {row.key for row in table.rows} <= {section.name for section in find_sections() if key in section.keys}
        guide.next()
    assert pages == set(names)
    assert pages & {"site", "nodes"}


def test_a_section_with_an_error_is_asked_though_interactive_does_not_name_it() -> None:
    text = SITE.replace("address: 192.168.124.10", "address: 10.9.9.9") + "interactive: [nodes]\n"
    assert "site" in [stage.name for stage in Guide(ShelfDesk(make_view(text=text))).stages]
    assert "site" not in [stage.name for stage in Guide(ShelfDesk(make_view(text=f"{SITE}interactive: [nodes]\n"))).stages]


async def test_a_password_that_is_typed_on_the_screens_is_nowhere(recordings: Sequence[Path], tmp_path: Path) -> None:
    site, state, saved = tmp_path / "site.yaml", tmp_path / "state", tmp_path / "saved.yaml"
    site.write_text(SITE.partition("nodes:")[0])
    async with rehearse(recordings, state, site) as (seat, _):
        await seat.go_to("Site")
        await seat.press("down", "enter")
        await seat.wait_for("Password")
        await seat.press("down", "enter")
        await seat.wait_for("Password:")
        seat.app.post_message(events.Paste(CANARY))
        await seat.wait_for("****")
        assert CANARY not in seat.text
        await seat.press("enter")
        await seat.answer("Password, once more:", CANARY, "only its hash is kept")
        assert CANARY not in seat.text
        await seat.press("S")
        await seat.answer("Save as", str(saved), "saved as")
    assert "password_hash: $y$" in saved.read_text().replace('"', "").replace("'", "")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


async def test_every_page_saves_and_the_next_session_begins_there(recordings: Sequence[Path], tmp_path: Path) -> None:
    site, state = tmp_path / "site.yaml", tmp_path / "state"
    site.write_text(SITE.partition("nodes:")[0])
    async with rehearse(recordings, state, site) as (seat, _):
        for number, stage in enumerate(STAGES):
            saved = tmp_path / f"at-{stage.name}.yaml"
            await seat.wait_for(f"{number + 1}/{len(STAGES)}")
            await seat.press("S")
            await seat.answer("Save as", str(saved), f"saved as {tmp_path}")
            assert saved.read_bytes() == site.read_bytes()
            if stage.name != "roles":
                await seat.press("n")
                continue
            break
    async with rehearse(recordings, state) as (seat, _):
        await seat.wait_for("Which node does what?", "6/9")


def test_ascii_mode_writes_ascii_alone() -> None:
    with Terminal(
        [sys.executable, "-m", "tests.shelf_tui", "deploy", "--ascii", "--hostile"], env={"PYTHONPATH": ROOT}
    ) as terminal:
        terminal.wait_for("Deploy 8/9")
        terminal.press("?", "z", "n")  # any key leaves the help
        terminal.wait_for("9/9")
        assert bytes(terminal.written).isascii()
