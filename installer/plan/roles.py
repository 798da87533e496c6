"""Role folders: what each role is, needs and offers. A folder with a role.yaml is a role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from installer.model.problems import Place, Problem
from installer.model.site import Value

BUILT_IN: Final = Path(__file__).parent.parent / "roles"
OptionType = Literal["string", "integer", "number", "boolean", "list", "map"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many nodes may have a role. `max` 0: any number. `odd`: one, three, five … for a quorum."""

    min: int = 0
    max: int = 0
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """What suits the role: requirements by the `min_` fields, and what is better by `prefers`."""

    min_memory_gb: int = 0
    min_disks: int = 0
    min_cores: int = 0
    min_nics: int = 0
    prefers: Literal["", "memory", "disks", "cores", "small"] = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `min` and `max` bound a number, or the length of a list; `choices` list every admitted value."""

    name: str
    type: OptionType
    default: Value = None
    help: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[Value, ...] = ()
    items: Mapping[str, OptionType] = field(default_factory=dict)  # keys of each map in a list


@dataclass(frozen=True, slots=True)
class Role:
    """One role. `folder` holds templates/, tasks/ and cases/; `verify` lists commands that exit with 0 when it works."""

    name: str
    title: str
    needs: tuple[str, ...] = ()
    count: Count = Count()
    unique: bool = False
    everywhere: bool = False
    admin_allowed: bool = True
    conflicts: tuple[str, ...] = ()
    hardware: Hardware = Hardware()
    networks: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    verify: tuple[str, ...] = ()
    folder: Path = Path()

    def settings(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Every option's value: as given, else its default. Unknown keys are left out; check_options names them."""
        return {name: given.get(name, option.default) for name, option in self.options.items()}


def load_roles(dirs: Sequence[Path] = ()) -> tuple[Mapping[str, Role], tuple[Problem, ...]]:
    """Every role in the built-in folder and in `dirs`, by name, and what is wrong with the broken ones.

    A role of the same name in a later folder takes the place of the earlier one.
    """
    from installer.plan.role_file import parse_role

    roles: dict[str, Role] = {}
    problems: list[Problem] = []
    for file in _find_files((BUILT_IN, *dirs), problems):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(Place(file=str(file)), f"cannot be read: {error}", "make it a readable UTF-8 file"))
            continue
        role, wrong = parse_role(text, file.parent.name, str(file), file.parent)
        problems += wrong
        if role is not None:
            roles[role.name] = role
    return roles, (*problems, *check_roles(roles))


def _find_files(dirs: Sequence[Path], problems: list[Problem]) -> Iterator[Path]:
    for folder in dirs:
        if not folder.is_dir():
            problems.append(Problem(Place(file=str(folder)), "is no folder of roles", "name a folder that holds ROLE/role.yaml"))
            continue
        yield from sorted(folder.glob("*/role.yaml"))


def check_roles(roles: Mapping[str, Role]) -> tuple[Problem, ...]:
    """Needs and conflicts that name no role, and needs that go round in a circle."""
    problems = []
    for role in roles.values():
        place = Place(file=str(role.folder / "role.yaml"))
        for word in (*role.needs, *role.conflicts):
            if word not in roles:
                problems.append(Problem(place, f"role {role.name} names {word}, which is no role", "correct or drop it"))
        if role.name in _all_needs(role.name, roles):
            problems.append(Problem(place, f"role {role.name} needs itself in the end", "break the circle of `needs`"))
    return tuple(problems)


def _all_needs(name: str, roles: Mapping[str, Role]) -> set[str]:
    """Everything that this role needs, and what that needs."""
    seen: set[str] = set()
    left = list(roles[name].needs)
    while left:
        need = left.pop()
        if need not in seen and need in roles:
            seen.add(need)
            left += roles[need].needs
    return seen


def sort_roles(roles: Mapping[str, Role]) -> tuple[str, ...]:
    """Names in an order in which each comes after what it needs; equals by name."""
    needs = {name: _all_needs(name, roles) for name in roles}
    return tuple(sorted(roles, key=lambda name: (len(needs[name]), name)))
