"""Where the admin ISO's own programs and units lie in this repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
OVERLAY: Final = ROOT / "iso/overlay"
LIBEXEC: Final = OVERLAY / "usr/libexec"
GENERATOR: Final = OVERLAY / "usr/lib/systemd/system-generators/rackstrap-console-generator"
