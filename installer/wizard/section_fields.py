"""The fields of a site-file section, read from the models that shape it: what is asked, how it is shown, what typed text means.

Nothing here knows a section by name: a key that is added to a model is asked for, shown and checked by itself.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from installer.model.problems import Place, Problem
from installer.model.site import Value
from installer.site.core_schema import make_plain
from installer.site.save import REMOVED, Edit
from installer.site.tree import Path, parse_tree
from installer.wizard.page import Kind

Form = Literal["text", "whole", "number", "flag", "list", "keys", "secret", "yaml"]
LONGEST: Final = 4096  # characters that a typed value may have; an RSA key of 16384 bits takes 2,800
_CAPITALS: Final = frozenset({"dns", "ntp", "dhcp", "vlan", "mtu", "bmc", "ssh", "wwn", "gb", "mac", "uuid"})
_WORDS: Final = {**{word: word.upper() for word in _CAPITALS}, "timezone": "time zone", "nics": "network cards"}
_YES: Final = {"yes": True, "true": True, "no": False, "false": False}
_KINDS: Final[dict[Form, Kind]] = {
    "text": "text", "whole": "number", "number": "number", "flag": "flag", "list": "list", "keys": "keys", "secret": "secret",
    "yaml": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of the site file that a person may type. `form`: how its text is read. `choices`: every value admitted."""

    path: Path
    form: Form
    label: str
    help: str = ""
    choices: tuple[Value, ...] = ()
    default: Value = None  # of its key; the site's own default, as a network's, comes first
    is_required: bool = False

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def kind(self) -> Kind:
        return "choice" if self.choices else _KINDS[self.form]


@dataclass(frozen=True, slots=True)
class Entries:
    """A part of the file that holds several of a kind: by name, or (`is_list`) one after the other."""

    path: Path
    model: type[BaseModel]
    label: str
    help: str = ""
    is_list: bool = False


def find_parts(info: FieldInfo, path: Path) -> list[Leaf | Entries]:
    """What is asked for one key of a model, with the keys below it."""
    help_text = info.description or ""
    kind = strip_annotation(info.annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [part for name, inner in kind.model_fields.items() for part in find_parts(inner, (*path, name))]
    entry = find_entry_model(kind)
    if entry is not None:
        return [Entries(path, entry, make_label(path), help_text, get_origin(kind) is list)]
    names = _find_names(kind)
    if names:
        return [Leaf((*path, name), "text", make_label((*path, name)), help_text) for name in names]
    default = None if info.is_required() else info.get_default()
    return [Leaf(path, _find_form(kind, str(path[-1])), make_label(path), help_text, _choices(kind), default, info.is_required())]


def strip_annotation(kind: Any) -> Any:
    """The type that is meant, without what validates it and without None."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        others = [strip_annotation(part) for part in get_args(kind) if part is not type(None)]
        return others[0] if len(others) == 1 else str if all(_is_leaf(part) for part in others) else kind
    return kind


def _is_leaf(kind: Any) -> bool:
    return isinstance(kind, type) and not issubclass(kind, BaseModel | list | dict)


def find_entry_model(kind: Any) -> type[BaseModel] | None:
    """The model of each entry of a mapping or list; None where entries are plain values."""
    arguments = get_args(kind)
    if get_origin(kind) not in (dict, list) or not arguments:
        return None
    inner = strip_annotation(arguments[-1])
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _find_names(kind: Any) -> tuple[str, ...]:
    """The keys of a mapping whose keys are known words and whose values are plain."""
    if get_origin(kind) is not dict or get_origin(strip_annotation(get_args(kind)[0])) is not Literal:
        return ()
    return tuple(str(name) for name in get_args(strip_annotation(get_args(kind)[0])))


def _find_form(kind: Any, name: str) -> Form:
    if get_origin(kind) is list:
        return "keys" if name == "ssh_keys" else "list" if _is_leaf(strip_annotation(get_args(kind)[0])) else _literals(kind)
    if get_origin(kind) is Literal or kind is str or (_is_leaf(kind) and kind not in (bool, int, float)):
        return "secret" if name == "password_hash" else "text"
    forms: dict[Any, Form] = {bool: "flag", int: "whole", float: "number"}
    return forms.get(kind, "yaml")


def _literals(kind: Any) -> Form:
    return "list" if get_origin(strip_annotation(get_args(kind)[0])) is Literal else "yaml"


def _choices(kind: Any) -> tuple[Value, ...]:
    return tuple(get_args(kind)) if get_origin(kind) is Literal else ()


def make_label(path: Path) -> str:
    """`dns_forwarders` as DNS forwarders; a key within another as `range dhcp`."""
    words = (
        " ".join(str(part) for part in path[-2 if path[-2:-1] in (("ranges",), ("disk",)) else -1 :]).replace("_", " ").split()
    )
    text = " ".join(_WORDS.get(word, word) for word in words).replace("ranges ", "range ")
    return text[:1].upper() + text[1:]


def parse_typed(leaf: Leaf, text: str) -> Edit | Problem:
    """What the text means for this value; nothing typed takes the value out. A Problem says what to type instead."""
    text = text.strip()
    if len(text) > LONGEST:
        return _wrong(leaf, f"is longer than {LONGEST} characters", "type less: nothing here needs as much")
    if not text.isprintable():
        return _wrong(leaf, "holds control characters", "type it anew, as plain text on one line")
    if not text:
        return _wrong(leaf, "is needed", "type a value") if leaf.is_required else REMOVED
    if leaf.choices:
        found = next((choice for choice in leaf.choices if spell(choice) == text), None)
        return (
            found if found is not None else _wrong(leaf, "is none of these", f"choose from {', '.join(map(spell, leaf.choices))}")
        )
    return _parse_form(leaf, text)


def _parse_form(leaf: Leaf, text: str) -> Edit | Problem:
    match leaf.form:
        case "whole" | "number":
            return _parse_number(leaf, text)
        case "flag":
            found = _YES.get(text.lower())
            return found if found is not None else _wrong(leaf, "is yes or no", "type yes or no")
        case "list":
            items: list[Value] = [item.strip() for item in text.strip("[]").split(",") if item.strip()]
            return items or REMOVED
        case "yaml":
            document, problems = parse_tree(text, leaf.label)
            return _wrong(leaf, "cannot be read", problems[0].hint) if problems else make_plain(document.data)
        case _:
            return text


def _parse_number(leaf: Leaf, text: str) -> Edit | Problem:
    try:
        return int(text) if leaf.form == "whole" or text.lstrip("+-").isdecimal() else float(text)
    except (ValueError, OverflowError):
        return _wrong(leaf, "is not a number", "type digits only" if leaf.form == "whole" else "type digits, like 0.5")


def _wrong(leaf: Leaf, what: str, hint: str) -> Problem:
    return Problem(Place(leaf.path), f"{leaf.label} {what}", hint)


def show(leaf: Leaf, value: Value) -> str:
    """The value in a cell: secrets as set or not set, lists with commas, nothing as -."""
    if leaf.form == "secret":
        return "set" if value else "not set"
    if leaf.form == "keys":
        count = len(value) if isinstance(value, list) else 0
        return f"{count} key{'' if count == 1 else 's'}" if count else "none"
    return spell_typed(leaf, value) or "-"


def spell_typed(leaf: Leaf, value: Value) -> str:
    """The text that, typed, gives this value; "" for a secret, for keys (each is typed anew), and for nothing."""
    if value is None or value in ([], {}) or leaf.form in ("secret", "keys"):
        return ""
    if isinstance(value, list) and leaf.form != "yaml":
        return ", ".join(spell(item) for item in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else spell(value)


def spell(value: Value) -> str:
    """One plain value as a word."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def find_leaves(parts: list[Leaf | Entries]) -> Iterator[Leaf]:
    """Those parts that are single values."""
    return (part for part in parts if isinstance(part, Leaf))
