"""What is inside a Rackstrap ISO, for people and for programs. Secrets in its site area stay there."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from installer.medium.contents import Contents, load_contents
from installer.medium.gather import make_digest
from installer.medium.index import Extent, Index, load_extent, load_index
from installer.medium.shim import find_shim_version
from installer.model.problems import RackstrapError
from installer.site.load import parse_site

_IMAGE: Final = "/rackstrap"
_MANIFEST: Final = f"{_IMAGE}/manifest.json"
_LOCKS: Final = (f"{_IMAGE}/packages.lock", f"{_IMAGE}/packages-admin.lock")
_SHIM: Final = "/EFI/BOOT/BOOTX64.EFI"
_MOST_TEXT: Final = 4 << 20
_MOST_SHIM: Final = 16 << 20
_CHUNK: Final = 1 << 22
_WORD: Final = re.compile(r"[A-Za-z0-9.+~_-]{1,100}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the image. `is_right`: whether its SHA-256 is the manifest's; None: not looked at."""

    name: str
    size_bytes: int
    sha256: str
    is_right: bool | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """An ISO in a few words. `boots`: BIOS, UEFI; `shim`: its version, "" where there is none, and so no Secure Boot."""

    index: Index
    contents: Contents
    version: str
    kernel: str
    parts: tuple[Part, ...]
    packages: int
    shim: str


def load_summary(path: Path, *, is_verified: bool = False) -> Summary:
    """Read an ISO; `is_verified` reads every part of the image through. Raises RackstrapError for what is none of ours."""
    index = load_index(path)
    contents = load_contents(index)
    try:
        manifest = json.loads(load_extent(path, index.extent(_MANIFEST), _MOST_TEXT))
        version, kernel = _WORD.fullmatch(manifest["version"]), _WORD.fullmatch(manifest["kernel"])
        digests = {str(name): str(digest) for name, digest in manifest["sha256"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        version = kernel = None
        digests = {}
    if version is None or kernel is None or not all(map(_SHA256.fullmatch, digests.values())):
        raise RackstrapError(f"{path} has a damaged {_MANIFEST}", "copy or build the ISO again")
    parts = tuple(_load_part(index, name, digest, is_verified) for name, digest in sorted(digests.items()))
    packages = sum(_count_lines(index, name) for name in _LOCKS if name in index.files)
    shim = find_shim_version(load_extent(path, index.extent(_SHIM), _MOST_SHIM)) if _SHIM in index.files else ""
    return Summary(index, contents, version[0], kernel[0], parts, packages, shim)


def _load_part(index: Index, name: str, digest: str, is_verified: bool) -> Part:
    extent = index.extent(f"{_IMAGE}/{name}")
    return Part(name, extent.size, digest, make_sha256(index.path, extent) == digest if is_verified else None)


def make_sha256(path: Path, extent: Extent) -> str:
    """Hex SHA-256 of one file in the ISO."""
    digest, left = hashlib.sha256(), extent.size
    with path.open("rb") as file:
        file.seek(extent.begin)
        while left and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _count_lines(index: Index, name: str) -> int:
    lines = load_extent(index.path, index.extent(name), _MOST_TEXT).splitlines()
    return sum(bool(line.strip()) and not line.startswith(b"#") for line in lines)


def make_site_row(contents: Contents) -> dict[str, Any] | None:
    """What may be told about the site file inside; None where there is none."""
    if not contents.files:
        return None
    site = parse_site(contents.files["site.yaml"], "site.yaml").site
    erase: Any = site.erase if site else ""
    return {
        "name": site.name if site else "",
        "sha256": make_digest(contents.files),
        "erase": erase if isinstance(erase, str) else [entry.machine for entry in erase],
        "interactive": list(site.interactive) if site else [],
        "files": {name: len(content) for name, content in contents.files.items()},
    }


def make_row(summary: Summary) -> dict[str, Any]:
    """The summary as JSON: sizes in bytes, digests in hex."""
    index, contents = summary.index, summary.contents
    return {
        "label": index.label,
        "bytes": index.size,
        "medium": contents.id,
        "version": summary.version,
        "kernel": summary.kernel,
        "boots": {"BIOS": "BIOS" in index.boots, "UEFI": "UEFI" in index.boots, "shim": summary.shim, **_make_stick(index)},
        "packages": summary.packages,
        "parts": [
            {"name": part.name, "bytes": part.size_bytes, "sha256": part.sha256, "is_right": part.is_right}
            for part in summary.parts
        ],
        "site": make_site_row(contents),
        "words": list(contents.config.words),
        "is_unattended": contents.config.is_unattended,
    }


def _make_stick(index: Index) -> dict[str, bool]:
    return {"BIOS_stick": index.has_mbr, "UEFI_stick": index.has_gpt}


def render_summary(summary: Summary) -> str:
    """The summary in lines of at most 78 columns."""
    index, contents = summary.index, summary.contents
    rows = [
        ("version", f"{summary.version}, kernel {summary.kernel}"),
        ("medium", f"{contents.id}, label {index.label}, {_render_size(index.size)}"),
        ("boots", _render_boots(summary)),
        ("packages", f"{summary.packages} of Debian's, pinned by SHA-256"),
        *(("", _render_part(part)) if n else ("parts", _render_part(part)) for n, part in enumerate(summary.parts)),
        *render_contents(contents),
    ]
    return "\n".join(f"{title:<10}{text}" for title, text in rows)


def render_contents(contents: Contents) -> list[tuple[str, str]]:
    """What `rackstrap iso customize` changes, as titles and values."""
    row = make_site_row(contents)
    rows = [("site", "none: found at start, or typed in")]
    if row is not None:
        erase = row["erase"] if isinstance(row["erase"], str) else f"the disks listed for {len(row['erase'])} machines"
        rows = [
            ("site", row["name"] or "a file that this release cannot read"),
            ("sha256", row["sha256"]),
            ("erase", erase or "?"),
            ("asks for", ", ".join(row["interactive"]) or "nothing"),
            *(("", f"{_render_size(size):>9}  {name}") for name, size in row["files"].items()),
        ]
    words = [("words" if not n else "", word) for n, word in enumerate(contents.config.words)]
    menu = "opens the terminal UI, which asks first"
    if contents.config.is_unattended:
        menu = "installs unattended, unless another menu entry is chosen"
        if row is None and not contents.config.value("site"):
            rows = [("site", "none: from a volume labelled RACKSTRAP, or as DHCP names it")]
        if row is not None and row["erase"] == "no":
            menu = "starts unattended; erase: no lets it take no disk by itself"
    return [*rows, *words, ("default", menu)]


def _render_boots(summary: Summary) -> str:
    index = summary.index
    ways = [f"{way} ({'CD and USB stick' if is_stick else 'CD'})" for way, is_stick in (
        ("BIOS", index.has_mbr), ("UEFI", index.has_gpt)) if way in index.boots]  # fmt: skip
    if summary.shim and "UEFI" in index.boots:
        ways.append(f"Secure Boot (shim {summary.shim})")
    return ", ".join(ways) or "in no way that is known"


def _render_part(part: Part) -> str:
    told = {None: "", True: "  right", False: "  WRONG: not what was built"}[part.is_right]
    return f"{_render_size(part.size_bytes):>9}  {part.name:<20} {part.sha256[:16]}…{told}"


def _render_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB" if size >= 1e3 else f"{size} B"
