"""`rackstrap lab …`: a virtual rack to try Rackstrap on."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from installer.lab.home import Home, find_base, find_home, make_home
from installer.model.problems import RackstrapError

if TYPE_CHECKING:
    from installer.lab.rack import RackMachine

DEMO = Path(__file__).parent / "demo.yaml"


def add_lab(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="lab_verb", metavar="WHAT", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--dir", type=Path, metavar="DIR", help="the rack's folder (default: RACKSTRAP_LAB, or the only rack in build/lab)"
    )
    up = _add(verbs, where, "up", "set a rack up; its machines stay off")
    up.add_argument("file", metavar="FILE", nargs="?", type=Path, default=DEMO, help="YAML file (default: two blank machines)")
    up.add_argument("--fresh", action="store_true", help="with blank disks and fresh NVRAM (never the file's own images)")
    up.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto", help="auto: KVM where a kernel boots under it")
    run = _add(verbs, where, "run", "run a command inside the rack's network")
    run.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND …",
        help="it becomes this process: input, output and exit code are its own",
    )
    _add(verbs, where, "down", "switch everything off and remove the namespace; disks and logs stay")
    status = _add(verbs, where, "status", "show what is on")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    console = _add(verbs, where, "console", "attach to a machine's serial console; Ctrl-] leaves")
    console.add_argument("node", metavar="NODE", help="a machine's name in the rack's file")
    console.add_argument("--log", action="store_true", help="print what it has said so far")
    console.add_argument("--at", choices=("hvc0", "ttyS1"), default="", help="a console beside ttyS0 that the file gives it")
    power = _add(verbs, where, "power", "press a machine's power button")
    power.add_argument("node", metavar="NODE", help="a machine's name in the rack's file")
    power.add_argument("what", choices=("on", "off", "cycle", "pull", "status"), help="pull: kill it as if unplugged")
    screen = _add(verbs, where, "screen", "save a picture of a machine's screen")
    screen.add_argument("node", metavar="NODE", help="a machine's name in the rack's file")
    screen.add_argument("file", metavar="FILE", type=Path, help="PNG file")


def _add(verbs: Any, where: argparse.ArgumentParser, name: str, says: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, parents=[where], help=says, description=f"{says[0].upper()}{says[1:]}."
    )
    return parser


def run_lab(args: argparse.Namespace) -> int:
    return {
        "up": _run_up,
        "run": _run_run,
        "down": _run_down,
        "status": _run_status,
        "console": _run_console,
        "power": _run_power,
        "screen": _run_screen,
    }[args.lab_verb](args)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _find_machine(home: Home, name: str) -> RackMachine:
    rack = home.load()
    machine = rack.machine(name)
    if machine is None:
        names = ", ".join(machine.name for machine in rack.machines)
        raise RackstrapError(f"the rack has no machine {name}", f"it has: {names}")
    return machine


def _run_up(args: argparse.Namespace) -> int:
    from installer.lab.accel import find_accel, find_kernel
    from installer.lab.rack_file import load_rack
    from installer.lab.up import Host, find_qemu_version, run_up

    home = make_home(args.dir or find_base() / load_rack(args.file).name)
    version = find_qemu_version()
    image = Path(os.environ.get("RACKSTRAP_IMAGE", find_base().parent / "image"))
    accel = find_accel(find_kernel(image), home.folder.parent / "kvm.json") if args.accel == "auto" else args.accel
    rack = run_up(home, args.file, Host(accel, version), args.fresh)
    _say(f"rack {rack.name} is up in {home.folder} ({accel}); its machines are off")
    _say(f"inside its network: rackstrap lab run --dir {home.folder} -- COMMAND")
    return 0


def _run_run(args: argparse.Namespace) -> int:
    """Becomes the command: signals, input, output and exit code are its own."""
    from installer.lab.netns import find_namespace, make_inside

    home = find_home(args.dir)
    name = (home.find_claim() or ("", 0))[0]
    if not name or not home.has_claim(name, find_namespace(name)):
        raise RackstrapError(f"the rack in {home.folder} is not up", f"rackstrap lab up [FILE] --dir {home.folder}")
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not words:
        raise RackstrapError("no command given", "rackstrap lab run -- COMMAND …")
    argv = make_inside(name, words)
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606


def _run_down(args: argparse.Namespace) -> int:
    from installer.lab.up import run_down

    home = find_home(args.dir)
    strangers = run_down(home)
    _say(f"the rack in {home.folder} is down; its disks and logs are still there")
    if strangers:
        _say(f"processes that the lab did not start are still in its network: {' '.join(map(str, strangers))}")
    return 0


def _run_status(args: argparse.Namespace) -> int:
    from installer.lab.up import find_status

    status = find_status(find_home(args.dir))
    if args.json:
        _say(json.dumps(status))
        return 0
    _say(f"{status['name']}  {'up' if status['up'] else 'down'}  admin {status['admin']}  {status['dir']}")
    for row in status["machines"]:
        _say(
            f"  {row['name']:<12} {row['power']:<4} {row['firmware']:<12} bmc {row['bmc'] or 'none':<16} {' '.join(row['macs'])}"
        )
    return 0


def _run_console(args: argparse.Namespace) -> int:
    from installer.lab.console import run_console

    home = find_home(args.dir)
    machine = _find_machine(home, args.node)
    if args.at and args.at not in machine.consoles:
        raise RackstrapError(f"{machine.name} has no console {args.at}", f"give it one in the rack's file: consoles: [{args.at}]")
    log = home.machine(machine.name) / f"{args.at}.log" if args.at else home.console_log(machine.name)
    if args.log:
        sys.stdout.buffer.write(log.read_bytes())
        return 0
    return run_console(home.machine(machine.name), log, args.at or "console")


def _run_power(args: argparse.Namespace) -> int:
    """The front panel: straight to the chassis, whether there is a BMC or not."""
    from installer.lab.front import run_button

    home = find_home(args.dir)
    machine = _find_machine(home, args.node)
    _say(f"{machine.name} is {run_button(home, home.load(), machine, args.what)}")
    return 0


def _run_screen(args: argparse.Namespace) -> int:
    from installer.lab.qmp import run_qmp

    home = find_home(args.dir)
    machine = _find_machine(home, args.node)
    path = home.machine(machine.name) / "qmp.sock"
    run_qmp(path, "screendump", filename=str(args.file.absolute()), format="png")
    return 0
