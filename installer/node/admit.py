"""Whether an install order is one that this node carries out at all: pure. Orders come from the network."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from installer.model.orders import InstallSpec

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
UNIT: Final = re.compile(r"[A-Za-z0-9_.-]+(@[A-Za-z0-9_.-]*)?\.(service|socket|timer|target|path|mount)")
CONSOLE: Final = re.compile(r"tty[A-Za-z]*\d{1,3}(,\d{3,7}[noe]?\d?r?)?|hvc\d")
DISK_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+@=#-]*")
HANDOVERS: Final = ("soft-reboot", "kexec", "reboot")
ESP_BYTES: Final = range(64 << 20, (4 << 30) + 1)
ROOT_MIN_BYTES: Final = 1 << 30


def check_spec(spec: InstallSpec) -> tuple[str, ...]:
    """Everything about it that is not admitted, in words; none when it may be carried out."""
    reasons = [*check_words(spec), *check_layout(spec)]
    reasons += [f"file {file.path!r} is no plain absolute path" for file in spec.files if not is_plain_path(file.path)]
    reasons += [f"file {file.path} has mode {file.mode!r}" for file in spec.files if not is_mode(file.mode)]
    return tuple(reasons)


def check_words(spec: InstallSpec) -> list[str]:
    """Names that end up in commands and files."""
    groups = (
        ("node name", LABEL, (spec.node,)),
        ("user", USER, spec.users),
        ("unit", UNIT, spec.enable),
        ("console", CONSOLE, spec.consoles),
        ("disk id", DISK_ID, tuple(disk.id for disk in spec.disks)),
    )
    reasons = [f"{what} {word!r} is not admitted" for what, grammar, words in groups for word in words if not fits(grammar, word)]
    if spec.handover not in HANDOVERS:
        reasons.append(f"hand-over {spec.handover!r} is unknown")
    return reasons


def fits(grammar: re.Pattern[str], word: object) -> bool:
    return isinstance(word, str) and grammar.fullmatch(word) is not None


def check_layout(spec: InstallSpec) -> list[str]:
    """Disks and sizes that an installation can have."""
    reasons: list[str] = []
    ids = [disk.id for disk in spec.disks]
    if len(ids) not in (1, 2) or len(set(ids)) != len(ids):
        reasons.append(f"an installation takes one disk, or two different ones for a mirror, not {len(ids)}")
    if not isinstance(spec.layout.esp_bytes, int) or spec.layout.esp_bytes not in ESP_BYTES:
        reasons.append(f"an ESP of {spec.layout.esp_bytes!r} bytes")
    root_bytes = spec.layout.root_bytes
    if not isinstance(root_bytes, int) or (root_bytes != 0 and root_bytes < ROOT_MIN_BYTES):
        reasons.append(f"a root of {root_bytes!r} bytes")
    return reasons


def is_plain_path(path: object) -> bool:
    """Absolute, spelled in one way only: no `..`, no `.`, no doubled slash, no NUL, and not a folder's name."""
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or "\0" in path or len(path) > 1024:
        return False
    pure = PurePosixPath(path)
    return str(pure) == path and ".." not in pure.parts and len(pure.parts) > 1


def is_mode(mode: object) -> bool:
    """Permission bits without set-uid, set-gid and sticky."""
    return isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= 0o777
