"""The admin node's own cards, VLAN and way to its address, and the keyboard of consoles."""

from __future__ import annotations

from typing import Final

from installer.model.site import Site
from installer.render.grammar import GRAMMARS, parse_mac
from installer.site.addresses import shown
from installer.site.findings import Findings, make_suggestion
from installer.site.tree import Path

# The layouts of xkb-data 2.35 (rules/base.lst), without `custom`: what XKBLAYOUT of keyboard(5) may be.
_NAMES: Final = """
af al am ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn cz de dk dz ee epo es et fi fo fr gb ge gh gn gr hr hu
id ie il in iq ir is it jp jv ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv my ng nl no np ph pk pl pt
ro rs ru se si sk sn sy tg th tj tm tr tw tz ua us uz vn za
"""
LAYOUTS: Final = frozenset(_NAMES.split())
_MEANT: Final = {"uk": "gb", "en": "us", "english": "us", "german": "de", "french": "fr", "ja": "jp", "da": "dk", "sv": "se"}


def check_admin(site: Site, findings: Findings) -> None:
    _check_nics(site.admin.nics, findings)
    path: Path = ("admin", "vlan")
    if site.admin.vlan is not None and not site.admin.nics:
        hint = "write admin.nics: the card that the VLAN is on, or leave vlan out"
        findings.error(path, f"the admin node's VLAN {site.admin.vlan} is on no network card", hint)
    if site.admin.bond_mode == "802.3ad" and len(site.admin.nics) < 2:
        cards = f"{len(site.admin.nics) or 'no'} network card"
        hint = "write two or more admin.nics, or leave bond_mode out"
        findings.error(("admin", "bond_mode"), f"the admin node bonds {cards} by 802.3ad", hint)
    if site.admin.method == "dhcp" and site.services.dhcp == "own":
        message = "the admin node asks for its address where it is itself the DHCP server"
        hint = "write method: static, or let the other server serve machines too (services.dhcp: proxy or external)"
        findings.warn(("admin", "method"), message, hint)
    _check_keyboard(site.keyboard, findings)


def _check_nics(nics: tuple[str, ...], findings: Findings) -> None:
    for index, name in enumerate(nics):
        path: Path = ("admin", "nics", index)
        try:
            _parse_nic(name)
        except ValueError:
            findings.error(path, f"{shown(name)} names no network card", "write its MAC address, or its name as `ip link` has it")
            continue
        if name in nics[:index]:
            findings.error(path, f"the admin node's network card {name} is named twice", "name each card once")


def _parse_nic(name: str) -> None:
    if ":" not in name:
        GRAMMARS["interface"](name)
    elif int(parse_mac(name)[:2], 16) & 1:  # a group address (IEEE 802): no card has one
        raise ValueError(name)


def _check_keyboard(layout: str, findings: Findings) -> None:
    if not layout or layout in LAYOUTS:
        return
    meant = _MEANT.get(layout.lower(), layout.lower() if layout.lower() in LAYOUTS else "")
    hint = f"write {meant}" if meant else make_suggestion(layout, LAYOUTS, "write a layout of XKB, like us, gb, de, fr or latam")
    try:
        GRAMMARS["keyboard"](layout)
    except ValueError:
        findings.error(("keyboard",), f"{shown(layout)} cannot be a keyboard layout", hint)
        return
    if meant:
        findings.error(("keyboard",), f"there is no keyboard layout {shown(layout)}", hint)
    else:
        findings.warn(("keyboard",), f"the keyboard layout {shown(layout)} is not known here", hint)
