"""`rackstrap apply` over a simulated rack: the same engine and plan; behind the seam of effects nothing real is touched."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from installer.engine.aim import DISCOVERY, WHOLE
from installer.engine.apply import Applying
from installer.engine.heartbeat import Heartbeat
from installer.engine.hosts import LiveEffects
from installer.engine.journal import Journal
from installer.engine.lock import hold_lock
from installer.engine.outlets import JsonLines, Lines, Outlet
from installer.engine.prepare import Input, load_input, save_applied
from installer.engine.store import make_who
from installer.engine.verbs import find_first
from installer.lab.fleet import SLOW
from installer.lab.fleet_machine import SLOW_BMC_TRIES
from installer.model.events import Event, Happened
from installer.model.ledger import BmcEntry
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, WaitFor, WriteFile
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.power.power import BootDevice, PowerState, PowerWish
from installer.serve.verbs import find_image_dir
from installer.site.save import save_text
from installer.wizard.planning import PlaceFinder

NOTE: Final = " This was simulated: nothing real was touched."
RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SimulatedPower:
    """A BMC that answers at once, or only the third time."""

    address: str
    tries: dict[str, int]
    slow: str

    def get_power(self) -> PowerState:
        return "unknown"

    def set_power(self, wish: PowerWish) -> str:
        self.tries[self.address] = self.tries.get(self.address, 0) + 1
        if self.address == self.slow and self.tries[self.address] < SLOW_BMC_TRIES:
            raise RackstrapError(f"the BMC at {self.address} does not answer", "is its cable in?")
        return f"switched {wish}"

    def set_boot(self, device: BootDevice, uefi: bool) -> str:
        return f"next boot from {device}{' (UEFI)' if uefi else ''}"

    def identify(self, seconds: int) -> str:
        return f"lit for {seconds} s"


@dataclass(frozen=True, slots=True)
class SimulatedEffects:
    """What steps do: files are written below the state folder only, programs are not run; the fleet does the rest."""

    live: LiveEffects
    state: Path
    tries: dict[str, int] = field(default_factory=dict)

    async def write_file(self, action: WriteFile) -> None:
        if Path(action.path).is_relative_to(self.state):
            await self.live.write_file(action)

    async def run_command(self, action: RunCommand) -> None:
        del action

    async def set_power(self, action: SetPower, step: Step) -> None:
        await self.live.set_power(action, step)

    async def wait_for(self, action: WaitFor, step: Step) -> None:
        await self.live.wait_for(action, step)

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None:
        await self.live.order_node(action, step, attempt)

    async def play_role(self, action: PlayRole) -> None:
        await asyncio.sleep(1.0)
        del action


def make_effects(journal: Journal, heartbeat: Heartbeat, pool: ThreadPoolExecutor, state: Path) -> SimulatedEffects:
    tries: dict[str, int] = {}

    def make_power(entry: BmcEntry) -> SimulatedPower:
        # Read when a BMC is used: the fleet writes it before it tells of any BMC, perhaps after this process began.
        slow = (state / SLOW).read_text(encoding="ascii").strip() if (state / SLOW).exists() else ""
        return SimulatedPower(entry.address, tries, slow)

    return SimulatedEffects(LiveEffects(journal, heartbeat.waits, pool, make_power), state, tries)


def run_simulated(found: Input, site: Site, args: argparse.Namespace, outlet: Outlet, tell_begun: Callable[[], None]) -> int:
    """As engine.verbs.run_live, without preflight and serving. Returns the exit code."""
    state: Path = args.state.absolute()
    text = found.document.text
    with Journal(state / "store.db", make_who("apply")) as journal, ThreadPoolExecutor(8, "effects") as pool:
        save_text(state / "site.yaml", text)
        if not args.discover:
            save_applied(state, text, args.beside or args.site.absolute().parent)
        data = {"sha256": sha256(text.encode()).hexdigest(), "name": site.name}
        journal.append(Event(Happened.SITE_APPLIED, "admin", data), durable=True)
        journal.refresh()
        tell_begun()
        heartbeat = Heartbeat(journal)
        applying = Applying(
            site,
            found.roles,
            PlaceFinder(state, find_image_dir().absolute())(site),
            journal,
            heartbeat,
            make_effects(journal, heartbeat, pool, state),
            outlet,
            found.document,
            retry_s=RETRY_S / args.speed,
            note=NOTE,
            aim=DISCOVERY if args.discover else WHOLE,
        )
        return asyncio.run(applying.run())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fleet_apply", description="Carry a site file out over a simulated rack.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--discover", action="store_true")
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    outlet: Outlet = JsonLines() if args.json else Lines()
    try:
        found = load_input(args.site, args.beside)
        outlet.tell_problems(found.problems)
        if found.site is None:
            return 1
        with hold_lock(args.state.absolute(), "discover" if args.discover else "apply") as tell_begun:
            return run_simulated(found, found.site, args, outlet, tell_begun)
    except* (RackstrapError, OSError) as group:
        error = find_first(group)
        message, hint = (error.message, error.hint) if isinstance(error, RackstrapError) else (str(error), "")
        print(f"rackstrap: {message}", f"  {hint}", sep="\n", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
