"""Waiting for udev before disks are read."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import pyudev

from installer.probe import settled


class Device:
    def __init__(self, is_initialized: bool) -> None:
        self.is_initialized = is_initialized


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """What udev tells of; a container has none, so a stand-in for its library."""
    found: list[Device] = []
    monkeypatch.setattr(pyudev.Context, "list_devices", lambda *_, **__: iter(found))
    return found


def test_without_udev_nothing_is_waited_for(tmp_path: Path) -> None:
    assert settled.is_settled(tmp_path)


def test_one_that_has_only_its_socket_has_not_begun(tmp_path: Path, devices: list[Device]) -> None:
    (tmp_path / "control").touch()
    assert not settled.is_settled(tmp_path)
    (tmp_path / "data").mkdir()
    assert settled.is_settled(tmp_path)
    devices += [Device(True), Device(False)]
    assert not settled.is_settled(tmp_path)


def test_waiting_ends_when_the_last_disk_was_looked_at_or_at_the_end(tmp_path: Path, devices: list[Device]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "control").touch()
    devices.append(Device(False))
    threading.Timer(0.2, lambda: devices.__setitem__(0, Device(True))).start()
    began = time.monotonic()
    settled.wait_settled(threading.Event(), tmp_path)
    assert 0.2 <= time.monotonic() - began < 5
    devices.append(Device(False))
    end = threading.Event()
    end.set()
    settled.wait_settled(end, tmp_path)
    assert time.monotonic() - began < 5


def test_ports_are_waited_for_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks that udev has not looked at keep nobody from setting the network."""
    (tmp_path / "data").mkdir()
    (tmp_path / "control").touch()
    looked = {"block": [Device(False)], "net": [Device(True)]}
    monkeypatch.setattr(pyudev.Context, "list_devices", lambda _, subsystem: iter(looked[subsystem]))
    assert settled.is_settled(tmp_path, "net")
    assert not settled.is_settled(tmp_path)
    looked["net"].append(Device(False))
    assert not settled.is_settled(tmp_path, "net")
