"""The serving process: the application, dnsmasq, nginx and requests, in one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from installer.engine.journal import Journal
from installer.model.plan import AdminPlace
from installer.render.services import make_ra_prefix
from installer.serve.app import make_app
from installer.serve.daemons import Daemon, make_services
from installer.serve.desk import LOOK_EVERY_S, Desk
from installer.serve.interface import tuned
from installer.serve.loaders import save_loaders
from installer.serve.reports import render_known_hosts
from installer.serve.requests import carry_out

LOG: Final = logging.getLogger("rackstrap.serve")
READY: Final = "run/serve.ready"  # holds the process id while this process serves


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the whole process stops together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_serving(place: AdminPlace) -> None:
    """Serve until SIGTERM or SIGINT. The applied site file must be there; the caller holds the lock."""
    state = Path(place.state_dir)
    (state / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    save_loaders(Path(place.image_dir), state)
    with Journal(state / "store.db") as journal:
        asyncio.run(_serve(Desk(journal, place)))


async def _serve(desk: Desk) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config = uvicorn.Config(
        make_app(desk),
        uds=str(desk.state_dir / "run/agent.sock"),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    daemons = [Daemon(service, desk) for service in make_services(desk.state_dir)]
    prefix = make_ra_prefix(desk.site) if desk.site.services.dhcp == "own" else ""
    with tuned(desk.place.interface, prefix):
        tasks = [asyncio.create_task(server.serve()), asyncio.create_task(_look_after(desk))]
        tasks += [asyncio.create_task(daemon.keep()) for daemon in daemons]
        ready = desk.state_dir / READY
        try:
            while not server.started and not tasks[0].done():
                await asyncio.sleep(0.02)
            ready.write_text(f"{os.getpid()}\n", encoding="ascii")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.unlink(missing_ok=True)
            await _end(server, tasks)


async def _end(server: Server, tasks: list[asyncio.Task[None]]) -> None:
    """Stop everything; raise what ended this by itself."""
    server.should_exit = True
    for task in tasks[1:]:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


async def _look_after(desk: Desk) -> None:
    """Follow the journal: wake long polls, keep known_hosts, carry out requests."""
    under_way: dict[str, asyncio.Task[None]] = {}
    while True:
        desk.look()
        save_known_hosts(desk)
        for request, asked in list(desk.ledger.asked.items()):
            if request not in under_way:
                under_way[request] = asyncio.create_task(carry_out(desk, request, asked))
        for request in [request for request in under_way if request not in desk.ledger.asked]:
            await under_way.pop(request)
        await asyncio.sleep(LOOK_EVERY_S)


def save_known_hosts(desk: Desk) -> None:
    """Write known_hosts when it would differ."""
    path = desk.state_dir / "known_hosts"
    text = render_known_hosts(desk.ledger, desk.site.domain)
    if (path.read_text(encoding="ascii") if path.exists() else None) == text:
        return
    fresh = path.with_name(".known_hosts.new")
    fresh.write_text(text, encoding="ascii")
    fresh.replace(path)
