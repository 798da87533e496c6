"""The secrets that this machine keeps, to be taken out of a bundle wherever they occur. They are read, never told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from installer.keep.gather import read_plain

SECRET_KEY: Final = re.compile(r"pass|secret|token|key\b|_key|hash|credential|community|psk", re.IGNORECASE)
OPEN_KEYS: Final = frozenset({"ssh_keys", "key", "credentials", "secret"})  # public, or the path of a file
PRIVATE: Final = "PRIVATE KEY-----"
MOST_BYTES: Final = 64 * 1024
MOST_FILES: Final = 5000


def find_secrets(state: Path, root: Path = Path("/")) -> set[str]:
    """Every secret that is known here. `root`: where /etc and /run are. What cannot be read is left to its looks."""
    found: set[str] = set()
    for path in find_secret_files(state, root):
        if (text := _read(path)) is not None:
            found.add(text)
    for path in (*state.glob("*.yaml"), *state.glob("applied/*.yaml"), *state.glob("run/wanted/*.yaml")):
        found |= find_in_document(_read(path) or "")
    found |= find_in_shadow(_read(root / "etc/shadow") or "")
    found |= find_in_words(_read(root / "proc/cmdline") or "")
    return {text for text in found if text.strip()}


def find_secret_files(state: Path, root: Path) -> Iterator[Path]:
    """Files that hold nothing but a secret."""
    patterns = [(state, "secrets/**/*"), (state, "tls/*"), (state, "*.key"), (state, "ca/*"), (state, "host/**/*_key")]
    patterns += [(root, "etc/ssh/ssh_host_*_key"), (root, "root/.ssh/*"), (root, "run/rackstrap/*"), (root, "run/rackstrap/*/*")]
    count = 0
    for folder, pattern in patterns:
        is_named = folder == root and pattern.startswith("run")
        for path in sorted(folder.glob(pattern)):
            count += 1
            if count > MOST_FILES:
                return
            if (not is_named or "pass" in path.name.lower()) and _is_secret(path):
                yield path
    yield from find_bmc_files(state / "store.db")


def _is_secret(path: Path) -> bool:
    """Whether the file is one to know the content of: no certificate, public key or list of those."""
    text = _read(path)
    if text is None or path.suffix == ".pub" or path.name in {"authorized_keys", "known_hosts", "config"}:
        return False
    return PRIVATE in text or "-----BEGIN" not in text


def find_bmc_files(store: Path) -> Iterator[Path]:
    """The password files that the store names, read without changing it."""
    if not store.exists():
        return
    with (
        suppress(sqlite3.Error, ValueError),
        closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)) as open_store,
    ):
        rows = open_store.execute(
            "SELECT DISTINCT json_extract(data, '$.secret') FROM events WHERE kind = 'bmc_imported' AND json_valid(data)"
        )
        yield from (Path(row[0]) for row in rows.fetchall() if isinstance(row[0], str) and row[0].startswith("/"))


def find_in_document(text: str) -> set[str]:
    """Values of a site file under keys that name a secret, or below such a key."""
    from installer.site.load import parse_site

    with suppress(Exception):
        return set(_walk(parse_site(text.encode(), "site.yaml").document.data, is_secret=False))
    return set()


def _walk(value: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            is_open = str(key) in OPEN_KEYS
            yield from _walk(one, is_secret=not is_open and (is_secret or bool(SECRET_KEY.search(str(key)))))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _walk(one, is_secret=is_secret)
    elif is_secret and isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def find_in_shadow(text: str) -> set[str]:
    """The hashes of shadow(5): the second field, where it is one."""
    fields = [line.split(":")[1].lstrip("!") for line in text.splitlines() if line.count(":") >= 2]
    return {field for field in fields if len(field) > 8}


def find_in_words(cmdline: str) -> set[str]:
    """What a URL on the kernel line carries besides its place: a password, and the values of its query."""
    found: set[str] = set()
    for word in cmdline.split():
        key, _, value = word.partition("=")
        if SECRET_KEY.search(key):
            found.add(value)
        with suppress(ValueError):
            url = urlsplit(value)
            if url.scheme in {"http", "https"}:
                found |= {unquote(url.password or ""), url.fragment, *(one for _, one in parse_qsl(url.query))}
    return {one for one in found if one}


def _read(path: Path) -> str | None:
    """The text of a small plain file; None for all else."""
    try:
        raw = read_plain(path)
    except OSError:
        return None
    return raw.decode(errors="surrogateescape") if raw is not None and len(raw) <= MOST_BYTES else None
