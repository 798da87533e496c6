"""This machine as its thread sees it: a port that is nowhere for a moment, and one that is really gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.wizard import here
from installer.wizard.here import Prober, Recording
from tests.wizard_views import FOLDER

Make = Callable[[list[bool]], Prober]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A prober of a recorded machine whose ports are there or away, look by look; there, when none is left."""
    monkeypatch.setattr(here, "RENAMED_WITHIN_S", 0.01)
    monkeypatch.setattr(here, "LOOK_EVERY_S", 0.01)
    whole: Recording = json.loads((FOLDER / "secure-boot-sata.json").read_text())
    made = []

    def make_prober(looks: list[bool]) -> Prober:
        def read_links(base: Recording) -> Recording:
            is_there = looks.pop(0) if looks else True
            return {**base, "net": whole["net"] if is_there else []}

        made.append(Prober(tmp_path, lambda: whole, read_links))
        return made[-1]

    yield make_prober
    for one in made:
        one.close()


def wait(is_so: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_a_port_that_is_renamed_is_never_gone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "LOOK_EVERY_S", 60)  # the thread looks once: then only who asks
    looks: list[bool] = []
    prober = make(looks)
    wait(lambda: prober.machine.nics and not prober.is_reading)
    ports = prober.machine.nics
    looks += [False, True]
    assert prober.find_named().nics == ports
    looks += [False, False]
    assert prober.find_named().nics == ()


def test_a_port_that_is_pulled_is_gone(make: Make) -> None:
    prober = make([True] * 5 + [False] * 1000)
    wait(lambda: prober.machine.nics and not prober.is_reading)
    wait(lambda: not prober.machine.nics)
