"""YAML text → plain values, with the line and column of every key and value. Hostile text gives problems, never more.

YAML 1.2.2, core schema (section 10.3.2): `no`, `on` and `12:30` are text. Aliases work, within limits; tags, merge keys
and other directives are refused, because a site file has no use for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from installer.model.problems import Place, Problem
from installer.site.core_schema import parse_scalar

MAX_DEPTH: Final = 24
MAX_ALIASED: Final = 10_000  # values that aliases may add

Path = tuple[str | int, ...]

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(slots=True)
class _Node:
    """One value as written: a scalar, a list of nodes, or keys (with their own place) and nodes."""

    value: Any
    line: int
    column: int
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

    node: _Node
    anchor: str | None
    key: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as read. `data` is plain values; places say where each key path is written."""

    file: str
    text: str = field(repr=False)
    data: Any = field(default=None, repr=False)
    values: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    keys: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where this key path is written; its nearest parent where it is not. `key`: the key, not its value."""
        if key and path in self.keys:
            return Place(path, self.file, *self.keys[path])
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found:
                return Place(path, self.file, *found)
        return Place(path, self.file, 1, 1)


def parse_tree(text: str, file: str) -> tuple[Document, list[Problem]]:
    """Read YAML text. With problems, `data` holds what could be read before the first syntax error, or None."""
    control = _CONTROL.search(text)
    if control:
        before = text[: control.start()]
        place = Place((), file, before.count("\n") + 1, control.start() - (before.rfind("\n") + 1) + 1)
        message = f"the file holds the control character U+{ord(control[0]):04X}"
        return Document(file, text), [Problem(place, message, "write it as plain UTF-8 text")]
    builder = _Builder(file)
    root = builder.build(text)
    if root is None:
        return Document(file, text), builder.problems
    values: dict[Path, tuple[int, int]] = {}
    keys: dict[Path, tuple[int, int]] = {}
    data = _flatten(root, (), values, keys)
    return Document(file, text, data, values, keys), builder.problems


class _Builder:
    """Turns the parser's events into one tree, without recursion, so that depth is ours to limit."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._anchors: dict[str, _Node] = {}
        self._open: list[_Open] = []
        self._root: _Node | None = None
        self._aliased = 0
        self._documents = 0

    def build(self, text: str) -> _Node | None:
        """The root; None after an error that leaves nothing worth reading on."""
        try:
            for event in _events(text):
                if not self._take(event):
                    return None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            words = " ".join(str(error.problem or error.context or "it cannot be read").split())
            self._report(line, column, f"this is not YAML: {words[:200]}", _find_hint(words))
            return None
        except YAMLError as error:
            self._report(1, 1, f"this is not YAML: {' '.join(str(error).split())[:120]}", "write it as plain UTF-8 text")
            return None
        return self._root

    def _report(self, line: int, column: int, message: str, hint: str) -> None:
        self.problems.append(Problem(Place((), self.file, line, column), message, hint))

    def _take(self, event: Event) -> bool:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        match event:
            case DocumentStartEvent():
                return self._start_document(event, line, column)
            case AliasEvent():
                return self._take_alias(event, line, column)
            case ScalarEvent():
                return self._take_scalar(event, line, column)
            case MappingStartEvent() | SequenceStartEvent():
                return self._start_collection(event, line, column)
            case MappingEndEvent() | SequenceEndEvent():
                done = self._open.pop()
                return self._place(done.node, done.anchor)
            case _:
                return True

    def _start_document(self, event: DocumentStartEvent, line: int, column: int) -> bool:
        self._documents += 1
        if self._documents > 1:
            self._report(
                line, column, "a second document begins here", "a site file is one document; remove this `---` and what follows"
            )
            return False
        if event.tags or (event.version is not None and tuple(event.version) != (1, 2)):
            self._report(1, 1, "the file asks for another YAML by a % line", "remove the line; site files are YAML 1.2")
            return False
        return True

    def _take_alias(self, event: AliasEvent, line: int, column: int) -> bool:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._report(
                line, column, f"*{event.anchor[:40]} repeats an anchor that does not end before here", "write the value out"
            )
            return False
        self._aliased += node.size
        if self._aliased > MAX_ALIASED or len(self._open) + node.height > MAX_DEPTH:
            self._report(line, column, "the aliases of this file unfold to too much", "write the values out")
            return False
        return self._place(_Node(node.value, line, column, node.size, node.height), None)

    def _take_scalar(self, event: ScalarEvent, line: int, column: int) -> bool:
        self._refuse_tag(event, line, column)
        if self._open and isinstance(self._open[-1].node.value, dict) and self._open[-1].key is None:
            self._take_key(event, line, column)
            return True
        value = event.value if event.style else parse_scalar(event.value)
        return self._place(_Node(value, line, column), event.anchor)

    def _take_key(self, event: ScalarEvent, line: int, column: int) -> None:
        opened, key = self._open[-1], event.value
        if event.anchor:
            self._anchors[event.anchor] = _Node(key, line, column)
        if key == "<<" and not event.style:
            self._report(line, column, "`<<` (merge) is not part of YAML 1.2", "write the keys out")
        opened.key = (key, line, column)

    def _start_collection(self, event: MappingStartEvent | SequenceStartEvent, line: int, column: int) -> bool:
        self._refuse_tag(event, line, column)
        if len(self._open) >= MAX_DEPTH:
            self._report(
                line, column, f"values are nested more than {MAX_DEPTH} deep", "a site file needs no more than six levels"
            )
            return False
        if self._open and isinstance(self._open[-1].node.value, dict) and self._open[-1].key is None:
            self._report(line, column, "a key must be a word, not a list or a mapping", "check for a stray `?`, `[` or `{`")
            return False
        empty: Any = {} if isinstance(event, MappingStartEvent) else []
        self._open.append(_Open(_Node(empty, line, column), event.anchor))
        return True

    def _refuse_tag(self, event: NodeEvent, line: int, column: int) -> None:
        if getattr(event, "tag", None):
            self._report(line, column, "tags (`!…`) have no meaning in a site file", "remove the tag")

    def _place(self, node: _Node, anchor: str | None) -> bool:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return True
        parent = self._open[-1]
        parent.node.size += node.size
        parent.node.height = max(parent.node.height, node.height + 1)
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
            return True
        if parent.key is None:
            self._report(node.line, node.column, "an alias stands where a key belongs", "write the key out")
            return False
        key, line, column = parent.key
        parent.key = None
        if key in parent.node.value:
            first = parent.node.value[key][0]
            self._report(line, column, f"the key `{key[:60]}` is here twice (first on line {first[0]})", "keep one of them")
        elif key != "<<":
            parent.node.value[key] = ((line, column), node)
        return True


_HINTS: Final = {
    "'\\t'": "indent with spaces, not with tabs",
    "node content, but found '?'": 'within [ ] and { }, put names like "?1g1" in quotes',
    "'@'": "put a value that begins with @ in quotes",
    "'`'": "put a value that begins with ` in quotes",
    "'%'": "put a value that begins with % in quotes",
    "mapping values are not allowed": "put a value that holds `: ` in quotes, or check the indentation",
    "while scanning a quoted scalar": "close the quotes",
    "unexpected end of stream": "close the quotes",
    "expected ',' or": "close the bracket, or put a comma between the values",
    "expected <block end>": "indent the keys of one section alike",
    "could not find expected ':'": "write a colon and a space after the key",
}


def _find_hint(words: str) -> str:
    return next((hint for part, hint in _HINTS.items() if part in words), "check indentation, colons, quotes and brackets here")


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _flatten(node: _Node, path: Path, values: dict[Path, tuple[int, int]], keys: dict[Path, tuple[int, int]]) -> Any:
    values[path] = (node.line, node.column)
    if isinstance(node.value, dict):
        flat = {}
        for key, (place, child) in node.value.items():
            keys[(*path, key)] = place
            flat[key] = _flatten(child, (*path, key), values, keys)
        return flat
    if isinstance(node.value, list):
        return [_flatten(child, (*path, index), values, keys) for index, child in enumerate(node.value)]
    return node.value
