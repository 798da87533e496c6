"""The live world: what each action really does, on this machine, to BMCs and to nodes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.engine.conditions import is_met
from installer.engine.effects import Condition, Facts, StepError, commit, tell_wait
from installer.engine.ordering import Patience, run_order
from installer.engine.waits import Waits
from installer.model.events import Event, Happened
from installer.model.ledger import BmcEntry
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, WaitFor, WriteFile
from installer.power import Power

LAST_WORDS_BYTES: Final = 400


@dataclass(frozen=True, slots=True)
class LiveEffects:
    """Blocking work goes to `pool`, whose size bounds how much happens at once. `make_power` gives a BMC's power."""

    facts: Facts
    waits: Waits
    pool: ThreadPoolExecutor
    make_power: Callable[[BmcEntry], Power]
    patience: Patience = field(default_factory=Patience)

    async def write_file(self, action: WriteFile) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self.pool, save_atomically, Path(action.path), action.text.encode(), action.mode)
        except OSError as error:
            raise StepError(f"cannot write {action.path}: {error.strerror}") from error

    async def run_command(self, action: RunCommand) -> None:
        await run_program(action.argv)

    async def set_power(self, action: SetPower, step: Step) -> None:
        """Journalled before it is done, so that serving expects the machine's next enrolment."""
        entry = self.facts.ledger.bmcs.get(action.bmc) or BmcEntry(action.bmc)
        power = self.make_power(entry)
        host = self.facts.known.behind.get(action.bmc, f"bmc {action.bmc}")
        data = {"bmc": action.bmc, "power": action.power, "boot": action.boot}
        await commit(self.facts, Event(Happened.POWER_SET, host, data))
        said = await asyncio.get_running_loop().run_in_executor(self.pool, switch_power, power, action)
        if action.bmc.startswith("manual:"):
            tell_wait(self.facts, step, f"a person: {said}")

    async def wait_for(self, action: WaitFor, step: Step) -> None:
        if not is_met(action, self.facts.known):
            tell_wait(self.facts, step, action.says)
            await self.until(lambda known: is_met(action, known))

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None:
        await run_order(action, step, attempt, self)

    async def play_role(self, action: PlayRole) -> None:
        raise StepError(f"this release cannot converge the role {action.role} yet", is_final=True)

    async def until(self, condition: Condition) -> None:
        await self.waits.until(condition, self.facts.known)


def save_atomically(path: Path, content: bytes, mode: int) -> None:
    """Write beside the file, sync, rename over it, sync the folder: a reader sees the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode & 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(handle, mode)
        file.flush()
        os.fsync(handle)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def run_program(argv: tuple[str, ...]) -> None:
    """Run to its end; it dies with the step. Raises StepError with the last of what it said."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise StepError(f"cannot run {argv[0]}: {error.strerror}") from error
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StepError(f"{argv[0]} ended with {process.returncode}: {said[-LAST_WORDS_BYTES:].decode(errors='replace').strip()}")


def switch_power(power: Power, action: SetPower) -> str:
    """Boot device first, then power. Returns what was done, or what a person has to press."""
    said = []
    if action.boot:
        said.append(power.set_boot(action.boot, action.uefi))
    said.append(power.set_power(action.power))
    return ", then ".join(said)
