"""One preflight check's result: what was looked at, what was found, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckState = Literal["ok", "warn", "FAIL", "wait"]


@dataclass(frozen=True, slots=True)
class Check:
    """`name`: link, dhcp, address, gateway, dns, ntp, mtu. `wait`: it has not answered yet. `remedy`: "" when all is well."""

    name: str
    state: CheckState
    found: str
    remedy: str = ""
