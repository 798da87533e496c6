"""A machine's front panel and its plug, pressed and pulled from the host."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

from installer.lab.chassis import find_machine, run_power_off
from installer.lab.home import CHECKOUT, Home
from installer.lab.netns import make_inside
from installer.lab.rack import Rack, RackMachine
from installer.model.problems import RackstrapError

Button = Literal["on", "off", "cycle", "pull", "status"]


def run_button(home: Home, rack: Rack, machine: RackMachine, button: Button) -> str:
    """Press it; "on" or "off" as the machine then is. Raises RackstrapError when it does not start."""
    folder = home.machine(machine.name)
    if button == "pull":
        run_power_off(folder, grace_s=0)
    if button in {"off", "cycle"}:
        run_power_off(folder)
    if button in {"on", "cycle"}:
        control = [sys.executable, "-m", "installer.lab.chassis", str(folder), "chassis", "set", "power", "1"]
        inside = make_inside(rack.name, control)
        done = subprocess.run(inside, capture_output=True, text=True, check=False, cwd=CHECKOUT)
        if done.returncode:
            said = (folder / "qemu.log").read_text(errors="replace")[-500:] if (folder / "qemu.log").exists() else done.stderr
            raise RackstrapError(f"{machine.name} does not start: {said.strip()}", "is the rack up? rackstrap lab status")
    return "on" if find_machine(folder) else "off"
