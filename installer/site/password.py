"""A password → its hash as crypt(5) writes it: yescrypt, by libxcrypt itself, which every Debian has for logging in.

No process is started, so that a password stands in no command line. The library's hash is salted by the kernel's random
bytes, with the cost that libxcrypt's authors chose (`mkpasswd` prints the same kind).
"""

from __future__ import annotations

import ctypes
from functools import cache
from threading import Lock
from typing import Final

from installer.model.problems import Place, Problem, RackstrapError

SHORTEST: Final = 8
LONGEST: Final = 500  # bytes; libxcrypt takes 511 (CRYPT_MAX_PASSPHRASE_SIZE)
_PATH: Final = ("access", "password_hash")
_LOCK: Final = Lock()  # crypt(3) answers in one buffer for all threads


def check_password(text: str) -> Problem | None:
    """Why this password cannot be used; None where it can. Never shows it."""
    if len(text) < SHORTEST:
        return Problem(Place(_PATH), "this password is too short", f"type {SHORTEST} characters or more")
    if not text.isprintable() or len(text.encode("utf-8", "replace")) > LONGEST:
        return Problem(Place(_PATH), "this password is too long or not printable", "type at most 200 letters, digits and signs")
    return None


def make_password_hash(password: str) -> str:
    """Its hash. Raises RackstrapError for a password that check_password refuses, and where the library is missing."""
    problem = check_password(password)
    if problem is not None:
        raise RackstrapError(problem.message, problem.hint)
    library = _load_library()
    with _LOCK:
        setting = library.crypt_gensalt(b"$y$", 0, None, 0)
        made = library.crypt(password.encode(), setting) if setting else None
    if not made or not made.startswith(b"$y$"):
        raise RackstrapError("libcrypt made no hash of this password", "write access.password_hash as `mkpasswd` prints it")
    return str(made, "ascii")


@cache
def _load_library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libcrypt.so.1")
        library.crypt_gensalt.argtypes = (ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int)
        library.crypt_gensalt.restype = library.crypt.restype = ctypes.c_char_p
        library.crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    except (OSError, AttributeError):
        hint = "write access.password_hash into the file, as `mkpasswd` prints it, or use SSH keys"
        raise RackstrapError("there is no libcrypt here to hash a password with", hint) from None
    return library
