"""What is decided about the admin node's network: four values, checked where they are typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from installer.model.problems import Place, Problem
from installer.network.links import find_admin_nics
from installer.plan.describe import join_words
from installer.site.save import REMOVED
from installer.site.tree import Path
from installer.wizard.draft import check_edit, find_value
from installer.wizard.page import Edited, Field, FieldRow, Fields, Outcome, Refused
from installer.wizard.view import View

PATHS: Final[dict[str, Path]] = {
    "nics": ("admin", "nics"),
    "vlan": ("admin", "vlan"),
    "address": ("admin", "address"),
    "router": ("networks", "admin", "router"),
}
NONE_WORDS: Final = frozenset({"", "-", "none", "no"})


def make_decided(view: View) -> Fields:
    """Port, address, VLAN and router, each with where it came from."""
    return Fields("decided", tuple(make_field_row(view, name) for name in FIELDS), set_value)


def make_field_row(view: View, name: str) -> FieldRow:
    """One value as it stands; what is typed for it is checked against the whole site."""
    label, says, show = FIELDS[name]
    value, origin = find_value(view.draft, PATHS[name])
    start = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    wrong = next((p.message for p in view.draft.problems if p.severity == "error" and p.place.path == PATHS[name]), "")

    def check(text: str) -> Problem | None:
        return next(iter(check_edit(view.draft, make_edits(name, text), view.roles)), None) or check_text(name, text)

    return FieldRow(Field(name, label, "text", says, (), check, start), show(view), origin, wrong)


def check_text(name: str, text: str) -> Problem | None:
    """What is wrong with a text before it is an edit at all."""
    if name == "vlan" and text.strip().lower() not in NONE_WORDS and not text.strip().isdecimal():
        return Problem(Place(PATHS[name]), f"{text.strip()[:20]!r} is no VLAN", "type a number from 1 to 4094, or none")
    return None


def make_edits(name: str, text: str) -> tuple[tuple[Path, object], ...]:
    """The edit that sets this field to a text as typed."""
    said = text.strip()
    if name == "nics":
        words = [word for word in said.replace(",", " ").split() if word]
        return ((PATHS[name], words or REMOVED),)
    if name in {"vlan", "router"} and said.lower() in NONE_WORDS:
        return ((PATHS[name], REMOVED),)
    if name == "vlan" and said.isdecimal() and len(said) < 10:
        return ((PATHS[name], int(said)),)
    return ((PATHS[name], said.partition("/")[0].strip() if name == "address" else said),)


def set_value(_: View, name: str, text: str) -> Outcome:
    """What typing a field's text amounts to."""
    problem = check_text(name, text)
    if problem is not None:
        return Refused(problem.message, problem.hint)
    return Edited(make_edits(name, text))


def _show_nics(view: View) -> str:
    site, nics = view.draft.site, view.here.machine.nics
    if site is None:
        value = find_value(view.draft, PATHS["nics"])[0]
        return ", ".join(map(str, value)) if isinstance(value, list) else "not chosen"
    chosen, missing = find_admin_nics(site, nics)
    names = [*(nic.name for nic in chosen), *(f"{name} (missing)" for name in missing)]
    if not names:
        return "not chosen: move to one above and press Enter"
    if not site.admin.nics:
        return f"{names[0]}, which has the address already"
    return join_words(names) + (f" as a bond, {site.admin.bond_mode}" if len(names) > 1 else "")


def _show_address(view: View) -> str:
    site = view.draft.site
    if site is None:
        return str(find_value(view.draft, PATHS["address"])[0] or "not set")
    how = "static" if site.admin.method == "static" else "by DHCP"
    return f"{site.admin.address}/{site.network('admin').subnet.prefixlen} {how}"


def _show_router(view: View) -> str:
    site = view.draft.site
    router = site.network("admin").router if site is not None else find_value(view.draft, PATHS["router"])[0]
    return str(router or "none")


def _show_vlan(view: View) -> str:
    return str(find_value(view.draft, PATHS["vlan"])[0] or "none")


# label, what to type, and how it is shown
FIELDS: Final[Mapping[str, tuple[str, str, Callable[[View], str]]]] = {
    "nics": ("Port", "a name or MAC as above; several, with commas between them, make a bond", _show_nics),
    "address": ("Address", "this machine's address towards the rack", _show_address),
    "vlan": ("VLAN", "1 to 4094, or none: frames are not tagged", _show_vlan),
    "router": ("Router", "the address that leads out of the rack, or none", _show_router),
}
