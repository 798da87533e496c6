"""Blank machines become installed nodes, with nobody watching: one run of a real rack, judged here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack.rack import Rack, find_image
from tests.rack.story import CANARY_HASH, CHOSEN, FOREIGN_MAC, NODES, Story, end_rack, tell_story

pytestmark = pytest.mark.rack


@pytest.fixture(scope="module")
def story(rack_folder: Path) -> Iterator[Story]:
    rack = Rack(rack_folder, find_image())
    try:
        yield tell_story(rack)
    finally:
        end_rack(rack)


def test_without_consent_it_stops_at_the_gate_and_writes_nothing(story: Story) -> None:
    assert story.gate_exit == 3, story.gate_output
    assert story.blocks_at_gate == {"bios": 0, "uefi": 0}


def test_a_foreign_machine_gets_discovery_and_nothing_else(story: Story) -> None:
    assert story.foreign is not None
    assert (story.foreign.state, story.foreign.name, story.foreign.admitted, story.foreign.consent) == (
        "discovered",
        "",
        False,
        None,
    )
    assert "rackstrap.mode=discover" in story.foreign_script
    assert story.foreign_blocks == 0


def test_apply_was_killed_while_unpacking_and_resumed_to_the_same_end(story: Story) -> None:
    assert story.killed_at
    assert story.resumed_exit == 0
    assert {name: e.installed.epoch for name, e in story.installed.items() if e.installed} == {"node1": 1, "node2": 1}


def test_a_finished_site_has_nothing_left_to_do(story: Story) -> None:
    assert (story.again_exit, story.steps_run_again) == (0, 0)
    assert story.waits == {}


@pytest.mark.parametrize("name", sorted(NODES))
def test_a_node_runs_from_the_chosen_disk_after_power_loss(story: Story, name: str) -> None:
    answer = story.answers[name]
    installed = story.cycled[name].installed
    assert installed is not None
    assert installed.cold
    assert answer["hostname"] == f"{name}.rack.example"
    assert answer["fstype"] == "ext4"
    assert CHOSEN[name] in {line.rpartition("-part")[0] for line in answer["by_id"].splitlines()}
    assert answer["boot_id"] == installed.boot_id
    assert answer["mode"] == {"node1": "bios", "node2": "uefi"}[name]
    assert answer["failed"] == ""


def test_disks_that_nobody_chose_are_equal_bit_for_bit(story: Story) -> None:
    assert story.after == story.before


def test_one_lease_per_machine(story: Story) -> None:
    leases = Counter(lease[1] for lease in story.leases)
    assert leases == {"52:54:00:4c:00:01": 1, "52:54:00:4c:00:02": 1, FOREIGN_MAC: 1}


def test_no_secret_is_anywhere_but_in_its_own_file(story: Story) -> None:
    rack = story.rack
    passwords = {path.read_bytes().strip() for path in (rack.lab / "secrets").iterdir()}
    canaries = {CANARY_HASH.encode(), *passwords}
    assert len(canaries) > 1
    sites = {rack.folder / "site.yaml", rack.state / "site.yaml", rack.state / "applied/site.yaml"}
    assert not any(path.stat().st_mode & 0o077 for path in sites)
    kept = {*sites, *(rack.folder / "decoys").iterdir()}
    leaks = [
        f"{path}: {canary[:8]!r}…"
        for path in sorted(rack.folder.rglob("*"))
        if path.is_file() and path not in kept and not _holds_secrets(path, rack) and path.suffix != ".raw"
        for canary in find_canaries(path, canaries)
    ]
    assert leaks == []


def find_canaries(path: Path, canaries: set[bytes]) -> set[bytes]:
    content = path.read_bytes()
    return {canary for canary in canaries if canary in content}


def _holds_secrets(path: Path, rack: Rack) -> bool:
    """The BMCs' own side of their passwords: the simulator's configuration and the files that the CSV names."""
    return path.is_relative_to(rack.lab) and path.stat().st_mode & 0o077 == 0
