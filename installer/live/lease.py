"""A site file's URL that a DHCP server gives: option 224, of those that RFC 3942 leaves to each site's own use.

For the live system's .network files (systemd.network(5)), in those with DHCP:

    [DHCPv4]
    RequestOptions=224

systemd-networkd keeps private options of a lease in /run/systemd/netif/leases/INDEX, in hex (dhcp_lease_save in sd-dhcp-lease.c):
as a line `OPTION_224=6874…`, in later releases as JSON, {"Private_Options": [{"Option": 224, "Data": "6874…"}]}. dnsmasq gives it
by `dhcp-option=224,"http://192.168.1.5/site.yaml"`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from installer.live.identity import Identity
from installer.live.word import parse_word
from installer.model.problems import RackstrapError

OPTION: Final = 224
LEASES: Final = Path("/run/systemd/netif/leases")
MOST_BYTES: Final = 64 * 1024


def find_urls(leases: Path, identity: Identity) -> tuple[str, ...]:
    """The URLs that DHCP servers give, each once. Raises RackstrapError for one that is none."""
    found: list[str] = []
    for path in sorted(leases.iterdir()) if leases.is_dir() else ():
        text = parse_lease(_read(path))
        if text:
            if not text.lower().startswith(("http://", "https://")):
                raise RackstrapError(f"option {OPTION} is no URL", "have the DHCP server give http://… or https://…")
            found.append(parse_word(text, identity))
    return tuple(dict.fromkeys(found))


def parse_lease(text: str) -> str:
    """The option's value in the text of a lease; "" where there is none. Raises RackstrapError for one that is no text."""
    try:
        return bytes.fromhex(_find_option(text)).rstrip(b"\0").decode("ascii")
    except ValueError:
        raise RackstrapError(f"option {OPTION} is no text", "have the DHCP server give the site file's URL there") from None


def _find_option(text: str) -> str:
    """The option's bytes in hex; "" where it is not there. Raises ValueError."""
    if not text.lstrip().startswith("{"):
        rows = (line.partition("=") for line in text.splitlines())
        return next((value.strip() for name, _, value in rows if name.strip() == f"OPTION_{OPTION}"), "")
    try:
        lease = json.loads(text)
    except RecursionError:
        raise ValueError from None
    match lease:
        case {"Private_Options": list(options)}:
            for option in options:
                match option:
                    case {"Option": int(number), "Data": str(data)} if number == OPTION:
                        return data
    return ""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("ascii", errors="replace")
    except OSError:
        return ""
