"""What the wizard keeps survives a kill, is private, and is not believed when it belongs to another text."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from installer.wizard.keeping import Keeper
from tests.live_site import SITE

WRITER = """
import sys
from pathlib import Path
from installer.wizard.keeping import Keeper
keeper = Keeper(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**6):
    keeper.save(f"rackstrap: 1\\nname: n{number}\\n" + "# filler\\n" * 2000, {("name",): "typed"}, f"f{number}", f"p{number}")
"""


def test_a_kill_at_any_moment_leaves_a_whole_draft(tmp_path: Path) -> None:
    for wait_s in (0.02, 0.05, 0.08, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(wait_s)
        process.kill()
        process.communicate()
        kept = Keeper(tmp_path).load()
        assert kept is not None
        head, _, filler = kept.text.partition("# filler\n")
        assert (head[:20], filler.count("# filler\n")) == ("rackstrap: 1\nname: n", 1999)
        number = head.removeprefix("rackstrap: 1\nname: n").strip()
        assert kept.origins in ({}, {("name",): "typed"})
        if kept.origins:
            assert (kept.file, kept.page) == (f"f{number}", f"p{number}")


def test_what_is_kept_is_private_and_comes_back(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    assert keeper.load() is None
    keeper.save(SITE, {("name",): "typed", ("nodes", 0, "name"): "discovered"}, "/root/site.yaml", "disks")
    kept = keeper.load()
    assert kept is not None
    assert (kept.text, kept.file, kept.page) == (SITE, "/root/site.yaml", "disks")
    assert kept.origins == {("name",): "typed", ("nodes", 0, "name"): "discovered"}
    assert {path.stat().st_mode & 0o777 for path in (keeper.text_path, keeper.notes_path)} == {0o600}


def test_notes_of_another_text_or_in_another_shape_are_not_believed(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.save(SITE, {("name",): "typed"}, "", "nodes")
    keeper.text_path.write_text(SITE + "# by hand\n")
    kept = keeper.load()
    assert kept is not None
    assert (kept.origins, kept.page) == ({}, "nodes")
    for notes in ("[]", "{", '{"origins": 1, "page": 2}', "[" * 5000):
        keeper.notes_path.write_text(notes)
        kept = keeper.load()
        assert kept is not None
        assert (kept.text, kept.origins, kept.page) == (SITE + "# by hand\n", {}, "")
