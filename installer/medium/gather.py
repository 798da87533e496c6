"""A site file and the files that it names, checked, and named as they will stand in the ISO."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from installer.medium.area import AREA_BYTES, SITE_NAME, is_area_name
from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import Site
from installer.site.load import LoadedSite, parse_site

_BELOW: Final = (
    "have it below the site file's folder, by a relative path of letters, digits and ._+@=,:~-, 100 characters at most"
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """`files` by their name in the ISO, `site.yaml` first, passwords among them; complete only where no problem is an error."""

    site: Site | None
    problems: tuple[Problem, ...]
    files: dict[str, bytes] = field(repr=False)


def load_gathered(path: Path) -> Gathered:
    """The site file at `path`, checked as `rackstrap check` does it, with the CSV of BMCs and the password files that it names.

    Raises RackstrapError (exit 2) when the site file cannot be read.
    """
    content = _load_file(path)
    loaded = parse_site(content, str(path))
    problems = [*_check(loaded), *_check_length(path, content)]
    files = {SITE_NAME: content}
    if loaded.site is not None and loaded.site.discovery.credentials:
        named, wrong = _gather_credentials(loaded, loaded.site.discovery.credentials)
        files |= named
        problems += wrong
    return Gathered(loaded.site, tuple(problems), files)


def make_digest(files: dict[str, bytes]) -> str:
    """The site file's SHA-256, hex: what `rackstrap.site_sha256=` would pin."""
    return hashlib.sha256(files[SITE_NAME]).hexdigest()


def _check(loaded: LoadedSite) -> list[Problem]:
    from installer.engine.prepare import find_role_dirs
    from installer.plan.roles import load_roles
    from installer.site.check import check_site

    roles, broken = load_roles(find_role_dirs())
    return [*check_site(loaded, None, roles), *broken]


def _check_length(path: Path, content: bytes) -> Iterator[Problem]:
    if len(content) > AREA_BYTES:
        message = f"the file is larger than the ISO's room for it, {AREA_BYTES} bytes"
        yield Problem(Place((), str(path), 1, 1), message, "serve it instead: rackstrap.site=https://…")


def _gather_credentials(loaded: LoadedSite, name: str) -> tuple[dict[str, bytes], list[Problem]]:
    """The CSV and the password files by their names in the ISO, and what is wrong with them."""
    from installer.power.credentials import load_credentials

    place = loaded.document.place(("discovery", "credentials"))
    base = Path(loaded.document.file).absolute().parent
    if not is_area_name(name) or name == SITE_NAME:
        return {}, [Problem(place, f"{name!r} cannot go into the ISO with this file", _BELOW)]
    csv = base / name
    try:
        content = _load_file(csv)
        credentials, problems = load_credentials(csv)
    except RackstrapError as error:
        return {}, [Problem(place, error.message, "have it there before you put this file into an ISO")]
    files = {name: content}
    for credential in credentials:
        if not credential.secret:
            continue
        secret = _place_secret(name, csv.absolute().parent, credential.secret)
        if secret is None or secret in {SITE_NAME, name}:
            message = f"the password file of {credential.address} cannot go into the ISO with this file"
            problems.append(Problem(Place((), str(csv), credential.line, 1), message, _BELOW))
        elif not problems:
            files[secret] = _load_file(Path(credential.secret))
    return files, problems


def _place_secret(csv: str, folder: Path, secret: str) -> str | None:
    try:
        relative = PurePosixPath(secret).relative_to(folder.as_posix())
    except ValueError:
        return None
    return _place_in(posixpath.dirname(csv), str(relative))


def _place_in(folder: str, name: str) -> str | None:
    """`name`, as written in a file in `folder`, relative to the site file's folder; None where it cannot stand in the ISO.

    `..` may only come first: where the file lands, a folder on the way back might not be there.
    """
    parts = [part for part in name.split("/") if part != "."]
    up = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    inside = posixpath.normpath(posixpath.join(folder, name))
    return inside if is_area_name(inside) and not name.startswith("/") and ".." not in parts[up:] else None


def _load_file(path: Path) -> bytes:
    """At most one byte more than the ISO has room for."""
    try:
        with path.open("rb") as file:
            return file.read(AREA_BYTES + 1)
    except OSError as error:
        raise RackstrapError(f"cannot read {path}: {error.strerror}", "name a file that exists and that you may read") from None
    except ValueError:
        raise RackstrapError("a file's name holds a NUL character", "name a file that exists") from None
