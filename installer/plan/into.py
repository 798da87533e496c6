"""Write every file that would be rendered into a folder, to be read and compared before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from installer.model.problems import RackstrapError


def save_files(files: Mapping[str, str], folder: Path) -> int:
    """Write `files` (folder-relative path -> text) below `folder`, which must be empty or absent; returns how many.

    Raises RackstrapError when it holds something already, cannot be written, or a path would leave it.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise RackstrapError(f"{folder} is not empty", "name an empty or a new folder")
    root = folder.absolute()
    for name in sorted(files):
        path = root / name
        if ".." in path.parts or not path.is_relative_to(root):
            raise RackstrapError(f"{name} would be written outside {folder}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        except OSError as error:
            raise RackstrapError(f"{path}: {error.strerror}", "name a folder that you may write to") from error
    return len(files)
