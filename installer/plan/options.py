"""Values of a role's options, held against their types and ranges. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from installer.model.problems import Place, Problem
from installer.model.site import Value

if TYPE_CHECKING:
    from installer.plan.roles import Option, Role

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "list": list,
    "map": dict,
}
_WORDS: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "keys and values",
}


def find_given(name: str, site_roles: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """What the site sets for a role: what stands under its family (`swift` for swift-proxy), then under its own name."""
    return {**site_roles.get(find_family(name), {}), **site_roles.get(name, {})}


def find_family(name: str) -> str:
    """The word that the roles of one service share: what comes before the first hyphen."""
    return name.partition("-")[0]


def check_options(site_roles: Mapping[str, Mapping[str, Value]], roles: Mapping[str, Role]) -> list[Problem]:
    """Options that the site sets and that do not exist, or have a value of another type or range.

    Under a family's name stands what at least one of its roles has. A key that is neither is left to the check of names.
    """
    problems = []
    for name, given in site_roles.items():
        meant = [roles[name]] if name in roles else [role for role in roles.values() if find_family(role.name) == name]
        for key, value in given.items() if meant else ():
            place = Place(("roles", name, key))
            options = [role.options[key] for role in meant if key in role.options]
            if not options:
                problems.append(Problem(place, f"role {name} has no option {key}", _suggest(key, meant)))
            wrong = dict.fromkeys(found for option in options for found in check_value(option, value))
            problems += [Problem(place, f"{key} {message}", hint) for message, hint in wrong]
    return problems


def _suggest(key: str, roles: Sequence[Role]) -> str:
    names = sorted({name for role in roles for name in role.options})
    close = get_close_matches(key, names, n=1)
    return f"did you mean {close[0]}?" if close else f"it has: {', '.join(names) or 'none'}"


def check_value(option: Option, value: Value) -> list[tuple[str, str]]:
    """(what is wrong, what to write instead) for this value; none when it fits. None stands for "not set" and fits."""
    if value is None:
        return []
    if not _is_type(option.type, value):
        return [(f"is {_name(value)}, not {_WORDS[option.type]}", f"write {_WORDS[option.type]}")]
    if option.choices and value not in option.choices:
        shown = ", ".join(str(choice) for choice in option.choices)
        return [(f"is {value!r}", f"write one of: {shown}")]
    size = value if isinstance(value, int | float) else len(value) if isinstance(value, list | dict) else None
    if size is not None and option.min is not None and size < option.min:
        return [(f"is below {option.min:g}", f"write {option.min:g} or more")]
    if size is not None and option.max is not None and size > option.max:
        return [(f"is above {option.max:g}", f"write {option.max:g} or less")]
    return _check_items(option, value) if option.items and isinstance(value, list) else []


def _check_items(option: Option, value: list[Value]) -> list[tuple[str, str]]:
    wrong = []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            wrong.append((f"has {_name(item)} at {index + 1}", f"write keys: {', '.join(option.items)}"))
            continue
        for key, inner in item.items():
            if key not in option.items:
                wrong.append((f"has the key {key} at {index + 1}", f"it may have: {', '.join(option.items)}"))
            elif not _is_type(option.items[key], inner):
                wrong.append((f"has {key} at {index + 1} as {_name(inner)}", f"write {_WORDS[option.items[key]]}"))
    return wrong


def _is_type(kind: str, value: Value) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _name(value: Value) -> str:
    return next((words for kind, words in _WORDS.items() if value is not None and _is_type(kind, value)), "nothing")
