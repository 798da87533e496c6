"""Write files below a root without ever leaving it: every folder on the way is opened by descriptor, no link is followed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

from installer.model.problems import RackstrapError
from installer.node.admit import is_plain_path


def write_file(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write `text` to `path` below `root`, atomically; folders are made, a link in the last place is replaced.

    Raises RackstrapError when the path is not plain or a folder on the way is a link.
    """
    if not is_plain_path(path):
        raise RackstrapError(f"{path!r} is no plain absolute path")
    *folders, name = PurePosixPath(path).parts[1:]
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            deeper = open_folder(fd, folder, path)
            os.close(fd)
            fd = deeper
        replace_file(fd, name, text.encode("utf-8"), mode)
    except OSError as error:
        raise RackstrapError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        os.close(fd)


def open_folder(parent: int, name: str, path: str) -> int:
    """The folder below an open one, made when absent. Raises RackstrapError when it is a link or no folder."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=parent)
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        raise RackstrapError(f"{path}: {name} is no folder: {error.strerror}") from error


def replace_file(folder: int, name: str, content: bytes, mode: int) -> None:
    """Write beside the old file, then rename over it: a link is replaced, never followed."""
    fresh = f".{name[:200]}.rackstrap-new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
    os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
