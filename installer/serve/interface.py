"""The serving interface, made quick for booting machines, and left as it was."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import netifaces

from installer.model.problems import RackstrapError
from installer.model.site import Address

LOG: Final = logging.getLogger("rackstrap.serve")
# GRUB uses the same TCP ports at each boot; a socket left from a machine's last boot must not outlive it by a minute.
SYSCTLS: Final = {"net/ipv4/tcp_orphan_retries": "1", "net/ipv4/tcp_max_tw_buckets": "0"}


@contextlib.contextmanager
def tuned(interface: str, prefix: str) -> Iterator[None]:
    """Give the interface an address of our own IPv6 prefix, so that router advertisements can be sent; take it back.

    With it goes what the kernel made of our own advertisements, and what a process that was killed has left. Without a
    `prefix` ("") the interface keeps the addresses that it has.

    In a named network namespace also set SYSCTLS; the host's are for its own administrator (the admin image sets them).
    """
    if prefix:
        _run_ip("-6", "addr", "replace", f"{prefix}1/64", "dev", interface, "nodad")
    if is_own_namespace():
        for name, value in SYSCTLS.items():
            path = Path("/proc/sys") / name
            if path.exists():
                path.write_text(value, encoding="ascii")
    try:
        yield
    finally:
        if prefix:
            _run_ip("-6", "addr", "flush", "dev", interface, "to", f"{prefix}/64")


def find_interface(address: Address) -> str:
    """The interface of this machine that holds the address. Raises RackstrapError."""
    for name in netifaces.interfaces():
        for family in (netifaces.AF_INET, netifaces.AF_INET6):
            held = [entry["addr"].partition("%")[0] for entry in netifaces.ifaddresses(name).get(family, [])]
            if str(address) in held:
                return str(name)
    raise RackstrapError(f"no interface of this machine has the admin address {address}", "give it one, or correct admin.address")


def is_own_namespace() -> bool:
    """Whether this process is in a named network namespace (ip-netns(8)), which is nobody else's."""
    own = Path("/proc/self/ns/net").stat()
    for name in Path("/run/netns").glob("*"):
        with contextlib.suppress(OSError):  # it may go away meanwhile
            if os.path.samestat(own, name.stat()):
                return True
    return False


def _run_ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=10)
    if done.returncode != 0:
        LOG.info("ip %s: %s", " ".join(words), done.stderr.strip())
