"""The SSH host keys of a node: made at installation, reported so that known_hosts can be written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from installer.node.programs import run_program

# RSA is left out: it takes seconds to make, and every client of the last ten years knows these.
KEY_TYPES: Final = ("ed25519", "ecdsa")


def make_host_keys(target: Path, node: str) -> tuple[str, ...]:
    """Fresh SSH host keys; their public lines without comment. Keys that came with the image are removed."""
    folder = target / "etc/ssh"
    for old in folder.glob("ssh_host_*_key*"):
        old.unlink()
    for kind in KEY_TYPES:
        path = folder / f"ssh_host_{kind}_key"
        run_program(("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{node}", "-f", str(path)))
    return load_host_keys(folder)


def keep_host_keys(target: Path, source: Path | None) -> tuple[str, ...]:
    """Take over the SSH host keys that are in `source`, with their modes; their public lines, none where there are none."""
    keys = sorted(source.glob("ssh_host_*_key")) if source is not None else []
    for key in keys:
        for path in (key, key.with_name(f"{key.name}.pub")):
            run_program(("install", "-m", "600" if path == key else "644", str(path), str(target / "etc/ssh" / path.name)))
    return load_host_keys(target / "etc/ssh") if keys else ()


def load_host_keys(folder: Path) -> tuple[str, ...]:
    """`type base64` of every public host key."""
    return tuple(" ".join(path.read_text(encoding="ascii").split()[:2]) for path in sorted(folder.glob("ssh_host_*_key.pub")))
