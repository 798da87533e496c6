"""IPMI over LAN, through pyghmi.

pyghmi keeps its sessions, sockets and event loop in globals of the process: they survive a BMC's restart as broken
sessions, and one BMC that is silent holds up callers of another. So every attempt runs in a process of its own
(`ipmi_worker`), with a new session and a hard end. The password travels to it through a pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.model.problems import RackstrapError
from installer.power.power import BootDevice, PowerState, PowerWish
from installer.power.secrets import load_secret


@dataclass(frozen=True, slots=True)
class Ipmi:
    """The machine behind a BMC. `secret` is the file with the password, read anew at each attempt.

    `attempts` new sessions are tried, once, twice, … `back_off_s` apart; each may take `attempt_s`.
    `settle_s` is how long a power change may take to show.
    """

    address: str
    user: str
    secret: Path
    port: int = 623
    attempts: int = 3
    back_off_s: float = 2
    attempt_s: float = 60
    settle_s: float = 20

    def get_power(self) -> PowerState:
        return "on" if self._call("get_power") == "on" else "off"

    def set_power(self, wish: PowerWish) -> str:
        self._call("set_power", wish=wish)
        return "switched off" if wish == "off" else "switched on" if wish == "on" else "switched off and on again"

    def set_boot(self, device: BootDevice, uefi: bool) -> str:
        self._call("set_boot", device=device, uefi=uefi)
        return f"next boot is from {'the network' if device == 'pxe' else 'the disk'}"

    def identify(self, seconds: int) -> str:
        self._call("identify", seconds=max(0, min(255, seconds)))
        return f"lamp lit for {seconds} s" if seconds else "lamp put out"

    def _call(self, call: str, **details: object) -> str:
        """Run one call in as many new sessions as it is allowed. Nothing is remembered from a failed one."""
        reason = ""
        for attempt in range(self.attempts):
            time.sleep(self.back_off_s * attempt)
            answer = self._run_worker({"call": call, **details})
            if answer.get("ok"):
                return str(answer.get("value", ""))
            reason = str(answer.get("reason", "no reason given"))
            if answer.get("final"):
                hint = f"check the user name and the password in {self.secret}"
                raise RackstrapError(f"the BMC at {self.address} refused: {reason}", hint)
        hint = "check its cable, address and that IPMI over LAN is enabled; then try again"
        raise RackstrapError(f"the BMC at {self.address} failed {self.attempts} times, at last: {reason}", hint)

    def _run_worker(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One attempt. Always answers: a worker that hangs or dies is a failed attempt."""
        wish |= {"address": self.address, "port": self.port, "user": self.user, "password": load_secret(self.secret)}
        wish |= {"settle_s": self.settle_s, "attempt_s": self.attempt_s}
        command = [sys.executable, "-P", "-m", "installer.power.ipmi_worker"]
        try:
            done = subprocess.run(
                command, input=json.dumps(wish), capture_output=True, text=True, timeout=self.attempt_s, check=False
            )
            answer = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return {"reason": f"no answer within {self.attempt_s:g} s"}
        except ValueError:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            return {"reason": f"the IPMI library failed: {last[0]}"}
        return answer if isinstance(answer, dict) else {"reason": "the IPMI worker answered nonsense"}
