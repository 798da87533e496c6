"""Folders for racks: short, because the sockets in them have names of at most 107 bytes (unix(7))."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def rack_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rack-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rack-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
