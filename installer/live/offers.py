"""The same places for somebody who sits there: what was found is offered, nothing is waited for, nothing is taken by itself.

`given.take` takes an offer in: its files are then in the state, and its problems known.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from installer.live.boot import find_boot
from installer.live.fetch import Limits
from installer.live.identity import find_identity
from installer.live.sources import Absent, Look, Places, Sighted, Wrong
from installer.model.problems import RackstrapError

WITHIN_S: Final = 3.0


def find_offers(places: Places | None = None, within_s: float = WITHIN_S) -> tuple[Sighted | Wrong, ...]:
    """Every site file that can be had, and every place where one is meant to be and cannot, in the order of design.md.

    Ends within `within_s` seconds: a place that says nothing by then is left out, its thread holds up nothing. Never raises.
    """
    if places is None:
        places = Places(find_boot(), find_identity(), limits=Limits(within_s=within_s))
    looks: list[Callable[[], Look]] = [places.look_at_volumes, places.look_at_area, places.look_at_leases]
    if "site" in places.boot.words:
        looks.insert(0, places.look_at_word)
    seen: queue.SimpleQueue[tuple[int, Look]] = queue.SimpleQueue()
    for number, look in enumerate(looks):
        threading.Thread(target=_look, args=(number, look, seen), name=f"offer-{number}", daemon=True).start()
    found: dict[int, Look] = {}
    ends_at = time.monotonic() + within_s
    while len(found) < len(looks) and (left := ends_at - time.monotonic()) > 0:
        try:
            number, one = seen.get(timeout=left)
        except queue.Empty:
            break
        found[number] = one
    return tuple(one for _, one in sorted(found.items(), key=lambda entry: entry[0]) if not isinstance(one, Absent))


def _look(number: int, look: Callable[[], Look], seen: queue.SimpleQueue[tuple[int, Look]]) -> None:
    try:
        seen.put((number, look()))
    except (RackstrapError, OSError) as error:
        seen.put((number, Wrong(str(error), getattr(error, "hint", ""))))
