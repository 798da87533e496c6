"""What anything that switches a machine can do, whichever way it does it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from installer.model.ledger import BmcEntry
from installer.model.problems import RackstrapError

PowerState = Literal["on", "off", "unknown"]
PowerWish = Literal["on", "off", "cycle"]
BootDevice = Literal["pxe", "disk"]


class Power(Protocol):
    """One machine's power. Every method is safe from any thread and raises RackstrapError when it cannot be done.

    Methods that change something return a line for the operator: what was done, or what a person has to press.
    """

    def get_power(self) -> PowerState: ...

    def set_power(self, wish: PowerWish) -> str:
        """Switch and read back. `cycle` is off and on again, or on where it was off."""
        ...

    def set_boot(self, device: BootDevice, uefi: bool) -> str:
        """Choose the device of the next boot only, and read it back."""
        ...

    def identify(self, seconds: int) -> str:
        """Light the identify lamp for 1 to 255 seconds; 0 puts it out."""
        ...


def make_power(entry: BmcEntry, base_dir: Path) -> Power:
    """The power of the machine behind this BMC. A relative `entry.secret` is looked for in `base_dir`.

    An address `manual:NAME` is a machine whose button a person presses.
    """
    if entry.address.startswith("manual:"):
        from installer.power.manual import Manual

        return Manual(entry.address.removeprefix("manual:"))
    from installer.power.ipmi import Ipmi

    if not entry.secret:
        hint = "give its password: rackstrap bmc import --ask-password, or a CSV of serial,address,user,secret"
        raise RackstrapError(f"the BMC at {entry.address} has no credentials", hint)
    return Ipmi(entry.address, entry.user, base_dir / entry.secret)
