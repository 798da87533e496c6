"""One installation as its stages see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.model.facts import FirmwareMode
from installer.model.orders import InstallSpec
from installer.node.identity import Identity
from installer.node.layout import VolumeIds
from installer.node.place import Installed

TARGET: Final = Path("/run/rackstrap/target")


@dataclass(frozen=True, slots=True)
class AsNode:
    """What makes an installed system a node that answers to an admin node; the admin node itself has none of it."""

    installed: Installed
    identity: Identity


@dataclass(frozen=True, slots=True)
class Job:
    """What is installed, as whom, and where the new root is mounted.

    `host_keys`: a folder whose SSH host keys are kept, so that whoever is logged in to the live system meets the same
    machine again; None: fresh ones are made.
    """

    spec: InstallSpec
    ids: VolumeIds
    firmware: FirmwareMode
    as_node: AsNode | None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: Path = TARGET
    host_keys: Path | None = None
