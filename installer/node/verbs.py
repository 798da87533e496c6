"""`rackstrap agent`: what every node runs, live and installed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from installer.model.orders import Order, Stage
from installer.model.problems import RackstrapError
from installer.node.agent import Agent, find_machine, run_installed, run_live, start_agent
from installer.node.console import Console, Panel, load_dmi, make_console
from installer.node.orders import Drawer
from installer.node.place import INSTALLED_STATE, LIVE_STATE, Place, check_place, is_live, parse_cmdline, parse_installed
from installer.node.programs import run_program
from installer.node.report import load_own_address
from installer.node.result import Result
from installer.node.watch import load_signs

ORDERS: Final = "orders"


def add_agent(parser: argparse.ArgumentParser) -> None:
    """Options for trying it by hand; a booted node needs none, its kernel line says everything."""
    parser.add_argument("--once", action="store_true", help="stop after one order (live) or after the report (installed)")
    parser.add_argument("--admin", metavar="URL", help="the admin node: https://ADDRESS")
    parser.add_argument("--pin", metavar="SHA256", help="SHA-256 (hex) of the admin node's certificate")
    parser.add_argument("--mac", metavar="MAC", default="", help="MAC address of the NIC that this machine booted from")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="folder of this node's key (default: /run/rackstrap or /etc/rackstrap)"
    )


def run_agent(args: argparse.Namespace) -> int:
    """Run until stopped; with --once, 0 when the order was carried out, 4 when it failed."""
    console = make_console()
    console.panel = Panel(product=load_dmi("product_name"), serial=load_dmi("product_serial"))
    if args.admin or is_live():
        return run_as_live(args, console)
    return run_as_installed(args, console)


def run_as_live(args: argparse.Namespace, console: Console) -> int:
    """The discovery system, booted with rackstrap.admin= and rackstrap.pin= (or told by options)."""
    words = parse_cmdline(Path("/proc/cmdline").read_text(encoding="utf-8", errors="replace"))
    place = check_place(args.admin or words.get("admin", ""), args.pin or words.get("pin", ""), args.mac or words.get("mac", ""))
    state: Path = args.state or LIVE_STATE
    console.show(mac=place.mac, admin=place.admin)
    agent = make_agent(place, state, state / ORDERS, console)
    return run_live(agent, lambda order: carry_live(agent, order, place), leave_system, once=args.once)


def run_as_installed(args: argparse.Namespace, console: Console) -> int:
    """The installed system: everything is in node.json."""
    from installer.node.handover import leave_image

    state: Path = args.state or INSTALLED_STATE
    try:
        text = (state / "node.json").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        hint = "nothing was touched; nodes run this by themselves"
        raise RackstrapError(f"this machine is no node: there is no {state}/node.json", hint) from None
    installed = parse_installed(text)
    leave_image()
    console.show(name=installed.node, admin=installed.admin)
    agent = make_agent(installed.place, state, LIVE_STATE / ORDERS, console)
    return run_installed(agent, installed, load_own_address, lambda o: carry_simple(agent, o), leave_system, once=args.once)


def make_agent(place: Place, state: Path, orders: Path, console: Console) -> Agent:
    """An agent with its key made or loaded."""
    admin = start_agent(place, state, console)
    return Agent(admin, console, Drawer(orders), load_recording, load_signs)


def load_recording() -> Mapping[str, Any]:
    """Everything that the probe reads; its modules are imported only now, as they take a while to load."""
    from installer.probe.record import make_recording

    return make_recording()


def carry_live(agent: Agent, order: Order, place: Place) -> Result:
    """Carry out an order in the discovery system."""
    if order.kind != "install":
        return carry_simple(agent, order)
    if not is_live():
        return Result(False, "this is not the discovery system: nothing is installed from here")
    from installer.node.install import run_install

    def report(stage: Stage, percent: int, text: str) -> None:
        agent.report_progress(order, stage, percent, text)

    return run_install(order, find_machine(load_recording), agent.identity, place, report=report)


def carry_simple(agent: Agent, order: Order) -> Result:
    """Carry out what any node can do. Power is switched only after the result has been heard: see leave_system."""
    if order.kind == "identify":
        from installer.node.light import run_light

        return run_light(agent.admin.place.mac)
    if order.kind == "probe":
        agent.ask_known(lambda: agent.admin.post("/agent/recording", {"recording": load_recording()}))
        return Result(True)
    if order.kind in ("reboot", "poweroff"):
        return Result(True)
    return Result(False, f"this node does not carry out {order.kind!r}")


def leave_system(order: Order, result: Result) -> None:
    """What an accepted result is followed by: the hand-over, a reboot, power off. Otherwise nothing."""
    if not result.ok:
        return
    if order.kind == "install" and order.install is not None:
        from installer.node.handover import hand_over

        hand_over(order.install.handover)
    elif order.kind in ("reboot", "poweroff"):
        run_program(("systemctl", "--no-block", order.kind))
        time.sleep(120)
