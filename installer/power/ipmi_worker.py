"""One IPMI call in a process of its own: a JSON object on stdin, one on stdout. See `ipmi`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, Final

from pyghmi import exceptions
from pyghmi.ipmi import command

# RAKP status texts of pyghmi (IPMI 2.0, table 13-15) that a new session cannot cure.
REFUSALS: Final = (
    "incorrect password",
    "unauthorized name",
    "invalid username length",
    "unauthorized role",
    "no cipher suite match",
    "insufficient privilege",
)
# Boot device selector: boot flags (parameter 5), data 2, bits 5:2 (IPMI 2.0, table 28-14).
SELECTORS: Final = {"pxe": ("network", 1), "disk": ("hd", 2)}


class StillOtherwiseError(Exception):
    """The BMC took the command, and what it then shows is something else."""


def run_call(bmc: Any, wish: dict[str, Any]) -> str:
    """Carry the call out. Raises pyghmi's exceptions, OSError, or StillOtherwiseError when reading back disagrees."""
    match wish["call"]:
        case "get_power":
            return str(bmc.get_power()["powerstate"])
        case "set_power":
            set_power(bmc, wish["wish"], wish["settle_s"])
        case "set_boot":
            set_boot(bmc, wish["device"], wish["uefi"])
        case "identify":
            bmc.set_identify(duration=wish["seconds"])
        case other:
            raise StillOtherwiseError(f"no such call: {other}")
    return ""


def set_power(bmc: Any, wish: str, settle_s: float) -> None:
    """`cycle` is not the chassis command of that name: many BMCs ignore it when the machine is off."""
    if wish in {"off", "cycle"}:
        switch(bmc, "off", settle_s)
    if wish in {"on", "cycle"}:
        switch(bmc, "on", settle_s)


def switch(bmc: Any, state: str, settle_s: float) -> None:
    if bmc.get_power()["powerstate"] == state:
        return
    bmc.set_power(state)
    until = time.monotonic() + settle_s
    while bmc.get_power()["powerstate"] != state:
        if time.monotonic() > until:
            raise StillOtherwiseError(f"the machine is not {state} {settle_s:g} s after the BMC accepted the command")
        time.sleep(0.5)


def set_boot(bmc: Any, device: str, uefi: bool) -> None:
    """Set the next boot's device and compare the selector that the BMC then holds.

    Only the selector: simulators and some BMCs answer the flags byte (valid, UEFI) as zero.
    """
    name, selector = SELECTORS[device]
    bmc.set_bootdev(name, uefiboot=uefi)
    held = bmc.raw_command(netfn=0, command=9, data=(5, 0, 0))
    if "error" in held:
        raise exceptions.IpmiException(held["error"])
    data = bytes(held["data"])
    if len(data) < 4 or (data[3] >> 2) & 15 != selector:
        raise StillOtherwiseError(f"the BMC accepted boot device {device} and then did not show it")


def make_answer(wish: dict[str, Any]) -> dict[str, Any]:
    """Log in, run the call, log out; every foreseen failure becomes an answer."""
    try:
        bmc = command.Command(wish["address"], wish["user"], wish["password"], port=wish["port"])
        value = run_call(bmc, wish)
        bmc.ipmi_session.logout()
    except (exceptions.PyghmiException, StillOtherwiseError, OSError) as error:
        reason = str(error) if str(error) not in {"", "None"} else "no answer to the login"
        return {"ok": False, "reason": reason, "final": any(word in reason.lower() for word in REFUSALS)}
    return {"ok": True, "value": value}


def main() -> None:
    wish = json.load(sys.stdin)
    signal.alarm(int(wish["attempt_s"]) + 1)  # also when the parent is gone and cannot end it
    json.dump(make_answer(wish), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # pyghmi's I/O thread would wait for ever


if __name__ == "__main__":
    main()
