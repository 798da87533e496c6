"""What the verbs print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from installer.keep.backup import Made, render_size
from installer.keep.restore import Restored


def render_backup(made: Made, target: str) -> Iterator[str]:
    manifest = made.manifest
    what = f"site {manifest.site}" if manifest.site else "a state without an applied site"
    yield f"{target}: {what}, {len(manifest.members)} files, {render_size(manifest.bytes)}"
    yield "It opens with its passphrase only: keep that somewhere else."
    for text in made.left_out:
        yield f"not in it: {text}"


def render_restored(restored: Restored, state: Path) -> Iterator[str]:
    """What was restored, and what to do next."""
    manifest = restored.manifest
    what = f"site {manifest.site}" if manifest.site else "a state without an applied site"
    yield f"restored into {state}: {what}, as of {manifest.made_at} (release {manifest.release})"
    if restored.aside is not None:
        yield f"What was there before is kept in {restored.aside}"
    yield "Next:"
    if manifest.site:
        yield "- Take the admin node that was backed up off the network: two with"
        yield f"  the address {manifest.address} would answer the same nodes."
        yield f"- Give this machine that address: rackstrap network set {state}/site.yaml"
        yield "- Serve the nodes again: rackstrap serve --detach"
        yield f"- Go on with the rack: rackstrap apply {state}/site.yaml"
        yield "  (needed at once where this machine's interface has another name)"
    else:
        yield "- Go on: rackstrap tui"
    if (state / "host").exists():
        yield f"- Its SSH host keys and network files are in {state}/host;"
        yield "  copy those you want to /etc, nothing did so by itself."
