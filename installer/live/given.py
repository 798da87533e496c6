"""A site file that was found, taken in: the files that it names put beside it, checked as a whole, and its consents judged.

All of it lies in the folder `given` of the state, for root alone: `apply --beside` and `install` find there what the file names.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from installer.engine.folders import swap_folder
from installer.engine.prepare import load_input
from installer.engine.schema import make_folder
from installer.live.sources import SITE_FILE, Part, Sighted
from installer.medium.area import is_area_name
from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import Site
from installer.power.credentials import parse_credentials
from installer.site.check import check_site
from installer.site.load import LoadedSite, load_site, parse_site
from installer.site.save import edit_site, save_text

FOLDER: Final = "given"
NOTES: Final = "given.json"
MOST_FILES: Final = 1000
MOST_BYTES: Final = 2**20  # of all password files: a live system has its memory alone
WITHIN_S: Final = 300.0
HINT: Final = "a password file holds one line; is it the right CSV?"


@dataclass(frozen=True, slots=True)
class Found:
    """A site file that was found, and what it names. `text` is what is carried out; `digest` of what was found.

    `site` is None when one of the problems is an error; then the state is as it was. `beside`: where its relative paths begin.
    `doubt`: why neither consents nor logins are taken from it, "" where they are. `withheld`: whether it had a consent, now `no`.
    """

    text: str = field(repr=False)
    source: str
    doubt: str
    beside: Path
    says: str
    digest: str
    site: Site | None = field(repr=False)
    problems: tuple[Problem, ...] = ()
    withheld: bool = False

    @property
    def is_trusted(self) -> bool:
        return not self.doubt

    @property
    def path(self) -> Path:
        return self.beside / SITE_FILE


def take(sighted: Sighted, state: Path) -> Found:
    """Judge a site file, and keep it in the state if it has no errors. Raises RackstrapError: a file cannot be got, or kept."""
    fresh, kept = state / f"{FOLDER}.new", state / FOLDER
    try:
        with _hold(state):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            try:
                found = _judge(sighted, fresh)
                if found.site is None:
                    return found
                swap_folder(fresh, kept)
                return replace(found, beside=kept)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise RackstrapError(f"cannot keep the site file in {state}: {error.strerror}", "free some space there") from error


@contextmanager
def _hold(state: Path) -> Iterator[None]:
    """One at a time: a headless start and the TUI may both take a file in."""
    make_folder(state)
    state.chmod(0o700)  # the boot may have made it for everybody
    (state / "run").mkdir(mode=0o700, exist_ok=True)
    lock = os.open(state / "run/given.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _judge(sighted: Sighted, folder: Path) -> Found:
    path = folder / SITE_FILE
    _save(path, sighted.content)
    doubts = [sighted.doubt, *_save_named(sighted, folder)]
    doubt = next(filter(None, doubts), "")
    text, site, wrong = _check(path)
    problems = tuple(_show(problem, folder, sighted.name) for problem in wrong)
    digest = sha256(sighted.content).hexdigest()
    found = Found(text, sighted.source, doubt, folder, sighted.says, digest, site, problems)
    if site is None or not doubt or site.erase == "no":
        return found
    text = withhold(path)
    return replace(found, text=text, site=load_input(path).site, withheld=True)


def _check(path: Path) -> tuple[str, Site | None, Iterable[Problem]]:
    """The file's text, its site unless a problem is an error, and every problem. What leads out of the folder is not opened."""
    loaded = load_site(path)
    strays = _find_strays(path, loaded)
    if strays:
        return loaded.document.text, None, (*check_site(loaded), *strays)
    given = load_input(path)
    return given.document.text, given.site, given.problems


def withhold(path: Path) -> str:
    """Take every consent out of a site file, in place; gives the new text. Raises RackstrapError rather than leaving one in."""
    loaded = load_site(path)
    text = edit_site(loaded, {("erase",): "no"})
    after = parse_site(text.encode(), str(path))
    if after.site is None or after.site.erase != "no":
        raise RackstrapError("the site file's consents cannot be taken out of it", "write erase: no, or pin the file")
    save_text(path, text)
    return text


def _save_named(sighted: Sighted, folder: Path) -> Iterator[str]:
    """Get the CSV that the site names and the password files that this one names. Gives each one's doubt."""
    site = parse_site(sighted.content, SITE_FILE).site
    name = site.discovery.credentials if site is not None else ""
    if not is_area_name(name) or name == SITE_FILE:
        return
    part = _read_named(sighted, name)
    _save(folder / name, part.content)
    yield part.doubt
    left, ends_at = MOST_BYTES, time.monotonic() + WITHIN_S
    text = part.content.decode("utf-8", errors="replace")
    credentials, _ = parse_credentials(text, folder / name)
    secrets = {os.path.relpath(credential.secret, folder) for credential in credentials if credential.secret}
    for secret in sorted(secrets)[:MOST_FILES]:
        if is_area_name(secret) and secret not in (SITE_FILE, name):
            part = _read_named(sighted, secret)
            left -= len(part.content)
            if left < 0 or time.monotonic() > ends_at:
                raise RackstrapError(f"{name} names more than can be taken in, or from too slow a place", HINT, exit_code=1)
            _save(folder / secret, part.content)
            yield part.doubt


def _read_named(sighted: Sighted, name: str) -> Part:
    try:
        return sighted.read(name)
    except (RackstrapError, OSError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        hint = getattr(error, "hint", "") or "put it beside the site file"
        raise RackstrapError(f"the site file names {name}, which cannot be got: {what}", hint, exit_code=1) from None


def _find_strays(path: Path, loaded: LoadedSite) -> list[Problem]:
    """Names that lead out of the folder. A file that came from elsewhere must not have this machine's own files read and sent."""
    name = loaded.site.discovery.credentials if loaded.site is not None else ""
    if not name:
        return []
    hint = f"name a file beside {SITE_FILE}, by a relative path without .., of letters, digits and ._+@=,:~-"
    if not is_area_name(name) or name == SITE_FILE:
        place = loaded.document.place(("discovery", "credentials"))
        return [Problem(place, "discovery.credentials leads out of the site file's folder", hint)]
    folder = path.parent
    credentials, _ = parse_credentials((folder / name).read_text(encoding="utf-8", errors="replace"), folder / name)
    return [
        Problem(Place((), str(folder / name), one.line, 1), "this line's secret leads out of the site file's folder", hint)
        for one in credentials
        if one.secret and not is_area_name(os.path.relpath(one.secret, folder))
    ]


def _save(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _show(problem: Problem, folder: Path, called: str) -> Problem:
    """The problem with the file called as the operator knows it."""
    place = PurePosixPath(problem.place.file)
    name = str(place.relative_to(folder)) if place.is_relative_to(folder) else problem.place.file
    shown = called if name == SITE_FILE else name
    message, hint = (text.replace(f"{folder}/", "") for text in (problem.message, problem.hint))
    return replace(problem, place=replace(problem.place, file=shown), message=message, hint=hint)


def save_note(state: Path, found: Found) -> None:
    """Remember which file the state's site was given by."""
    save_text(state / NOTES, json.dumps({"digest": found.digest, "says": found.says}) + "\n")


def load_digest(state: Path) -> str:
    """The digest of the file that the state's site was given by; "" where none was."""
    try:
        return str(json.loads((state / NOTES).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
