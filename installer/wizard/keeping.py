"""The draft on disk: what was decided so far and where the operator was, so that a new session goes on there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast, get_args

from installer.model.problems import RackstrapError
from installer.site.load import MAX_BYTES
from installer.site.save import save_text
from installer.site.tree import Path as KeyPath
from installer.wizard.page import Origin

MOST_BYTES: Final = 4 * 2**20
ORIGINS: Final = frozenset(get_args(Origin))


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as it was kept. `at`: seconds since 1970."""

    text: str = field(repr=False)
    origins: Mapping[KeyPath, Origin]
    file: str
    page: str
    at: float


class Keeper:
    """`draft.yaml`, the site file itself, and beside it `draft.json`: origins, page, file. Each is whole at every moment.

    The two are tied by the text's digest: after a loss of power between them the origins of an older text are not believed.
    """

    def __init__(self, state: Path) -> None:
        self.text_path: Final = state / "draft.yaml"
        self.notes_path: Final = state / "draft.json"
        self._report_path: Final = state / "report-saved.txt"

    def save(self, text: str, origins: Mapping[KeyPath, Origin], file: str, page: str) -> None:
        """Both files, readable by their owner only. Raises RackstrapError when they cannot be written."""
        rows = [[list(path), origin] for path, origin in origins.items()]
        notes = {"sha256": sha256(text.encode()).hexdigest(), "page": page, "file": file, "origins": rows}
        if _read(self.text_path, MAX_BYTES) != text:
            save_text(self.text_path, text)
        save_text(self.notes_path, json.dumps(notes) + "\n")

    def load(self) -> Kept | None:
        """What was kept last; None where nothing was, or where it cannot be read."""
        text = _read(self.text_path, MAX_BYTES)
        if text is None:
            return None
        notes = self._load_notes()
        is_whole = notes.get("sha256") == sha256(text.encode()).hexdigest()
        origins = _parse_origins(notes.get("origins")) if is_whole else {}
        at = self.text_path.stat().st_mtime
        return Kept(text, origins, _text(notes, "file"), _text(notes, "page"), at)

    def note_report(self, said: str) -> None:
        """Remember where the report was saved, in a sentence."""
        save_text(self._report_path, f"{said}\n")

    def load_report(self) -> str:
        """Where the report was saved last; "" for nowhere."""
        return (_read(self._report_path, MAX_BYTES) or "").strip()

    def load_text(self) -> str | None:
        """The draft's text as it is on the disk now; None where there is none."""
        return _read(self.text_path, MAX_BYTES)

    def _load_notes(self) -> dict[str, Any]:
        try:
            notes = json.loads(_read(self.notes_path, MOST_BYTES) or "{}")
        except (ValueError, RecursionError):
            return {}
        return notes if isinstance(notes, dict) else {}


def _text(notes: Mapping[str, Any], key: str) -> str:
    value = notes.get(key)
    return value if isinstance(value, str) else ""


def _parse_origins(rows: object) -> dict[KeyPath, Origin]:
    """Rows of [path, origin]; what has another shape is left out."""
    found: dict[KeyPath, Origin] = {}
    for row in rows if isinstance(rows, list) else []:
        match row:
            case [list(path), str(origin)] if origin in ORIGINS and all(isinstance(part, str | int) for part in path):
                found[tuple(path)] = cast("Origin", origin)
    return found


def _read(path: Path, most: int) -> str | None:
    """The file's text; None where there is none, or none that we would have written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            raw = file.read(most + 1)
        return raw.decode() if len(raw) <= most else None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RackstrapError(f"the draft {path} cannot be read: {error}", "move it away, or choose another --state") from error
