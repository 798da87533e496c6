"""The site file as it stands in the wizard: what was read, what was typed, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from installer.model.facts import Machine
from installer.model.problems import Problem
from installer.model.site import Site
from installer.plan.roles import Role
from installer.site.load import LoadedSite
from installer.site.tree import Path
from installer.wizard.page import Origin


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


def make_draft(text: str, roles: Mapping[str, Role], origins: Mapping[Path, Origin] | None = None, file: str = "") -> Draft:
    """The draft of this text."""
    raise NotImplementedError


def make_new_draft(here: Machine, roles: Mapping[str, Role]) -> Draft:
    """A site file to begin with: the white paper's defaults, and what this machine shows (origin "discovered")."""
    raise NotImplementedError


def edit_draft(
    draft: Draft, edits: Iterable[tuple[Path, object]], roles: Mapping[str, Role], origin: Origin = "typed"
) -> tuple[Draft, tuple[Problem, ...]]:
    """The draft with these values set, and the errors that it did not have before. With such errors, refuse the edit."""
    raise NotImplementedError


def find_value(draft: Draft, path: Path) -> tuple[object, Origin]:
    """The value in force at this key path, and where it came from: written, else the default; None where there is neither."""
    raise NotImplementedError
