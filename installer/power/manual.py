"""A machine without a usable BMC: Rackstrap says what to press, and a person presses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from installer.power.power import BootDevice, PowerState, PowerWish

PRESS: Final[dict[PowerWish, str]] = {
    "on": "switch {name} on",
    "off": "switch {name} off",
    "cycle": "switch {name} off and on again",
}
CHOOSE: Final[dict[BootDevice, str]] = {"pxe": "the network", "disk": "its disk"}


@dataclass(frozen=True, slots=True)
class Manual:
    """The power button of the machine that the operator knows as `name`."""

    name: str

    def get_power(self) -> PowerState:
        return "unknown"

    def set_power(self, wish: PowerWish) -> str:
        return PRESS[wish].format(name=self.name)

    def set_boot(self, device: BootDevice, uefi: bool) -> str:
        mode = "UEFI" if uefi else "BIOS"
        return f"make {self.name} boot from {CHOOSE[device]} ({mode}): boot menu or firmware setup"

    def identify(self, seconds: int) -> str:
        return (
            f"find {self.name} by its label: it has no lamp that Rackstrap can light" if seconds else f"{self.name} has no lamp"
        )
