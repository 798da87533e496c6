"""dnsmasq and nginx: started on the files that a plan writes, watched, started again, and ended with this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.model.events import Event, Happened
from installer.render.services import make_digest
from installer.serve.desk import Desk

LOG: Final = logging.getLogger("rackstrap.serve")
LOOK_EVERY_S: Final = 0.2
READY_WITHIN_S: Final = 10.0
SETTLED_AFTER_S: Final = 0.2
STOP_WITHIN_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
HEALTHY_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """One program. `files` are what its digest covers; of those, `rereads` need only a SIGHUP.

    `check` must exit with 0 before the program is started or changed; `pid_file` shows that it is up; `output` takes
    what it prints.
    """

    name: str
    start: tuple[str, ...]
    check: tuple[str, ...]
    files: tuple[Path, ...]
    rereads: frozenset[Path]
    pid_file: Path
    output: Path


def make_services(state_dir: Path) -> tuple[Service, Service]:
    """dnsmasq and nginx, as root without most of root's power, ended by the kernel when this process ends."""
    run = state_dir / "run"
    dnsmasq, nginx = run / "dnsmasq.conf", run / "nginx.conf"
    hosts, grub = run / "hosts", state_dir / "tftp/grub/grub.cfg"
    web = ("nginx", "-p", str(run), "-c", str(nginx), "-e")
    return (
        Service(
            "dnsmasq",
            (
                *_confine("net_bind_service", "net_raw", "net_admin", "setgid"),
                "dnsmasq",
                "--keep-in-foreground",
                f"--conf-file={dnsmasq}",
            ),
            ("dnsmasq", "--test", f"--conf-file={dnsmasq}"),
            (dnsmasq, hosts, grub),
            frozenset({hosts, grub}),
            run / "dnsmasq.pid",
            run / "dnsmasq.out",
        ),
        Service(
            "nginx",
            (*_confine("net_bind_service", "setuid", "setgid"), *web, str(run / "nginx-error.log")),
            (*web, "stderr", "-t", "-q"),
            (nginx,),
            frozenset(),
            run / "nginx.pid",
            run / "nginx.out",
        ),
    )


def _confine(*capabilities: str) -> tuple[str, ...]:
    # dac_read_search: the image may lie below a home directory that is closed to others, root included without it.
    bounding = ",".join(["-all", "+dac_read_search", *(f"+{name}" for name in capabilities)])
    return ("setpriv", "--pdeathsig", "TERM", "--no-new-privs", "--inh-caps", "-all", "--bounding-set", bounding, "--")


class Daemon:
    """One service kept running on its files."""

    def __init__(self, service: Service, desk: Desk) -> None:
        self.service: Final = service
        self.desk: Final = desk
        self._process: asyncio.subprocess.Process | None = None
        self._refused = ""  # digest of the files that `check` refused last
        self._pause_s = FIRST_PAUSE_S

    async def keep(self) -> None:
        """Run until cancelled; then stop the program and say so."""
        try:
            while True:
                files = load_files(self.service)
                if files is None or make_digest(files) == self._refused or not await self._is_sound(files, running=None):
                    await asyncio.sleep(LOOK_EVERY_S)
                    continue
                await self._run(files)
        finally:
            if self._process is not None:
                await self._stop()
                self._post(Happened.SERVICE_STOPPED, reason="rackstrap serve has ended")

    async def _run(self, files: Mapping[str, str]) -> None:
        started_at = time.monotonic()
        self._process = await self._spawn()
        problem = await self._find_start_problem()
        if not problem:
            self._post(Happened.SERVICE_STARTED, digest=make_digest(files))
            problem = await self._watch(files)
        await self._stop()
        self._process = None
        if not problem:
            return
        self._post(Happened.SERVICE_STOPPED, reason=problem)
        if time.monotonic() - started_at > HEALTHY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _watch(self, files: Mapping[str, str]) -> str:
        """Until it ends by itself (why), or its files ask for a new start ("")."""
        process = self._process
        assert process is not None  # noqa: S101
        while process.returncode is None:
            await asyncio.sleep(LOOK_EVERY_S)
            new = load_files(self.service)
            if new is None or new == files or make_digest(new) == self._refused:
                continue
            if {Path(path) for path in new if new[path] != files.get(path)} <= self.service.rereads:
                process.send_signal(signal.SIGHUP)
                self._post(Happened.SERVICE_STARTED, digest=make_digest(new))
                files = new
            elif await self._is_sound(new, running=files):
                return ""
        return f"it ended with {process.returncode}: {load_last_line(self.service.output)}"

    async def _is_sound(self, files: Mapping[str, str], running: Mapping[str, str] | None) -> bool:
        """Whether the program itself accepts these files; when not, it is told once and what runs goes on running."""
        process = await asyncio.create_subprocess_exec(
            *self.service.check,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode == 0:
            self._refused = ""
            return True
        self._refused = make_digest(files)
        reason = f"it refuses its configuration: {find_last_line(output.decode(errors='replace'))}"
        self._post(Happened.SERVICE_STOPPED, reason=f"{reason}; it still runs on the one before" if running else reason)
        if running is not None:
            self._post(Happened.SERVICE_STARTED, digest=make_digest(running))
        return False

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.service.pid_file.unlink(missing_ok=True)
        with self.service.output.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *self.service.start,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _find_start_problem(self) -> str:
        process = self._process
        assert process is not None  # noqa: S101
        ends_at = time.monotonic() + READY_WITHIN_S
        while process.returncode is None and time.monotonic() < ends_at:
            if is_written_by(self.service.pid_file, process.pid):
                # Written once the ports are bound; dnsmasq has a few steps left that can fail.
                await asyncio.sleep(SETTLED_AFTER_S)
                if process.returncode is None:
                    return ""
            await asyncio.sleep(0.02)
        if process.returncode is None:
            return f"it did not come up within {READY_WITHIN_S:.0f} s"
        return f"it ended with {process.returncode}: {load_last_line(self.service.output)}"

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                LOG.warning("%s does not end; killed", self.service.name)
        # What is left of its group: itself, or workers that outlived it and still hold its ports.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def _post(self, kind: Happened, **data: str) -> None:
        LOG.info("%s: %s %s", self.service.name, kind, data)
        self.desk.journal.append(Event(kind, "admin", {"name": self.service.name, **data}))


def load_files(service: Service) -> dict[str, str] | None:
    """Path → text of the service's files; None until all are there."""
    try:
        return {str(path): path.read_text(encoding="utf-8") for path in service.files}
    except FileNotFoundError:
        return None


def is_written_by(pid_file: Path, pid: int) -> bool:
    try:
        return pid_file.read_text(encoding="ascii").strip() == str(pid)
    except FileNotFoundError:
        return False


def load_last_line(path: Path) -> str:
    return find_last_line(path.read_text(encoding="utf-8", errors="replace"))


def find_last_line(text: str) -> str:
    """The last line that says something, at most 300 characters of it."""
    return next((line.strip()[:300] for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")
