"""The chassis behind a simulated BMC: ipmi_sim runs `bmc chassis|lan get|set WORD…` for what it is asked.

ipmi_sim waits for the answer, so this starts quickly: standard library only. What it calls and the words are in
ipmi_lan(5) and OpenIPMI's lanserv (bmc_chassis.c, lanserv_ipmi.c): `get power boot` answers `power:1`, `boot:pxe`.
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from installer.lab.processes import Process, is_running, load_processes, run_detached, run_stop, save_processes
from installer.lab.qmp import run_qmp
from installer.model.problems import RackstrapError

START_S = 15.0


def find_machine(folder: Path) -> Process | None:
    """The running QEMU of the machine with this folder."""
    return next((process for process in load_processes(folder / "qemu.pid") if is_running(process)), None)


def run_power_on(folder: Path) -> bool:
    """Start the machine and use its boot flag up, as a BMC does. True when it runs."""
    if find_machine(folder):
        return True
    spec: dict[str, Any] = json.loads((folder / "machine.json").read_text())
    flag = folder / "boot"
    first = "disk" if flag.exists() and flag.read_text().strip() == "default" else "network"
    (folder / "qmp.sock").unlink(missing_ok=True)
    process = run_detached(spec["argv"][first], folder / "qemu.log", "qemu")
    save_processes(folder / "qemu.pid", [process] if process else [])
    until = time.monotonic() + START_S
    while process and is_running(process) and time.monotonic() < until:
        if not spec["qmp"] or is_answering(folder / "qmp.sock"):
            flag.unlink(missing_ok=True)
            return True
        time.sleep(0.02)
    return False


def is_answering(path: Path) -> bool:
    """Whether QEMU carries commands out on its QMP socket. It greets there before it has made its devices."""
    try:
        run_qmp(path, "query-status")
    except RackstrapError:
        return False
    return True


def run_power_off(folder: Path, grace_s: float = 5.0) -> bool:
    """Cut the power: the guest is not asked. `grace_s` is for QEMU itself to close its files."""
    process = find_machine(folder)
    if process:
        run_stop(process, grace_s)
    return find_machine(folder) is None


def run_set(folder: Path, name: str, value: str) -> bool:
    """Carry one setting out; False for what this chassis cannot do."""
    match name:
        case "power":
            return run_power_on(folder) if value == "1" else run_power_off(folder)
        case "reset":
            return run_power_off(folder) and run_power_on(folder)
        case "boot":
            (folder / "boot").write_text(value + "\n")
        case "identify":
            (folder / "identify").write_text(value + "\n")
        case _:
            return False
    return True


def run_get(folder: Path, names: Sequence[str]) -> list[str]:
    """One `name:value` for each name; KeyError for one that this chassis does not know."""
    flag = folder / "boot"
    values = {
        "power": str(int(find_machine(folder) is not None)),
        "boot": flag.read_text().strip() if flag.exists() else "none",
    }
    return [f"{name}:{values[name]}" for name in names]


def get_lan(folder: Path, names: Sequence[str]) -> list[str]:
    """The BMC's own address as the guest reads it over KCS."""
    lan: dict[str, str] = json.loads((folder / "machine.json").read_text())["lan"]
    return [f"{name}:{lan.get(name, '00:00:00:00:00:00' if 'mac' in name else '0.0.0.0')}" for name in names]


def main(argv: Sequence[str]) -> int:
    folder, part, verb, words = Path(argv[0]), argv[1], argv[2], argv[3:]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if verb == "get":
            print("\n".join(get_lan(folder, words) if part == "lan" else run_get(folder, words)))  # noqa: T201
            return 0
        if part == "lan" or verb != "set" or len(words) % 2:
            return 1
        return 0 if all(run_set(folder, name, value) for name, value in zip(words[::2], words[1::2], strict=True)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
