"""What pydantic found, in an operator's words: where, what is wrong, what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from installer.model.problems import Problem
from installer.site.addresses import shown
from installer.site.document import SiteDocument
from installer.site.tree import Document, Path


def make_problems(error: ValidationError, document: Document) -> list[Problem]:
    """One problem for each thing that pydantic refused, in the order of the file."""
    problems = [_make_problem(detail, document) for detail in error.errors(include_url=False)]
    return sorted(problems, key=lambda p: (p.place.line, p.place.column))


def find_path(loc: Iterable[str | int], data: Any) -> Path:
    """pydantic's location without the names of union branches: only keys and indexes, the last of which may be missing."""
    parts = tuple(part for part in loc if part != "[key]")
    path: list[str | int] = []
    here: Any = data
    for position, part in enumerate(parts):
        match here:
            case dict() if part in here:
                here = here[part]
            case list() if isinstance(part, int) and part < len(here):
                here = here[part]
            case dict() if position == len(parts) - 1:
                pass
            case _:
                continue
        path.append(part)
    return tuple(path)


def _make_problem(detail: ErrorDetails, document: Document) -> Problem:
    path = find_path(detail["loc"], document.data)
    kind, context = detail["type"], detail.get("ctx", {})
    at_key = kind in ("extra_forbidden", "missing") or detail["loc"][-1:] == ("[key]",)
    place = document.place(path, key=at_key)
    if kind == "missing" and len(path) > 1:
        place = document.place(path[:-1], key=isinstance(path[-2], str))
    if detail["loc"][-1:] == ("[key]",):
        message, hint = _explain_key(path, context.get("expected", ""))
    else:
        message, hint = _explain(kind, context, path, detail["input"])
    return Problem(place, message, hint)


def _explain(kind: str, context: dict[str, Any], path: Path, given: Any) -> tuple[str, str]:
    value = "one value" if path[:1] == ("access",) else _value(given)
    match kind:
        case "site":
            return f"{_name(path)}: {context['message']}", context["hint"]
        case "extra_forbidden":
            return _explain_unknown(path)
        case "missing":
            return _explain_missing(path)
        case "literal_error":
            return _explain_choice(path, context["expected"], given, value)
        case _:
            return _explain_type(kind, context, path, value)


def _explain_type(kind: str, context: dict[str, Any], path: Path, value: str) -> tuple[str, str]:
    wrong, hint = _TYPES.get(kind, ("is {value}, which does not belong here", "see `rackstrap schema`"))
    limits = {key: str(context.get(key, "")) for key in ("ge", "le", "max_length")}
    keys = _explain_keys(path)
    return f"{_name(path)} {wrong.format(value=value)}", hint.format(keys=keys, **limits)


_NUMBER = ("is {value}, not a whole number", "write digits only, without quotes")
_KEYS = ("is {value}, not keys with values", "{keys}")
_TYPES = {
    "bool_type": ("is {value}", "write true or false, without quotes"),
    "int_type": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing": _NUMBER,
    "greater_than_equal": ("is {value}, which is too small", "write {ge} or more"),
    "less_than_equal": ("is {value}, which is too large", "write {le} or less"),
    "list_type": ("must be a list, not {value}", "write [one, two], or each on a line of its own after `- `"),
    "too_short": ("is empty", "write at least one value, or leave the key out"),
    "too_long": ("has too many values", "write at most {max_length}"),
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
}


def _name(path: Path) -> str:
    return ".".join(str(part) for part in path).replace("[key]", "") or "the file"


def _value(given: Any) -> str:
    match given:
        case None:
            return "empty"
        case bool():
            return str(given).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return shown(getattr(given, "written", given))


def _explain_key(path: Path, expected: str) -> tuple[str, str]:
    words = _words(expected)
    near = difflib.get_close_matches(str(path[-1]), words, 1)
    hint = f"did you mean {near[0]}?" if near else f"keys here: {', '.join(words)}"
    return f"unknown key {shown(path[-1])} in {_name(path[:-1])}", hint


def _words(expected: str) -> list[str]:
    """The words of pydantic's "'one', 'two' or 'three'"."""
    return expected.replace("'", "").replace(" or ", ", ").split(", ")


def _explain_choice(path: Path, expected: str, given: Any, value: str) -> tuple[str, str]:
    words = _words(expected)
    name = _name(path)
    if name == "rackstrap":
        return f"rackstrap is {value}: this release reads format 1", "write rackstrap: 1, without quotes"
    if name == "erase":
        return f"erase is {value}", "write no, blank (disks without any signature), or a list: - {machine: …, disks: […]}"
    near = difflib.get_close_matches(str(given), words, 1)
    choice = f"did you mean {near[0]}? Choose" if near else "choose"
    return f"{name} is {value}", f"{choice} from {', '.join(words)}"


def _explain_unknown(path: Path) -> tuple[str, str]:
    known = find_keys(path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, 1, 0.55)
    where = f" in {_name(path[:-1])}" if path[:-1] else ""
    above = next((n for n in range(len(path) - 2, -1, -1) if path[-1] in find_keys(path[:n])), None)
    hint = f"did you mean {near[0]}?" if near else f"keys here: {', '.join(known)}"
    if above is not None and not near:
        hint = f"it belongs further left, in {_name(path[:above])}" if above else "it belongs at the left margin"
    return f"unknown key {shown(path[-1])}{where}", hint


_EXAMPLES = {
    "rackstrap": "rackstrap: 1",
    "name": "name: lab",
    "domain": "domain: lab.example",
    "admin": "admin: {address: 192.168.124.10}",
    "address": "address: 192.168.124.10",
    "match": "match: {serial: ABC123}",
    "nics": 'nics: ["?1g1"]',
    "machine": "machine: ABC123",
    "disks": "disks: [wwn-0x5000c500a1b2c3d4]",
}


def _explain_missing(path: Path) -> tuple[str, str]:
    key = str(path[-1])
    where = f"{_name(path[:-1])} has no {key}" if path[:-1] else f"{key} is missing"
    return where, f"add {_EXAMPLES.get(key, key + ': …')}"


def _explain_keys(path: Path) -> str:
    keys = find_keys(path)
    return f"write keys and values: {', '.join(keys)}" if keys else "write keys and values, like `key: value`"


def find_keys(path: Path) -> list[str]:
    """The keys that may stand at this path, in the order in which the schema describes them."""
    model = find_model(path)
    return list(model.model_fields) if model else []


def find_model(path: Path, model: type[BaseModel] = SiteDocument) -> type[BaseModel] | None:
    """The model whose keys stand at this path; None where no keys do."""
    if not path:
        return model
    info: FieldInfo | None = model.model_fields.get(str(path[0]))
    found = next(iter(_models(info.annotation)), None) if info else None
    if info is None or found is None:
        return None
    is_plain = info.annotation is found
    return find_model(path[1:] if is_plain else path[2:], found) if is_plain or len(path) > 1 else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
