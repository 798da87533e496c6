"""All checks at once, each with a deadline: what is dead keeps nothing else waiting."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from installer.model.problems import RackstrapError
from installer.preflight.check import Check
from installer.preflight.segment_checks import check_address, check_dhcp_servers, check_gateway, check_link, check_mtu
from installer.preflight.server_checks import check_dns, check_ntp
from installer.preflight.target import Target

Looks = Callable[[Target, float], Check]
WITHIN_S: Final = 5.0  # a DHCP server may ping an address for 3 s before it offers it
REST_S: Final = 0.3  # what a check may need beside its waiting
# How each check is made, and for how many seconds it may wait for answers; they are shown in this order.
CHECKS: Final[Mapping[str, tuple[Looks, float]]] = {
    "link": (check_link, 0.0),
    "dhcp": (check_dhcp_servers, WITHIN_S - REST_S),
    "address": (check_address, 1.2),
    "gateway": (check_gateway, 1.2),
    "dns": (check_dns, 2.0),
    "ntp": (check_ntp, 2.4),
    "mtu": (check_mtu, 1.2),
}


def run_checks(
    target: Target,
    within_s: float = WITHIN_S,
    names: Collection[str] = tuple(CHECKS),
    told: Callable[[Check], object] | None = None,
) -> tuple[Check, ...]:
    """The checks of these names in the order of CHECKS, within `within_s` seconds; `told` hears of each as it is known.

    A check that does not end in time is a warning; its thread is left behind and holds up nothing, not even the end of
    this process. Raises nothing that a machine or a server can cause.
    """
    results: queue.SimpleQueue[Check] = queue.SimpleQueue()
    for name in CHECKS:
        if name in names:
            threading.Thread(target=_look, args=(name, target, within_s, results), name=f"check-{name}", daemon=True).start()
    found: dict[str, Check] = {}
    ends_at = time.monotonic() + within_s
    while len(found) < len(names) and (left := ends_at - time.monotonic()) > 0:
        try:
            check = results.get(timeout=left)
        except queue.Empty:
            break
        found[check.name] = check
        if told is not None:
            told(check)
    late = f"no result within {within_s:.0f} s"
    return tuple(found.get(name, Check(name, "warn", late, "look again")) for name in CHECKS if name in names)


def _look(name: str, target: Target, within_s: float, results: queue.SimpleQueue[Check]) -> None:
    looks, for_s = CHECKS[name]
    try:
        results.put(looks(target, min(for_s, within_s - REST_S)))
    except PermissionError:
        results.put(Check(name, "warn", "not looked: only root may", "run this as root"))
    except OSError as error:
        results.put(Check(name, "warn", f"not looked: {os.strerror(error.errno or 0).lower()}", "look again"))
    except RackstrapError as error:
        results.put(Check(name, "warn", f"not looked: {error.message}", error.hint or "look again"))
