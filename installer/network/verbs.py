"""`rackstrap network show|set|renew|confirm|revert`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.model.problems import RackstrapError
from installer.serve.verbs import find_state_dir

if TYPE_CHECKING:
    from installer.model.facts import Nic
    from installer.network.state import NetworkState

WAYS: Final = {
    "show": "every port with its state, and what waits to be confirmed",
    "set": "give this machine the site's admin address; it goes back unless confirmed",
    "renew": "ask the DHCP server anew",
    "confirm": "keep what was set",
    "revert": "go back now",
}


def add_network(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_subparsers(dest="way", metavar="WAY", required=True)
    made = {way: ways.add_parser(way, help=help, description=f"{help[0].upper()}{help[1:]}.") for way, help in WAYS.items()}
    made["show"].add_argument("--json", action="store_true", help="print one JSON object")
    made["set"].add_argument("site", type=Path, metavar="SITE", help="the site file")
    made["set"].add_argument(
        "--confirm-within", type=parse_within, default=60.0, metavar="SECONDS", help="it goes back after this long (60)"
    )
    made["renew"].add_argument("nic", metavar="NIC", help="the port's name")
    # How `set` leaves its guard behind.
    made["revert"].add_argument("--unless-confirmed", action="store_true", help=argparse.SUPPRESS)
    for way in made.keys() - {"renew"}:
        made[way].add_argument("--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept")


def parse_within(text: str) -> float:
    """Seconds, from 1 to an hour. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 3600")
    return seconds


def run_network(args: argparse.Namespace) -> int:
    from installer.network import change

    if args.way == "show":
        print(_show(args))  # noqa: T201
        return 0
    if args.way == "set":
        said = _set(args)
    elif args.way == "renew":
        said = change.renew_dhcp(args.nic)
    elif args.way == "confirm":
        said = change.confirm_network(args.state)
    elif args.unless_confirmed:
        said = change.guard_network(args.state)
    else:
        said = change.revert_network(args.state)
    print(said)  # noqa: T201
    return 0


def _set(args: argparse.Namespace) -> str:
    from installer.engine.prepare import load_input
    from installer.network.change import set_network_of
    from installer.network.here import find_nics_here

    found = load_input(args.site)
    if found.site is None:
        raise RackstrapError(f"{args.site} has errors", f"rackstrap check {args.site}", exit_code=1)
    said = set_network_of(found.site, find_nics_here(found.site.admin.nics), args.state, args.confirm_within)
    return f"{said}\n  rackstrap network confirm"


def _show(args: argparse.Namespace) -> str:
    from installer.network.change import read_network
    from installer.network.here import find_nics_here

    state, nics = read_network(args.state), find_nics_here()
    if args.json:
        return json.dumps(_dump(state, nics))
    return "\n".join(render_network(state, nics, time.time()))


def render_network(state: NetworkState, nics: Sequence[Nic], now: float) -> list[str]:
    """A line for each port, then for each other link that has an address by networkd, then what waits or went back."""
    lines = [
        f"{nic.name:<15} {'up' if nic.has_link else 'no cable':<9} {nic.mac}  {state.methods.get(nic.name, '-'):<7}"
        f" {', '.join(nic.addresses) or '-'}"
        for nic in nics
    ]
    names = {nic.name for nic in nics}
    lines += [f"{name:<15} {'':<9} {'':<17}  {method}" for name, method in sorted(state.methods.items()) if name not in names]
    if state.confirm_by:
        left_s = max(0.0, state.confirm_by - now)
        lines.append(f"goes back by itself in {left_s:.0f} s unless confirmed: rackstrap network confirm")
    if state.last_revert:
        lines.append(state.last_revert)
    return lines


def _dump(state: NetworkState, nics: Sequence[Nic]) -> dict[str, object]:
    rows = [
        {
            "name": nic.name,
            "mac": nic.mac,
            "link": nic.has_link,
            "speed_mbps": nic.speed_mbps,
            "addresses": list(nic.addresses),
            "method": state.methods.get(nic.name),
            "switch": nic.lldp.switch if nic.lldp else "",
            "port": nic.lldp.port if nic.lldp else "",
        }
        for nic in nics
    ]
    return {"nics": rows, "methods": dict(state.methods), "confirm_by": state.confirm_by, "last_revert": state.last_revert}
