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
class Job:
    """What is installed, as whom, and where the new root is mounted."""

    spec: InstallSpec
    ids: VolumeIds
    firmware: FirmwareMode
    installed: Installed
    identity: Identity
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: Path = TARGET
