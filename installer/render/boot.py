"""Boot scripts, one per machine and state: iPXE's and GRUB's. Plain HTTP carries them, so they hold no secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from installer.model.plan import AdminPlace
from installer.model.site import Site
from installer.render.environment import make_environment
from installer.render.grammar import parse_listen
from installer.render.services import make_http

CONSOLES: Final = ("tty0", "ttyS0,115200n8")
_TEMPLATES: Final = make_environment()


def render_ipxe_ask(site: Site) -> str:
    """The script for an iPXE that did not say who it is: ask again, with MAC, UUID and serial."""
    return _render("ask.ipxe.j2", {"http": make_http(site.admin.address)})


def render_ipxe_discover(site: Site, place: AdminPlace, mac: str, consoles: Sequence[str] = CONSOLES) -> str:
    """Boot the discovery system. `mac` is of the NIC that is booting."""
    return _render("discover.ipxe.j2", _make_words(site, place, mac, consoles))


def render_grub_discover(site: Site, place: AdminPlace, mac: str, consoles: Sequence[str] = CONSOLES) -> str:
    """Boot the discovery system from GRUB."""
    return _render("discover.grub.j2", _make_words(site, place, mac, consoles))


def render_ipxe_disk(node: str) -> str:
    """Go on to the local disk, ending in a way that either firmware can continue from."""
    return _render("disk.ipxe.j2", {"node": node})


def render_grub_disk(node: str) -> str:
    """Chain to the loader on the local disk. GRUB's `exit` would open the firmware's setup, so it never ends with that."""
    return _render("disk.grub.j2", {"node": node})


def render_grub_unknown() -> str:
    """For a GRUB that did not say its MAC: start over."""
    return _render("unknown.grub.j2", {})


def _make_words(site: Site, place: AdminPlace, mac: str, consoles: Sequence[str]) -> dict[str, Any]:
    address = site.admin.address
    return {
        "admin": address,
        "listen": address,
        "http": make_http(address),
        "https": f"https://{parse_listen(str(address))}",
        "root_sha256": place.image.sha256["root.squashfs"],
        "layer_sha256": place.image.sha256["rackstrap.squashfs"],
        "pin": place.pin,
        "mac": mac,
        "consoles": consoles,
    }


def _render(template: str, words: dict[str, Any]) -> str:
    return _TEMPLATES.get_template(template).render(words)
