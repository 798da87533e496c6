"""What the verbs print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from installer.keep.backup import Made, render_size
from installer.keep.bundle import Bundle
from installer.keep.gather import BESIDE
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
    yield "Withdrawn: every consent to erase a disk, every order and request in it."
    yield "Next:"
    if manifest.site:
        yield "- Take the admin node that was backed up off the network: two with"
        yield f"  the address {manifest.address} would answer the same nodes."
        yield "- Give this machine that address:"
        yield f"    rackstrap network set {state}/site.yaml"
        yield "- Serve the nodes again:"
        yield "    rackstrap serve --detach"
        yield "- Go on with the rack; at once where the interface has another name here:"
        beside = f" --beside {state / BESIDE}" if (state / BESIDE).exists() else ""
        yield f"    rackstrap apply {state}/site.yaml{beside}"
    else:
        yield "- Go on: rackstrap tui"
    yield "A screen that was open still shows the old state: leave it, or"
    yield "    systemctl restart rackstrap-tui"
    if (state / "host").exists():
        yield f"- Its SSH host keys and network files are in {state}/host;"
        yield "  copy those you want to /etc, nothing did so by itself."


def render_support(bundle: Bundle, target: str) -> Iterator[str]:
    yield f"{target}: {len(bundle.members)} files, for whoever helps you"
    yield "In it: logs, journal, hardware, network, versions, site file, plan, events."
    yield "Taken out: passwords, hashes, passphrases, private keys, tokens in URLs."
    yield "Still in it: serial numbers, addresses, names and public keys."
    if bundle.missing:
        yield f"Not to be had ({len(bundle.missing)}; README.txt in it says why):"
        yield from textwrap.wrap(", ".join(name for name, _ in bundle.missing), 74, initial_indent="  ", subsequent_indent="  ")
