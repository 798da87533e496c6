"""Read a site file into a Site. Everything wrong with it is a problem with line and column; nothing raises but `unreadable`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError

from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import Site
from installer.site.document import SiteDocument
from installer.site.explain import make_problems
from installer.site.findings import sort_problems
from installer.site.make import make_site
from installer.site.tree import Document, parse_tree

MAX_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site file as read. `site` is None when its shape is wrong; `problems` then says where.

    Its repr shows problems alone: a file that is wrong may hold a password or a private key in any place.
    """

    site: Site | None = field(repr=False)
    problems: tuple[Problem, ...]
    document: Document = field(repr=False)


def load_site(path: str | FilePath) -> LoadedSite:
    """Read and shape a site file.

    `problems` holds only what stops it from being read; `check_site` gives these and all others.
    Raises RackstrapError (exit 2) when the file cannot be opened or is not a file of sensible size.
    """
    file = FilePath(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RackstrapError(
            f"cannot read {path}: {error.strerror}", "name a site file that exists and that you may read"
        ) from None
    except ValueError:
        raise RackstrapError("the file's name holds a NUL character", "name a site file that exists") from None
    if len(content) > MAX_BYTES:
        raise RackstrapError(f"{path} is larger than {MAX_BYTES // 1024 // 1024} MiB", "name a site file")
    return parse_site(content, str(path))


def parse_site(content: bytes, file: str) -> LoadedSite:
    """As load_site, from the bytes of a file. Never raises."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place((), file, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        problem = Problem(place, f"byte 0x{content[error.start]:02X} is not UTF-8", "save the file as UTF-8 text")
        return LoadedSite(None, (problem,), Document(file, ""))
    return shape_document(*parse_tree(text, file))


def shape_document(document: Document, problems: Iterable[Problem] = ()) -> LoadedSite:
    """As parse_site, from YAML that was read already, with what was wrong with it."""
    found = list(problems)
    if document.data is None or not isinstance(document.data, dict):
        if not found:
            found = [Problem(Place((), document.file, 1, 1), "the file holds no keys", "begin with rackstrap: 1")]
        return LoadedSite(None, sort_problems(found), document)
    parsed, refused = _parse_document(document)
    found += refused
    if parsed is None:
        return LoadedSite(None, sort_problems(found), document)
    site, unmade = make_site(parsed, document)
    return LoadedSite(site, sort_problems([*found, *unmade]), document)


def _parse_document(document: Document) -> tuple[SiteDocument | None, list[Problem]]:
    """The validated document. Unknown keys alone do not stop the rest from being checked."""
    data = {key: value for key, value in document.data.items() if value is not None or key not in SiteDocument.model_fields}
    try:
        return SiteDocument.model_validate(data), []
    except ValidationError as error:
        problems = make_problems(error, document)
        unknown = [detail["loc"] for detail in error.errors(include_url=False) if detail["type"] == "extra_forbidden"]
        if len(unknown) != error.error_count():
            return None, problems
    try:
        return SiteDocument.model_validate(_without(data, {tuple(loc) for loc in unknown})), problems
    except ValidationError:
        return None, problems


def _without(value: Any, unknown: set[tuple[int | str, ...]], path: tuple[int | str, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, unknown, (*path, k)) for k, v in value.items() if (*path, k) not in unknown}
    if isinstance(value, list):
        return [_without(v, unknown, (*path, i)) for i, v in enumerate(value)]
    return value
