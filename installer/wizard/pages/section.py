"""One section of the site file, or one entry of it, as a form. Subjects: general, services, networks.admin, roles.swift."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from installer.site.document import SiteDocument
from installer.wizard.draft import find_value
from installer.wizard.entries import (
    find_entry_leaves,
    make_entries_table,
    make_entry_actions,
    make_keys_action,
    make_keys_table,
)
from installer.wizard.erase import NAME as ERASE
from installer.wizard.erase import make_erase_page
from installer.wizard.page import Action, Go, Line, Lines, Outcome, Page, Part, Selection, Told
from installer.wizard.role_options import NAME as ROLES
from installer.wizard.role_options import make_option_leaves, make_roles_action, make_roles_table
from installer.wizard.section_fields import Entries, Leaf, make_label
from installer.wizard.sections import Section, find_mood, find_problems, find_sections, is_asked, make_fields, set_leaf
from installer.wizard.view import View

_HELP = (
    "Each value shows where it comes from: default, file, discovered or typed.",
    "Enter changes the value under the cursor.",
    "What is wrong with it stands below it.",
    "d takes a value out, so that its default is in force again.",
    "Esc goes back; nothing typed is lost.",
)
_QUESTIONS: Final = {
    "general": "What is this site called, and how are its consoles set?",
    "access": "Who may log in, to the admin node and to every node, as root?",
    "admin": "What shall the admin node be?",
    "networks": "Which networks has this site?",
    "conduits": "Which network cards carry which networks?",
    "services": "Who gives addresses, names and time?",
    "discovery": "How are machines found and let in?",
}


def make_section_page(view: View, subject: str, model: type[BaseModel] = SiteDocument) -> Page:
    """The form of this section or entry. A subject that is none gives a page that says so."""
    name, _, entry = subject.partition(".")
    if name == ERASE:
        return make_erase_page(view)
    if name == ROLES:
        return _make_roles_page(view, subject, entry)
    section = next((section for section in find_sections(model) if section.name == name), None)
    if section is None:
        return _make_missing_page(subject)
    parts = _find_asked(view, section)
    if not entry:
        return _make_form(view, subject, section.label, _QUESTIONS.get(name, ""), parts)
    entries = next((part for part in parts if isinstance(part, Entries)), None)
    key: str | int = int(entry) if entries and entries.is_list and entry.isdecimal() and len(entry) < 7 else entry
    if entries is None or find_value(view.draft, (*entries.path, key))[0] is None:
        return _make_missing_page(subject)
    title = f"{entries.label.removesuffix('s')} {key + 1 if isinstance(key, int) else key}"
    return _make_form(view, subject, title, "", find_entry_leaves(entries, key))


def _find_asked(view: View, section: Section) -> tuple[Leaf | Entries, ...]:
    """Of the single values, only those that `interactive` leaves to be asked; a section by itself was opened on purpose."""
    if len(section.keys) == 1:
        return section.parts
    asked = tuple(part for part in section.parts if is_asked(view.draft, str(part.path[0])))
    wrong = tuple(part for part in section.parts if find_problems(view.draft, part.path))
    return tuple(part for part in section.parts if part in asked or part in wrong) or section.parts


def _make_form(view: View, subject: str, title: str, about: str, given: tuple[Leaf | Entries, ...] | tuple[Leaf, ...]) -> Page:
    leaves = [part for part in given if isinstance(part, Leaf)]
    parts: list[Part] = [make_fields(view, "values", leaves)] if leaves else []
    actions = [_make_default_action(leaves)] if leaves else []
    for part in given:
        if isinstance(part, Entries):
            parts.append(make_entries_table(view, part))
            actions += make_entry_actions(part)
        elif part.form == "keys":
            parts.append(make_keys_table(view, part))
            actions.append(make_keys_action(part))
    top = subject.partition(".")[0]
    loose = [problem for problem in find_problems(view.draft, (top,)) if problem.place.path == (top,)] if top == subject else []
    if loose:
        parts.insert(0, Lines("problems", tuple(Line(p.message, find_mood((p,)), "", (p.hint,)) for p in loose)))
    return Page(
        "section", title, about or f"What shall {title[:1].lower()}{title[1:]} be?", tuple(parts), tuple(actions), _HELP, subject
    )


def _make_default_action(leaves: list[Leaf]) -> Action:
    by_name = {leaf.name: leaf for leaf in leaves}

    def take_out(view: View, chosen: Selection) -> Outcome:
        leaf = by_name.get(chosen.row)
        if leaf is None or leaf.form == "keys":
            return Told("Keys are removed one by one, with x in their list." if leaf else "There is no value here.")
        return set_leaf(view, leaf, "")

    return Action("d", "default", take_out, "values", "Takes the value out of the file: its default is in force again.")


def _make_roles_page(view: View, subject: str, name: str) -> Page:
    about = "Options of roles: left alone, each has its default."
    if not name:
        return Page("section", "Options of roles", about, (make_roles_table(view),), (make_roles_action(),), _HELP, subject)
    leaves = make_option_leaves(view, name)
    if not leaves:
        nothing = Lines("note", (Line(f"The role {name} has no options, or is not there.", "", "", ("Esc goes back.",)),))
        return Page("section", f"Options of {name}", about, (nothing,), (), _HELP, subject)
    return _make_form(view, subject, f"Options of {name}", about, leaves)


def _make_missing_page(subject: str) -> Page:
    def go_back(_: View, __: Selection) -> Outcome:
        return Go("back")

    line = Line(f"The site has no {make_label((subject,))} now: it was removed or renamed.", "", "", ("Esc goes back.",))
    action = Action("b", "back", go_back)
    return Page("section", "Not here", "What was opened is gone.", (Lines("note", (line,)),), (action,), _HELP, subject)
