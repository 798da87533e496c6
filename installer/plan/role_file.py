"""role.yaml: its text → a Role, or problems with line and column. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from installer.model.problems import Place, Problem
from installer.model.site import Value
from installer.plan.options import check_value
from installer.plan.roles import Count, Hardware, Option, OptionType, Role

Part = str | int
Label = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
T = TypeVar("T")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Count(_Shape):
    min: int = Field(default=0, ge=0)
    max: int = Field(default=0, ge=0)
    odd: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> _Count:
        if self.max and self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}")
        return self


class _Hardware(_Shape):
    min_memory_gb: int = Field(default=0, ge=0)
    min_disks: int = Field(default=0, ge=0)
    min_cores: int = Field(default=0, ge=0)
    min_nics: int = Field(default=0, ge=0)
    prefers: Literal["", "memory", "disks", "cores", "small"] = ""


class _Option(_Shape):
    type: OptionType
    default: Any = None
    help: str = ""
    min: float | int | None = None
    max: float | int | None = None
    choices: list[Any] = Field(default_factory=list)
    items: dict[str, OptionType] = Field(default_factory=dict)


class _Role(_Shape):
    title: str = Field(min_length=1)
    needs: list[str] = Field(default_factory=list)
    count: _Count = Field(default_factory=_Count)
    unique: bool = False
    everywhere: bool = False
    admin_allowed: bool = True
    conflicts: list[str] = Field(default_factory=list)
    hardware: _Hardware = Field(default_factory=_Hardware)
    networks: list[str] = Field(default_factory=list)
    options: dict[str, _Option] = Field(default_factory=dict)
    verify: list[str] = Field(default_factory=list)


def parse_role(
    text: str, name: str, file: str = "role.yaml", folder: Path | None = None
) -> tuple[Role | None, tuple[Problem, ...]]:
    """The role that this role.yaml describes, and what is wrong with it. Never raises for any text."""
    try:
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        place = Place((), file, line, column)
        return None, (Problem(place, f"is no YAML: {error.problem or error.context}", "correct the line"),)
    except (YAMLError, ValueError, RecursionError) as error:
        return None, (Problem(Place((), file, 1, 1), f"is no YAML: {error}", "correct the file"),)
    if not isinstance(tree, CommentedMap):
        return None, (Problem(Place((), file, 1, 1), "holds no keys", "begin with `title: …`"),)
    try:
        shape = _Role.model_validate(_plain(tree))
    except ValidationError as error:
        return None, tuple(_make_problem(e["loc"], str(e["msg"]), tree, file) for e in error.errors())
    role = _make_role(shape, name, folder or Path(file).parent)
    problems = [
        Problem(_find_place(("options", option.name, "default"), tree, file), f"{option.name}: {message}", hint)
        for option in role.options.values()
        for message, hint in check_value(option, option.default)
    ]
    return (None if problems else role), tuple(problems)


def _make_role(shape: _Role, name: str, folder: Path) -> Role:
    options = {
        key: Option(key, o.type, o.default, o.help, o.min, o.max, tuple(o.choices), dict(o.items))
        for key, o in shape.options.items()
    }
    return Role(
        name,
        shape.title,
        tuple(shape.needs),
        Count(shape.count.min, shape.count.max, shape.count.odd),
        shape.unique,
        shape.everywhere,
        shape.admin_allowed,
        tuple(shape.conflicts),
        Hardware(**shape.hardware.model_dump()),
        tuple(shape.networks),
        options,
        tuple(shape.verify),
        folder,
    )


def _plain(value: Any) -> Value:
    """ruamel's tree as plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _make_problem(loc: tuple[Part, ...], message: str, tree: CommentedMap, file: str) -> Problem:
    path = ".".join(str(part) for part in loc)
    text = message.removeprefix("Value error, ")
    return Problem(
        _find_place(loc, tree, file), f"{path}: {text[:1].lower()}{text[1:]}", "see installer/roles/base/role.yaml for an example"
    )


def _find_place(path: tuple[Part, ...], tree: CommentedMap, file: str) -> Place:
    """The place of the deepest part of `path` that the file has."""
    line, column = 1, 1
    node: Any = tree
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            line, column = (n + 1 for n in node.lc.key(part))
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, column = (n + 1 for n in node.lc.item(part))
        else:
            break
        node = node[part]
    return Place(path, file, line, column)
