"""Orders and how they ended. An order that was carried out before is answered with its stored result, never again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from installer.model.orders import Order
from installer.node.result import Result

Carry = Callable[[Order], Result]


@dataclass(frozen=True, slots=True)
class Drawer:
    """Where results lie: one file per order, in memory, so that they last as long as this boot."""

    folder: Path

    def _path(self, order_id: str, kind: str) -> Path:
        return self.folder / f"{hashlib.sha256(order_id.encode()).hexdigest()[:32]}.{kind}"

    def load(self, order_id: str) -> Result | None:
        """The stored result of an order, or None; a damaged one counts as none."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            raw: Any = json.loads(self._path(order_id, "result").read_text(encoding="utf-8"))
            return Result(bool(raw["ok"]), str(raw["reason"]), dict(raw["phases"]), tuple(raw["ssh_host_keys"]))
        return None

    def save(self, order_id: str, result: Result) -> None:
        fresh = self._path(order_id, "new")
        fresh.write_text(json.dumps(asdict(result)), encoding="utf-8")
        fresh.replace(self._path(order_id, "result"))

    def has_begun(self, order_id: str) -> bool:
        return self._path(order_id, "begun").exists()

    def begin(self, order_id: str) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path(order_id, "begun").touch()


def run_order(order: Order, drawer: Drawer, carry: Carry) -> Result:
    """Carry an order out, or answer what it came to before.

    One that this agent began and did not end (it was killed) is begun again as one that resumes: its disk may by now
    carry our own mark.
    """
    known = drawer.load(order.id)
    if known is not None:
        return known
    again = drawer.has_begun(order.id)
    drawer.begin(order.id)
    result = carry(replace(order, resumes=True) if again else order)
    drawer.save(order.id, result)
    return result
