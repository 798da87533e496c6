"""The site file as it stands in the wizard: what was read, what was typed, and what is wrong with it. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from installer.model.facts import Machine
from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import Site
from installer.plan.roles import Role
from installer.site.check import check_site
from installer.site.load import LoadedSite, parse_site, shape_document
from installer.site.save import Edit, Removed, edit_document, set_values
from installer.site.spelled import find_default, find_written, spell_networks
from installer.site.tree import Document, Path
from installer.wizard.page import Origin
from installer.wizard.proposals import NEW_SITE, find_proposals

Origins = Mapping[Path, Origin]
UNNAMED: Final = "site.yaml"  # what problems call a draft that was saved nowhere


@dataclass(frozen=True, slots=True)
class Draft:
    """`problems`: all that check_site finds, errors and warnings. `origins`: of values that were typed or discovered."""

    loaded: LoadedSite
    problems: tuple[Problem, ...] = ()
    origins: Mapping[Path, Origin] = field(default_factory=dict)
    file: str = ""  # where it was read from or saved to; "" as long as nowhere

    @property
    def site(self) -> Site | None:
        return self.loaded.site

    @property
    def text(self) -> str:
        return self.loaded.document.text


def make_draft(text: str, roles: Mapping[str, Role], origins: Origins | None = None, file: str = "") -> Draft:
    """The draft of this text. Broken text gives a draft without a site, whose problems say why."""
    loaded = parse_site(text.encode("utf-8", "replace"), file or UNNAMED)
    return Draft(loaded, check_site(loaded, roles=roles), dict(origins or {}), file)


def make_new_draft(here: Machine, roles: Mapping[str, Role]) -> Draft:
    """A site file to begin with: the white paper's defaults, and what this machine shows (origin "discovered").

    What this machine shows and what would break the site is left out.
    """
    draft = make_draft(NEW_SITE, roles)
    draft = Draft(draft.loaded, draft.problems, dict.fromkeys(draft.loaded.document.values, "default"))
    for edits in find_proposals(here):
        proposed, problems = edit_draft(draft, edits, roles, "discovered")
        draft = draft if problems else proposed
    return draft


def edit_draft(
    draft: Draft, edits: Iterable[tuple[Path, object]], roles: Mapping[str, Role], origin: Origin = "typed"
) -> tuple[Draft, tuple[Problem, ...]]:
    """The draft with these values set, and the errors that it did not have before. With such errors, refuse the edit.

    A draft without a site hides what is wrong beyond its shape: then only errors at the edited places count.
    Raises RackstrapError where a path does not fit the file, or the file is no YAML.
    """
    wanted = cast(dict[Path, Edit], dict(edits))
    spelled = spell_networks(draft.loaded, wanted)
    loaded = shape_document(edit_document(draft.loaded.document, spelled))
    problems = check_site(loaded, roles=roles)
    defaults: dict[Path, Origin] = {path: "default" for path in spelled if path not in wanted}
    fresh = Draft(loaded, problems, _move_origins({**draft.origins, **defaults}, wanted, origin), draft.file)
    return fresh, _find_new_errors(draft, problems, wanted)


def check_edit(draft: Draft, edits: Iterable[tuple[Path, object]], roles: Mapping[str, Role]) -> tuple[Problem, ...]:
    """What edit_draft would refuse, without writing the text: quick enough to ask at each key, with any number of nodes."""
    wanted = cast(dict[Path, Edit], dict(edits))
    document = draft.loaded.document
    try:
        data = set_values(document.data if isinstance(document.data, dict) else {}, spell_networks(draft.loaded, wanted))
    except RackstrapError as error:
        return (Problem(Place(next(iter(wanted), ())), error.message, error.hint),)
    loaded = shape_document(Document(document.file, document.text, data, document.values, document.keys))
    return _find_new_errors(draft, check_site(loaded, roles=roles), wanted)


def find_value(draft: Draft, path: Path) -> tuple[object, Origin]:
    """The value in force at this key path, and where it came from: written, else the default; None where there is neither.

    Numbers that were written in an unusual way (0123) come as that text.
    """
    is_written, value = find_written(draft.loaded.document, path)
    if is_written:
        return value, next((found for n in range(len(path), 0, -1) if (found := draft.origins.get(path[:n]))), "file")
    default = find_default(draft.loaded, path)
    return default, "" if default is None else "default"


def dump_origins(origins: Origins) -> str:
    """As JSON: a list of [key path, origin]. `parse_origins` reads it."""
    return json.dumps([[list(path), origin] for path, origin in origins.items()])


def parse_origins(text: str) -> dict[Path, Origin]:
    """What dump_origins wrote. Anything else is left out: origins explain values and decide nothing."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found: dict[Path, Origin] = {}
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [list(path), str(origin)] if origin in get_args(Origin) and all(isinstance(part, str | int) for part in path):
                found[tuple(path)] = cast(Origin, origin)
    return found


def _find_new_errors(before: Draft, after: Iterable[Problem], edits: Iterable[Path]) -> tuple[Problem, ...]:
    """Errors of `after` that `before` lacked. Lines and list positions move with an edit and tell nothing."""
    errors = [problem for problem in after if problem.severity == "error"]
    if before.site is None:
        paths = tuple(edits)
        return tuple(p for p in errors if any(_is_near(p.place.path, path) for path in paths))
    known = Counter(_make_key(problem) for problem in before.problems if problem.severity == "error")
    fresh = []
    for problem in errors:
        key = _make_key(problem)
        known[key] -= 1
        if known[key] < 0:
            fresh.append(problem)
    return tuple(fresh)


def _is_near(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return shorter > 0 and one[:shorter] == other[:shorter]


def _make_key(problem: Problem) -> tuple[Path, str]:
    path = tuple(part for part in problem.place.path if isinstance(part, str))
    return path, re.sub(r"\b(on line|is number|nodes\.) ?[0-9]+", r"\1", problem.message)


def _move_origins(origins: Origins, edits: Mapping[Path, Edit], origin: Origin) -> dict[Path, Origin]:
    """Origins after these edits: what was set anew has this one, and what follows a removed list item moves up."""
    moved = dict(origins)
    for path, value in edits.items():
        moved = {old: name for old, name in moved.items() if old[: len(path)] != path}
        if not isinstance(value, Removed):
            moved[path] = origin
        elif path and isinstance(path[-1], int):
            moved = {_move_up(old, path): name for old, name in moved.items()}
    return moved


def _move_up(path: Path, removed: Path) -> Path:
    at = len(removed) - 1
    index, gone = (path[at], removed[at]) if len(path) > at and path[:at] == removed[:at] else (0, 0)
    if isinstance(index, int) and isinstance(gone, int) and index > gone:
        return (*path[:at], index - 1, *path[at + 1 :])
    return path
