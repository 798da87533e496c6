"""What must not go wrong: no disk is lost that nobody chose, no rehearsal is taken for the real world."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from installer.cli import make_parser
from installer.engine.journal import Journal
from installer.engine.store import make_who
from installer.live import volumes
from installer.model.problems import RackstrapError
from installer.serve.verbs import check_applied
from installer.site.save import save_text
from installer.wizard.draft import Draft, edit_draft
from installer.wizard.guide import Guide, make_safe
from installer.wizard.launching import Launcher
from installer.wizard.live import LiveDesk
from installer.wizard.losses import find_losses
from installer.wizard.page import Ask, Go, Lines, Selection, Told, Wished
from installer.wizard.pages import gate
from installer.wizard.pages.asking import ask_yes
from installer.wizard.pages.files import make_changes_page
from installer.wizard.rehearsal import RehearsalDesk
from installer.wizard.view import Applied
from installer.wizard.wishes import OpenSite, StopApplying
from screens.verbs import find_session
from screens.worker import describe, log_failure
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import HOSTILE, SITE, make_view

MACHINES = Path(__file__).parent / "machines"


def test_a_rehearsal_keeps_out_of_a_real_state_folder(tmp_path: Path) -> None:
    with Journal(tmp_path / "store.db", make_who("apply")):
        pass
    with pytest.raises(RackstrapError, match="real site"):
        RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path)
    with Journal(tmp_path / "store.db") as journal:
        assert journal.ledger.machines == {}


def test_the_real_world_keeps_out_of_a_rehearsals_folder(tmp_path: Path) -> None:
    """A recording may be of a machine that is there: consent that was rehearsed would hold for its disks."""
    RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path).close()
    RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path).close()  # the rehearsal itself goes on
    with pytest.raises(RackstrapError, match="rehearsal"):
        LiveDesk(tmp_path, tmp_path / "image", None)
    site = tmp_path / "site.yaml"
    save_text(site, (Path(__file__).parent / "sites/good/admin-bond.yaml").read_text())
    with pytest.raises(RackstrapError, match="rehearsal"):
        check_applied(tmp_path)
    words = [sys.executable, "-m", "installer.cli", "apply", str(site), "--state", str(tmp_path), "--image", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "is a rehearsal's" in done.stdout + done.stderr


READER = """
import sys, time
from pathlib import Path
from installer.engine.lock import hold_lock
state = Path(sys.argv[sys.argv.index("--state") + 1])
while not (state / "go").exists():
    time.sleep(0.01)
with hold_lock(state) as tell_begun:
    (state / "read").write_text(Path(sys.argv[1]).read_text())
    tell_begun()
"""


def test_what_was_reviewed_is_applied_though_another_screen_starts_something(tmp_path: Path) -> None:
    """Two screens over one folder: the file of the one must not be read by the process that the other has started."""
    ours, theirs = "name: reviewed\n", "name: other\nerase: blank\n"
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(Launcher(tmp_path, [sys.executable, "-c", READER]).start, ours)
        while not list(tmp_path.glob("run/wanted/*.yaml")):
            time.sleep(0.01)
        time.sleep(0.1)
        with pytest.raises(RackstrapError):
            Launcher(tmp_path, [sys.executable, "-c", "raise SystemExit(2)"]).start(theirs)
        (tmp_path / "go").touch()
        started.result(20)
    assert (tmp_path / "read").read_text() == ours
    assert (tmp_path / "run/wanted/site.yaml").read_text() == theirs


def test_old_site_files_of_starts_are_not_heaped_up(tmp_path: Path) -> None:
    for number in range(3):
        Launcher(tmp_path, [sys.executable, "-c", "raise SystemExit(0)"]).start(f"name: n{number}\n")
        for path in tmp_path.glob("run/wanted/*.yaml"):
            os.utime(path, (0, 0))
    names = {path.name for path in tmp_path.glob("run/wanted/*")}
    assert len(names) == 2
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("run/wanted/*")} == {0o600}


def test_enter_pressed_twice_neither_begins_nor_admits() -> None:
    """The cursor of a question begins on what changes nothing: a second Enter may come before a word was read."""
    view = make_view(named=True)
    before = gate.Asked((), find_losses(view))
    asked = [
        gate._ask_standing(view, "all", before),
        gate.admit(view, Selection()),
        ask_yes("x", (), "y", lambda _: Told("")),
    ]
    for ask in asked:
        assert isinstance(ask, Ask)
        assert ask.asks.start == "no"


def test_a_draft_that_cannot_be_kept_does_not_hide_what_was_done() -> None:
    """With a full disk the deployment begins all the same: to say that it failed would be wrong, and the next page is shown."""

    class FullDesk(ShelfDesk):
        def keep(self, draft: Draft, page: str) -> None:
            super().keep(draft, page)
            raise RackstrapError("cannot save draft.json: No space left on device", "free some space")

    guide = Guide(FullDesk(make_view(named=True)))
    reply = guide.take(Wished((StopApplying(),), "it was stopped", Go("deploy")))
    assert (reply.page.name, reply.is_refused) == ("deploy", False)
    assert reply.message == "it was stopped; cannot save draft.json: No space left on device"
    before = guide.next()
    assert (before.page.name, before.message) == (guide.page.name, "cannot save draft.json: No space left on device")


def test_a_rehearsal_never_joins_the_session_of_the_real_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who practises must not find themselves, by one word forgotten, before the disks of the real rack."""
    monkeypatch.setenv("RACKSTRAP_STATE", str(tmp_path / "real"))
    parse = make_parser("tui").parse_args
    live = find_session(parse(["tui", "--attach"]))
    assert live == tmp_path / "real"
    assert find_session(parse(["tui", "--attach", "--demo"])) != live
    rehearsed = find_session(parse(["tui", "--attach", "--demo", "--state", str(tmp_path / "demo")]))
    assert rehearsed == tmp_path / "demo"
    with pytest.raises(RackstrapError, match="rehearsal"):
        find_session(parse(["tui", "--attach", "--state", str(tmp_path / "demo")]))
    with Journal(tmp_path / "real/store.db"):
        pass
    with pytest.raises(RackstrapError, match="real site"):
        find_session(parse(["tui", "--attach", "--demo", "--state", str(tmp_path / "real")]))


def test_a_failure_that_quotes_a_machine_reaches_no_terminal_raw(tmp_path: Path) -> None:
    """The session prints the end of this log, and a dying screen its reason, as they are."""
    view = make_view()
    guide = Guide(ShelfDesk(replace(view, here=replace(view.here, state_dir=str(tmp_path)))))
    error = ValueError(f"no such port: {HOSTILE}")
    log_failure(guide, error)
    said = (tmp_path / "run/tui.log").read_text()
    assert "no such port" in said
    for text in (*said.splitlines(), describe(error)):
        assert make_safe(text) == text
    assert (tmp_path / "run/tui.log").stat().st_mode & 0o077 == 0


def test_a_read_only_flag_that_was_lifted_is_set_again_whatever_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk's flag is lifted, then the partition's cannot be: the disk must not stay open for writing."""
    flags = {"disk": "1", "part": "1"}
    for name, flag in flags.items():
        (tmp_path / name).write_text(flag)
    tool = tmp_path / "blockdev"
    tool.write_text(
        '#!/bin/sh\ncase "$1 ${2##*/}" in --getro*) cat "$2";; "--setrw part") exit 1;;'
        ' --setrw*) echo 0 >"$2";; --setro*) echo 1 >"$2";; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(volumes, "_find_above", lambda _: (tmp_path / "disk", tmp_path / "part"))
    with pytest.raises(RackstrapError), volumes.writable(tmp_path / "part"):
        pytest.fail("it is not writable")
    assert {name: (tmp_path / name).read_text().strip() for name in flags} == flags


def test_a_screen_does_not_undo_what_another_one_has_changed(tmp_path: Path) -> None:
    """Two screens over one folder without the shared session: to turn a page must not put an older draft over a newer one."""
    first = RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path)
    second = RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path)
    try:
        ours, theirs = (desk.look(frozenset()).draft for desk in (first, second))
        first.keep(ours, "site")
        newer, problems = edit_draft(theirs, [(("name",), "newer")], {})
        assert not problems
        second.keep(newer, "site")
        first.keep(ours, "disks")
        assert first.find_page() == "disks"
        assert (tmp_path / "draft.yaml").read_text() == newer.text
        older, _ = edit_draft(ours, [(("name",), "older")], {})
        with pytest.raises(RackstrapError, match="another session"):
            first.keep(older, "disks")
        assert (tmp_path / "draft.yaml").read_text() == newer.text
        assert first.look(frozenset()).draft.text == ours.text
        first.carry_out(OpenSite(str(tmp_path / "draft.yaml")))
        assert first.look(frozenset()).draft.text == newer.text
        again, _ = edit_draft(newer, [(("name",), "again")], {})
        first.keep(again, "disks")
        assert (tmp_path / "draft.yaml").read_text() == again.text
    finally:
        first.close()
        second.close()


def test_no_password_hash_is_shown_among_the_changes() -> None:
    """The screen is shared, scrolls back, and a serial line's other end often keeps a log."""
    old, new = (f"$y$j9T$canary{n}abcdefghijkl$canary{n}mnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123" for n in (1, 2))
    texts = [SITE.replace("access:\n", f"access:\n  password_hash: '{found}'\n") for found in (old, new)]
    view = replace(make_view(named=True, text=texts[1]), applied=Applied(texts[0], {}))
    lines = [line.text for part in make_changes_page(view).parts if isinstance(part, Lines) for line in part.lines]
    assert "canary" not in "".join(lines)
    assert "-  password_hash: '(a hash)'" in lines
    assert "+  password_hash: '(a hash)'" in lines
