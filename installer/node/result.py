"""How an order ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """How an order ended, as the admin node hears it. `phases`: stage -> seconds."""

    ok: bool
    reason: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    ssh_host_keys: tuple[str, ...] = ()
