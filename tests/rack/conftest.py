"""Folders for racks: short, because the sockets in them have names of at most 107 bytes (unix(7))."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rack.iso_rack import make_iso


@contextmanager
def make_folder(session: pytest.Session) -> Iterator[Path]:
    """Removed after use, unless something failed: then its logs are what one reads."""
    failed = session.testsfailed
    folder = Path(tempfile.mkdtemp(prefix="rack-"))
    yield folder
    if session.testsfailed == failed:
        shutil.rmtree(folder)
    else:
        for disk in [*folder.rglob("*.raw"), *folder.rglob("*.iso")]:
            disk.unlink()
        print(f"logs of what failed: {folder}")


@pytest.fixture(scope="module")
def rack_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    with make_folder(request.session) as folder:
        yield folder


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    with make_folder(request.session) as folder:
        yield folder


@pytest.fixture(scope="session")
def iso() -> Path:
    """The ISO of this checkout, built once."""
    return make_iso()
