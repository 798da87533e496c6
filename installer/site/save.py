"""Change a site file at key paths and save it: comments and order stay, and what is not changed reads the same as before."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from installer.model.problems import RackstrapError
from installer.model.site import Value
from installer.site.core_schema import make_plain
from installer.site.load import LoadedSite
from installer.site.splice import Indents, guess_indents, splice_edits
from installer.site.tree import Document, Path, parse_tree


class Removed:
    """Stands for a value that is to be taken out of the file."""


REMOVED: Final = Removed()
Edit = Value | Removed


def edit_site(loaded: LoadedSite, edits: Mapping[Path, Edit]) -> str:
    """The file's text with these values set (or REMOVED); mappings on the way are made where they are missing.

    Without a change the text is the same, byte for byte. Raises RackstrapError when a path does not fit the file,
    and when the file uses YAML that cannot be changed without altering something else.
    """
    return edit_document(loaded.document, edits).text


def edit_document(document: Document, edits: Mapping[Path, Edit]) -> Document:
    """As edit_site: the changed text as it reads."""
    if not isinstance(document.data, dict):
        raise RackstrapError(f"{document.file} cannot be changed: it holds no keys", "run `rackstrap check` on it")
    before = make_plain(document.data)
    after = set_values(before, edits)
    if after == before and _same_types(after, before):
        return document
    fresh = _read_if_right(_splice(document, edits), document.file, after)
    fresh = fresh or _read_if_right(_render(document.text, edits), document.file, after)
    if fresh is None:
        raise RackstrapError(
            f"{document.file} cannot be changed without altering other values",
            "write aliases (`*name`) out, or edit it by hand",
        )
    return fresh


def _splice(document: Document, edits: Mapping[Path, Edit]) -> str | None:
    try:
        return splice_edits(document, edits, REMOVED, _render)
    except (RackstrapError, LookupError):  # a piece by itself is no YAML: it refers to another, or is laid out unusually
        return None


def _read_if_right(text: str | None, file: str, wanted: Any) -> Document | None:
    """What the text reads as; None where that is not what is wanted."""
    if text is None:
        return None
    document, problems = parse_tree(text, file)
    return None if problems or make_plain(document.data) != wanted else document


def set_values(data: Any, edits: Mapping[Path, Edit]) -> Any:
    """A copy of a document's data with these values set, as edit_site would set them. Raises RackstrapError as it does."""
    after = copy.deepcopy(data)
    for path, value in edits.items():
        _set(after, path, value, {})
    return after


def _same_types(one: Any, other: Any) -> bool:
    """Equal values are the same text only with equal types: 1, 1.0 and true are equal to Python."""
    return repr(one) == repr(other)


def _render(text: str, edits: Mapping[Path, Edit], indents: Indents | None = None) -> str:
    mapping, dash = indents or guess_indents(text.split("\n"), (2, 2))
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    try:
        data = yaml.load(text)
        yaml.indent(mapping=mapping, sequence=dash + 2, offset=dash)
        for path, value in edits.items():
            _set(data, path, value, CommentedMap())
            _drop_comment_of_empty(data, path)
        stream = io.StringIO()
        yaml.dump(data, stream)
    except YAMLError:
        raise RackstrapError("this file's YAML cannot be changed by program", "edit it by hand") from None
    return stream.getvalue()


def _drop_comment_of_empty(data: Any, path: Path) -> None:
    """ruamel writes `{}` on a line of its own, at the margin, where the key of an emptied section keeps its comment."""
    if len(path) < 2:
        return
    emptied = above = data
    for part in path[:-1]:
        above, emptied = emptied, emptied.get(part) if isinstance(emptied, dict) else emptied[part]
        if emptied is None:
            return
    if not emptied:
        above.ca.items.pop(path[-2], None)
        above[path[-2]] = CommentedMap() if isinstance(path[-1], str) else CommentedSeq()


def _set(data: Any, path: Path, value: Edit, empty: Any) -> None:
    """Set one value in nested mappings and lists; `empty` is copied where a mapping is missing."""
    if not path:
        raise RackstrapError("the whole file cannot be set at once", "name a key path")
    here = data
    for part, following in pairwise(path):
        if value is REMOVED and isinstance(here, dict) and here.get(str(part)) is None:
            return
        here = _step(here, part, path, _make_empty(empty, following))
    last = path[-1]
    if isinstance(here, dict) and isinstance(last, str):
        if value is REMOVED:
            here.pop(last, None)
        else:
            here[last] = _copy(value, empty)
    elif isinstance(here, list) and isinstance(last, int) and 0 <= last <= len(here):
        _set_item(here, last, value, empty)
    else:
        raise _misfit(path)


def _make_empty(empty: Any, key: str | int) -> Any:
    """What is put where nothing stands yet, so that this key fits into it: a list for a position, else a mapping."""
    if isinstance(key, str):
        return empty.copy()
    return CommentedSeq() if isinstance(empty, CommentedMap) else []


def _step(here: Any, part: str | int, path: Path, empty: Any) -> Any:
    if isinstance(here, dict) and isinstance(part, str):
        if here.get(part) is None:
            here[part] = empty
        return here[part]
    if isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here):
        return here[part]
    raise _misfit(path)


def _set_item(here: list[Any], index: int, value: Edit, empty: Any) -> None:
    if value is REMOVED:
        del here[index : index + 1]
    elif index == len(here):
        if not here and isinstance(here, CommentedSeq):
            here.fa.set_block_style()  # `[]` cannot be written in any other style; what follows it can
        here.append(_copy(value, empty))
    else:
        here[index] = _copy(value, empty)


def _misfit(path: Path) -> RackstrapError:
    return RackstrapError(f"there is no place {'.'.join(map(str, path))} in this file", "name keys and list positions that exist")


def _copy(value: Any, empty: Any) -> Any:
    """A copy in ruamel's types, so that the emitter treats it as what stands around it."""
    if not isinstance(empty, CommentedMap):
        return make_plain(value)
    if isinstance(value, dict):
        return CommentedMap({key: _copy(item, empty) for key, item in value.items()})
    if isinstance(value, list):
        return CommentedSeq([_copy(item, empty) for item in value])
    return value


def save_text(path: str | FilePath, text: str) -> None:
    """Write a site file so that it is never half there, and readable by its owner only. Raises RackstrapError."""
    file = FilePath(path)
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            os.fchmod(handle, 0o600)
            stream.write(text)
            stream.flush()
            os.fsync(handle)
        fresh.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise RackstrapError(f"cannot save {path}: {error.strerror}", "free some space, or choose another place") from None


def _sync_folder(folder: FilePath) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_site(loaded: LoadedSite, edits: Mapping[Path, Edit]) -> str:
    """Change the file that was loaded, in place. Gives the new text."""
    text = edit_site(loaded, edits)
    save_text(loaded.document.file, text)
    return text
