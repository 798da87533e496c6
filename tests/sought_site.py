"""Whose site file is looked for, and where, in the tests of looking for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from installer.live.boot import Boot
from installer.live.fetch import Limits
from installer.live.identity import Identity
from installer.live.sources import Places, Sighted, Wrong, choose
from installer.live.volumes import Volume
from tests.fat_volumes import make_fat

SITE = b"rackstrap: 1\nname: lab\n"
OTHER = b"rackstrap: 1\nname: other\n"
UUID = "4c4c4544-0042-3510-8054-b7c04f564433"
ME = Identity(UUID, "AB/1 2%3", "52:54:00:00:00:01", ("52:54:00:00:00:01", "52:54:00:00:00:02"))
STICK = Volume("stick", "a stick, label RACKSTRAP", "vfat", "RACKSTRAP", ("site.yaml",))


def make_stick(folder: Path, files: dict[str, bytes]) -> Volume:
    """A stick in this folder with these files."""
    make_fat(folder / "stick", files=files)
    return replace(STICK, sites=tuple(sorted(name for name in files if name.endswith(".yaml"))))


def make_places(tmp_path: Path, *volumes: Volume, words: dict[str, str] | None = None) -> Places:
    leases = tmp_path / "leases"
    leases.mkdir(exist_ok=True)
    boot = Boot("medium", "unattended", words or {})
    return Places(boot, ME, tmp_path / "site.tar", leases, lambda: volumes, tmp_path, Limits(2**20, 20))


def find(places: Places) -> Sighted:
    found, passed = choose(places.look())
    assert found is not None, passed
    return found


def fail(places: Places) -> Wrong:
    found, passed = choose(places.look())
    assert found is None
    assert isinstance(passed[-1], Wrong)
    return passed[-1]
