"""A new entry under `nodes:`: what it fits, and how many machines it is for."""

from __future__ import annotations

from typing import Final

from installer.model.problems import Problem, RackstrapError
from installer.site.save import REMOVED
from installer.wizard.draft import check_edit
from installer.wizard.page import Edited, Field, Go, Outcome, Selection
from installer.wizard.pages.asking import ask_one, ask_text, make_problem
from installer.wizard.pages.node_actions import find_site, guarded
from installer.wizard.pages.rule_fields import NUMBERS, parse_value
from installer.wizard.view import View

NEW: Final = (
    ("product", "machines of one product"), ("min_memory_gb", "machines with at least so much memory, in GB"),
    ("min_disks", "machines with at least so many disks"), ("switch", "machines on one switch"),
    ("serial", "one machine, by its serial number"), ("uuid", "one machine, by its UUID"),
    ("mac", "one machine, by a MAC address"),
    ("bmc", "one machine, by the address of its BMC"), ("any", "any machine that no other entry takes"),
)  # fmt: skip
ONE: Final = frozenset({"serial", "uuid", "mac", "bmc"})


@guarded
def add(view: View, _: Selection) -> Outcome:
    """Ask what a new entry fits, and how many."""
    find_site(view)
    return ask_one("kind", "An entry for", NEW, _ask_value, start="product")


def _ask_value(view: View, kind: str) -> Outcome:
    if kind == "any":
        return _ask_count(kind, True)
    known = _find_known(view, kind)
    number = kind in NUMBERS

    def check(text: str) -> Problem | None:
        try:
            value = parse_value(kind, text)
        except RackstrapError as error:
            return make_problem(error.message, error.hint)
        if value is REMOVED:
            return make_problem("nothing was typed", "write what has to fit, or leave with Esc")
        return _check_new(view, {"match": {kind: value}}) if kind in ONE else None

    field = Field("value", dict(NEW)[kind].capitalize(), "number" if number else "text", "", known, check)
    return ask_text(field, lambda now, text: _follow_value(now, kind, text))


def _follow_value(view: View, kind: str, text: str) -> Outcome:
    value = parse_value(kind, text)
    return _append(view, {"match": {kind: value}}) if kind in ONE else _ask_count(kind, value)


def _find_known(view: View, kind: str) -> tuple[tuple[str, str], ...]:
    """Products, switches and serial numbers that have been seen."""
    if kind == "product":
        words = sorted({machine.product for machine in view.machines.values() if machine.product})
    elif kind == "switch":
        words = sorted({nic.lldp.switch for machine in view.machines.values() for nic in machine.nics if nic.lldp is not None})
    else:
        words = []
    return tuple((word, "") for word in words)


def _ask_count(kind: str, value: object) -> Outcome:
    def check(text: str) -> Problem | None:
        is_count = text.strip().isascii() and text.strip().isdigit() and 0 < int(text.strip()[:7]) <= 100_000
        return None if is_count else make_problem("that is no number of machines", "write a whole number from 1 to 100000")

    field = Field("expect", "How many machines", "number", "No more than these become nodes.", check=check, start="1")
    return ask_text(field, lambda now, text: _append(now, {"match": {kind: value}, "expect": int(text.strip())}))


def _check_new(view: View, entry: dict[str, object]) -> Problem | None:
    return next(iter(check_edit(view.draft, ((("nodes", len(find_site(view).nodes)), entry),), view.roles)), None)


def _append(view: View, entry: dict[str, object]) -> Outcome:
    count = len(find_site(view).nodes)
    return Edited(((("nodes", count), entry),), f"entry {count + 1} added", then=Go("rules", str(count)))
