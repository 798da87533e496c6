"""What this machine was given, looked at by a thread of its own: site files to go on from, and installations on its disks.

Only in the live system of the ISO. Nothing is mounted, nothing is written, nothing is taken by itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.model.facts import Disk, Machine
from installer.model.problems import RackstrapError
from installer.probe.settled import wait_settled
from installer.wizard.view import Continuing, OnDisk

if TYPE_CHECKING:
    from installer.admin.find import Installation
    from installer.live.sources import Sighted, Wrong

OFFER: Final = "offer:"
LEASES: Final = Path("/run/systemd/netif/leases")
LOOK_EVERY_S: Final = 2.0
WITHIN_S: Final = 3.0
WITHIN_LATER_S: Final = 15.0  # a slow machine's first request takes longer, and what lies on it was offered by then


class Around:
    """`offers` and `installed` are what was seen last; `number` grows when they have changed.

    Offers are looked for again whenever a DHCP server has answered: the network comes later than the first page.
    """

    def __init__(self, leases: Path = LEASES, look: Callable[[float], tuple[Sighted | Wrong, ...]] | None = None) -> None:
        self.offers: tuple[Sighted | Wrong, ...] = ()
        self.installed: tuple[Installation, ...] = ()
        self.number = 0
        self._leases: Final = leases
        self._look: Final = look
        threading.Thread(target=self._run, name="around", daemon=True).start()

    def _run(self) -> None:
        wait_settled(threading.Event())
        self.installed = find_installed()
        self.number += 1
        from installer.live.offers import find_offers

        look = self._look or (lambda within_s: find_offers(within_s=within_s))
        stamp, within_s = None, WITHIN_S
        while True:
            if (now := find_stamp(self._leases)) != stamp:
                stamp, offers, within_s = now, look(within_s), WITHIN_LATER_S
                if offers != self.offers:
                    self.offers = offers
                    self.number += 1
            time.sleep(LOOK_EVERY_S)

    def find_offer(self, target: str) -> Sighted:
        """The offer that a page names. Raises RackstrapError."""
        from installer.live.sources import Sighted

        source = target.removeprefix(OFFER)
        found = next((one for one in self.offers if isinstance(one, Sighted) and one.source == source), None)
        if found is None:
            raise RackstrapError("this site file is not there any more", "choose another")
        return found


def find_stamp(leases: Path) -> tuple[tuple[str, int], ...]:
    """Changes whenever networkd has a lease, another one, or one less."""
    try:
        with os.scandir(leases) as entries:
            return tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries))
    except OSError:
        return ()


def find_installed() -> tuple[Installation, ...]:
    """The installations of admin nodes on this machine's disks; none where that cannot be told."""
    from installer.admin.find import find_esps, find_installations, find_who

    try:
        return find_installations(find_esps(), find_who())[0]
    except (RackstrapError, OSError):
        return ()


def make_offered(offers: tuple[Sighted | Wrong, ...]) -> tuple[Continuing, ...]:
    """What may be gone on from. Files on volumes are offered one by one elsewhere."""
    from installer.live.sources import Sighted

    more = {"word": " (kernel line)"}
    found = [one for one in offers if isinstance(one, Sighted) and one.source != "volume"]
    return tuple(Continuing("offer", f"{one.says}{more.get(one.source, '')}", f"{OFFER}{one.source}") for one in found)


def make_warnings(offers: tuple[Sighted | Wrong, ...]) -> tuple[tuple[str, str], ...]:
    """Places where a site file is meant to be and cannot be taken: what is wrong, and what to do."""
    from installer.live.sources import Wrong

    return tuple((one.says, one.hint) for one in offers if isinstance(one, Wrong))


def make_on_disks(installed: tuple[Installation, ...], machine: Machine) -> tuple[OnDisk, ...]:
    """The installations with their disks called as on every page."""
    if not installed:
        return ()
    from installer.wizard.losses import name_disk  # late: the first page names no disk, but for these

    def name(disk: Disk | None, kernel: str) -> str:
        return name_disk(disk, machine) if disk is not None else kernel

    disks = {disk.name: disk for disk in machine.disks}
    return tuple(
        OnDisk(
            one.where.hostname,
            " and ".join(name(disks.get(esp.disk), esp.disk) for esp in one.esps),
            one.kind == "finished",
            one.where.stage,
            one.where.at,
            one.is_ours,
        )
        for one in installed
    )
