"""What is known of this machine's own network: read for a front-end, without waiting for anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["static", "dhcp"]


@dataclass(frozen=True, slots=True)
class NetworkState:
    """`confirm_by`: seconds since 1970 at which a change goes back by itself, 0 when nothing waits to be confirmed.

    `methods`: NIC -> how it has its address now. `last_revert`: a sentence on the change that went back last, "" for none.
    """

    confirm_by: float = 0.0
    methods: Mapping[str, Method] = field(default_factory=dict)
    last_revert: str = ""
