"""A build that is stopped, fails or meets another one: what it says, what it leaves, and that it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.small_build import SmallBuild

ALL = ["admin", "base", "initrd", "iso", "layer"]


@pytest.fixture
def build(tmp_path: Path) -> SmallBuild:
    return SmallBuild(tmp_path)


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read what it says on stderr up to the line that holds these words."""
    assert process.stderr is not None
    assert any(words in line for line in process.stderr)


def stop(build: SmallBuild, stage: str, how: signal.Signals, *, is_group: bool) -> tuple[int, str]:
    """Start a build, send the signal while the stage works, and give exit code and last words."""
    (build.halt / f"{stage}.sh").touch()
    process = build.start()
    wait_for(process, f"{stage}.sh works in")
    (os.killpg if is_group else os.kill)(process.pid, how)
    _, said = process.communicate(timeout=20)
    (build.halt / f"{stage}.sh").unlink()
    return process.returncode, said


def wait_for_nobody(build: SmallBuild) -> list[str]:
    """What still runs after two seconds; the kernel takes its time to end a namespace."""
    until = time.monotonic() + 2
    while (left := build.find_processes()) and time.monotonic() < until:
        time.sleep(0.02)
    return left


@pytest.mark.parametrize(
    ("stage", "how", "is_group", "code"),
    [
        ("base", signal.SIGINT, True, 130),
        ("admin", signal.SIGTERM, False, 143),
        ("initrd", signal.SIGKILL, False, -9),
        ("layer", signal.SIGKILL, True, -9),
        ("iso", signal.SIGHUP, True, 129),
    ],
)
def test_a_stopped_build_leaves_nobody_behind_and_goes_on(
    build: SmallBuild, stage: str, how: signal.Signals, is_group: bool, code: int
) -> None:
    found, said = stop(build, stage, how, is_group=is_group)
    assert found == code
    assert (f"stopped by {how.name}. Started again" in said) == (code > 0)
    assert wait_for_nobody(build) == []
    assert f"{stage}.partial" in build.list_cache()
    assert stage not in build.list_cache()
    assert not build.out.exists()
    again, said = build.run("--offline")
    assert (again, build.list_cache()) == (0, ALL)
    begun = [line.split()[1] for line in said.splitlines() if line.endswith("…")]
    assert begun == ["base", "admin", "initrd", "layer", "iso"][["base", "admin", "initrd", "layer", "iso"].index(stage) :]
    assert build.out.read_text() == "whole\n"


def test_a_stage_that_fails_without_a_word_is_named(build: SmallBuild) -> None:
    (build.broken / "admin.sh").touch()
    code, said = build.run("--offline")
    assert code == 2
    assert said.splitlines()[-2:] == [
        "build_iso.sh: stage admin failed",
        "  What is above says why. When that is put right, start this again: it goes on with this stage.",
    ]
    assert build.list_cache() == ["admin.partial", "base"]


def test_a_command_between_the_stages_that_fails_ends_with_words(build: SmallBuild) -> None:
    (build.top / "iso/python.lock").unlink()
    code, said = build.run()
    assert code == 2
    assert "build_iso.sh: it could not go on: something ended with code" in said


def test_an_outdated_stage_goes_and_is_never_half_there_under_its_name(build: SmallBuild) -> None:
    assert build.run()[0] == 0
    before = {path.name for path in (build.top / "build/cache").glob("*-*")}
    (build.top / "installer/__init__.py").write_text('__version__ = "1.1"\n')
    code, said = build.run()
    assert code == 0
    assert [line.split()[1] for line in said.splitlines() if line.endswith("…")] == ["layer", "iso"]
    after = {path.name for path in (build.top / "build/cache").glob("*-*")}
    assert len(after) == len(before) == 5
    assert {name.split("-")[0] for name in after - before} == {"layer", "iso"}


@pytest.mark.parametrize("name", ["a blank", "it's", "a:colon", "a,comma", "a=b", "$HOME", "a`b", "a;b", "a&b", 'a"b', "a\\b"])
def test_a_path_that_a_tool_would_read_otherwise_is_refused(build: SmallBuild, tmp_path: Path, name: str) -> None:
    build.top = build.top.rename(tmp_path / name)
    code, said = build.run()
    assert code == 2
    assert f"it cannot build in {tmp_path / name}\n" in said
    assert not (build.top / "build").exists()


def test_where_a_link_leads_counts_as_content(build: SmallBuild) -> None:
    link = build.top / "iso/live/unit"
    link.symlink_to("/dev/null")
    assert build.run()[0] == 0
    link.unlink()
    link.symlink_to("other")
    code, said = build.run()
    assert code == 0
    assert "build_iso.sh: initrd …" in said


def test_a_build_that_waits_for_another_one_says_so_and_can_be_stopped(build: SmallBuild) -> None:
    (build.halt / "base.sh").touch()
    first = build.start()
    wait_for(first, "base.sh works in")
    second = build.start()
    wait_for(second, "another build uses")
    os.kill(second.pid, signal.SIGTERM)
    _, said = second.communicate(timeout=20)
    assert (second.returncode, "stopped by SIGTERM" in said) == (143, True)
    assert first.poll() is None
    os.kill(first.pid, signal.SIGTERM)
    first.communicate(timeout=20)
    assert wait_for_nobody(build) == []


def test_what_is_there_and_no_result_of_a_build_is_not_replaced(build: SmallBuild, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear")
    for words in (("--out", str(mine)), ("--image", "--out", str(mine)), ("--out", "/dev/null")):
        code, said = build.run(*words)
        assert (code, "build_iso.sh: --out" in said) == (2, True)
    assert (mine / "letter").read_text() == "dear"
    code, said = build.run("--out", str(mine / "letter/rackstrap.iso"))
    assert code == 2
    assert "cannot write to" in said
    assert build.list_cache() == []


@pytest.mark.parametrize(("name", "value"), [("RACKSTRAP_SQUASHFS_LEVEL", "99"), ("SOURCE_DATE_EPOCH", "now")])
def test_a_setting_that_no_stage_could_use_is_refused_first(build: SmallBuild, name: str, value: str) -> None:
    done = subprocess.run(
        [build.top / "build_iso.sh"], env={"PATH": os.environ["PATH"], name: value}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"{name} is '{value}'" in done.stderr
