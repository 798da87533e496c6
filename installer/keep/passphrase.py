"""The passphrase of a backup: from a terminal without echo, a root-only file, or standard input. Never from argv or env."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.power.secrets import load_secret

SHORTEST: Final = 8
MOST_BYTES: Final = 1024
STDIN: Final = "-"


def ask_passphrase(named: str, *, is_new: bool) -> str:
    """`named`: a file, "-" for a line of standard input, "" for the terminal, where a new one is typed twice.

    Raises RackstrapError for one that is no passphrase, and where there is nobody to ask.
    """
    if named == STDIN:
        return check_passphrase(_read_line(), is_new=is_new)
    if named:
        return check_passphrase(load_secret(Path(named)), is_new=is_new)
    if not sys.stdin.isatty():
        raise RackstrapError(
            "there is no terminal to ask for the passphrase", "name a file with --passphrase-file, or - for a line of input"
        )
    return _ask(is_new=is_new)


def check_passphrase(text: str, *, is_new: bool) -> str:
    """The passphrase itself. Raises RackstrapError, and never shows it."""
    if is_new and len(text) < SHORTEST:
        raise RackstrapError(f"the passphrase has fewer than {SHORTEST} characters", "five or six words make a good one")
    if not text or not text.isprintable() or len(text.encode()) > MOST_BYTES:
        raise RackstrapError("this is no passphrase", f"one line of {SHORTEST} characters or more")
    return text


def _ask(*, is_new: bool) -> str:
    try:
        first = check_passphrase(
            getpass.getpass(f"passphrase ({SHORTEST} characters or more): " if is_new else "passphrase: "), is_new=is_new
        )
        if is_new and getpass.getpass("the same again: ") != first:
            raise RackstrapError("the two passphrases differ", "nothing was written; try again")
    except EOFError:
        raise RackstrapError("no passphrase was given", "try again") from None
    return first


def _read_line() -> str:
    raw = sys.stdin.buffer.readline(MOST_BYTES + 2)
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise RackstrapError("the passphrase is not UTF-8 text", "type it as text") from None
