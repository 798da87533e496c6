"""The usual live system as Debian's own live images are: live-boot, live-config and their recommendations, console-setup."""

from __future__ import annotations

from typing import Final

from tests.baseline_discover import measure_live

LIVE: Final = (
    "console-setup",
    "keyboard-configuration",
    "live-boot",
    "live-config",
    "live-config-systemd",
    "live-tools",
    "locales",
    "sudo",
    "user-setup",
)


def measure() -> tuple[float, str]:
    """Seconds from power-on to the login prompt, and how it was measured."""
    return measure_live(LIVE)
