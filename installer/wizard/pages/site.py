"""The site: its networks as a table to change, every other section in one line, and what is wrong below each."""

from __future__ import annotations

from pydantic import BaseModel

from installer.model.problems import Problem
from installer.site.document import SiteDocument
from installer.wizard.entries import make_entries_table, make_entry_actions
from installer.wizard.erase import NAME as ERASE
from installer.wizard.erase import say_erase
from installer.wizard.page import Action, Column, Go, Line, Lines, Outcome, Page, Part, Row, Selection, Table, Told
from installer.wizard.role_options import NAME as ROLES
from installer.wizard.role_options import make_roles_table
from installer.wizard.section_fields import Entries
from installer.wizard.sections import Section, find_mood, find_problems, find_sections, is_asked, make_notes, summarise
from installer.wizard.view import View

_NETWORKS = "networks"
_ELSEWHERE = frozenset({"nodes"})  # has a stage of its own
_HELP = (
    "You should see the site's sections, each in one line, and its networks.",
    "Enter opens what is under the cursor; a adds a network, x removes one.",
    "What is wrong stands below its line, with what to do about it.",
    "A network that gets another subnet takes along its router and its ranges.",
)


def make_site_page(view: View, subject: str, model: type[BaseModel] = SiteDocument) -> Page:
    """Sections first, then networks. Only what the file's `interactive` names, if it names any, and what is wrong."""
    sections = [section for section in find_sections(model) if section.name not in _ELSEWHERE and _is_shown(view, section)]
    rows = tuple(_make_row(view, section) for section in sections if section.name != _NETWORKS)
    columns = (Column("section", 10), Column("", 60, grow=True))
    parts: list[Part] = [Table("sections", columns, rows, "The site file leaves no section to be asked.")]
    actions = [Action("enter", "open", _open, "sections", "Opens the section under the cursor.")]
    for section in sections:
        for entries in section.parts if section.name == _NETWORKS else ():
            if isinstance(entries, Entries):
                parts.append(make_entries_table(view, entries))
                actions += make_entry_actions(entries)
    networks = {row.key for part in parts if isinstance(part, Table) and part.name == _NETWORKS for row in part.rows}
    loose = _find_loose(view, {key for section in find_sections(model) for key in section.keys}, networks)
    if loose:
        parts.insert(0, Lines("problems", tuple(_make_line(problem) for problem in loose[:5]), "The file itself"))
    fixed = _make_fixed(view, model)
    if fixed:
        parts.append(Lines("fixed", fixed, "Fixed by the site file"))
    return Page("site", "Site", "What is this site, and which networks has it?", tuple(parts), tuple(actions), _HELP, subject)


def _make_fixed(view: View, model: type[BaseModel]) -> tuple[Line, ...]:
    """The sections that `interactive` leaves out: to be seen, not to be changed."""
    hidden = [section for section in find_sections(model) if section.name not in _ELSEWHERE and not _is_shown(view, section)]
    return tuple(Line(summarise(view, section), "", section.label) for section in hidden)


def _is_shown(view: View, section: Section) -> bool:
    return any(is_asked(view.draft, key) or find_problems(view.draft, (key,)) for key in section.keys)


def _make_row(view: View, section: Section) -> Row:
    problems = [problem for key in section.keys for problem in find_problems(view.draft, (key,))]
    text = summarise(view, section)
    if section.name == ERASE:
        text = say_erase(view)
    elif section.name == ROLES:
        changed = [row.key for row in make_roles_table(view).rows if "all default" not in row.cells[1]]
        text = f"options set for {', '.join(changed)}" if changed else "all options have their defaults"
    return Row(section.name, (section.label, text), make_notes(problems), find_mood(problems))


def _open(_: View, chosen: Selection) -> Outcome:
    return Go("section", chosen.row) if chosen.row else Told("There is nothing to open.")


def _find_loose(view: View, known: set[str], networks: set[str]) -> list[Problem]:
    """Problems that belong to no row: YAML that cannot be read, keys that nothing knows, networks that are no mapping."""

    def has_row(path: tuple[str | int, ...]) -> bool:
        if path[:1] == (_NETWORKS,):
            return len(path) > 1 and path[1] in networks
        return bool(path) and path[0] in known | _ELSEWHERE

    return [problem for problem in view.draft.problems if not has_row(problem.place.path)]


def _make_line(problem: Problem) -> Line:
    where = f"line {problem.place.line}: " if problem.place.line else ""
    return Line(
        f"{where}{problem.message}",
        find_mood((problem,)),
        "",
        (problem.hint,) if problem.hint else (),
    )
