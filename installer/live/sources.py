"""Where a site file may be: each place looked at by itself, then chosen between in the order of design.md.

A place that has none is passed over; one that has something wrong ends the search, so that what the operator meant is never
replaced by something that a network offers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

from installer.live.boot import SITE_AREA, Boot
from installer.live.fetch import MOST_BYTES, Fetched, Limits, fetch
from installer.live.identity import Identity
from installer.live.lease import LEASES, OPTION, find_urls
from installer.live.volumes import BY_ID, LABEL, Volume, find_volumes, list_files, read_path
from installer.live.word import Pins, check_url, parse_pins, parse_word, show_url
from installer.medium.area import AREA_BYTES, parse_site_area
from installer.model.problems import RackstrapError

SITE_FILE: Final = "site.yaml"
Source = Literal["word", "volume", "iso", "dhcp"]
PLAIN: Final = "it came by plain HTTP, where anybody on the way can change it"
GIVEN: Final = "its address came by DHCP, where anybody on the segment can answer"


@dataclass(frozen=True, slots=True)
class Part:
    """A file that the site names. `doubt`: why it may be somebody else's; "" where it may not."""

    content: bytes = field(repr=False)
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Sighted:
    """A site file as it was found. `read` gives the files that it names, by relative path, and raises RackstrapError.

    `says`: where it is, in words; `name`: what it is called there. `doubt`: why it carries no consent to erase; "" where it does.
    """

    content: bytes = field(repr=False)
    source: Source
    says: str
    name: str
    doubt: str
    read: Callable[[str], Part] = field(repr=False, compare=False)

    @property
    def is_trusted(self) -> bool:
        return not self.doubt


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing there. `says`: what was looked at."""

    says: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something is meant to be there, and cannot be taken."""

    says: str
    hint: str = ""


Look = Sighted | Absent | Wrong


def choose(looks: Iterable[Look]) -> tuple[Sighted | None, tuple[Absent | Wrong, ...]]:
    """The first site file, and what was seen before it; nothing behind a place where something is wrong is looked at."""
    passed: list[Absent | Wrong] = []
    for look in looks:
        if isinstance(look, Sighted):
            return look, tuple(passed)
        passed.append(look)
        if isinstance(look, Wrong):
            break
    return None, tuple(passed)


@dataclass(frozen=True, slots=True)
class Places:
    """Where this machine looks. All fields but the first two are as they are on the live system."""

    boot: Boot
    identity: Identity
    area: Path = SITE_AREA
    leases: Path = LEASES
    volumes: Callable[[], tuple[Volume, ...]] = find_volumes
    devices: Path = BY_ID
    limits: Limits = field(default_factory=Limits)

    def look(self, *, is_settled: bool = True) -> Iterable[Look]:
        """Place by place, each looked at when it is its turn. DHCP is left out as long as volumes may still turn up."""
        if "site" in self.boot.words:
            yield self.look_at_word()
            return
        yield self.look_at_volumes()
        yield self.look_at_area()
        if is_settled:
            yield self.look_at_leases()

    def look_at_word(self) -> Look:
        """The kernel line's own: where it names a place, no other is looked at."""
        try:
            place = parse_word(self.boot.words["site"], self.identity)
            pins = parse_pins(self.boot.words)
            if place.startswith("/"):
                return _look_at_path(Path(place), pins)
            return self._fetch(place, pins, "word", "")
        except RackstrapError as error:
            return Wrong(f"rackstrap.site: {error.message}", error.hint)

    def look_at_volumes(self) -> Look:
        try:
            labelled = [volume for volume in self.volumes() if volume.label.upper() == LABEL]
            holding = [volume for volume in labelled if volume.sites]
            if len(holding) > 1:
                return Wrong(f"{len(holding)} volumes labelled {LABEL} hold a site file", "leave the one that is meant")
            if holding:
                return self._read_volume(holding[0])
            for volume in labelled:
                list_files(volume.filesystem, self.devices / volume.id)  # one that cannot be read is not an empty one
        except (RackstrapError, OSError) as error:
            return Wrong(f"the volume labelled {LABEL}: {error}", getattr(error, "hint", "") or "try another")
        return Absent(f"no site file on the volume labelled {LABEL}" if labelled else f"no removable volume labelled {LABEL}")

    def _read_volume(self, volume: Volume) -> Look:
        names = volume.sites
        name = next((name for name in names if name.lower() == SITE_FILE), names[0])
        if len(names) > 1 and name.lower() != SITE_FILE:
            return Wrong(f"{volume.title} holds {len(names)} site files", f"call the one that is meant {SITE_FILE}")
        device = self.devices / volume.id

        def read(path: str) -> Part:
            return Part(read_path(volume.filesystem, device, path, MOST_BYTES))

        return Sighted(read(name).content, "volume", f"{name} on {volume.title}", name, "", read)

    def look_at_area(self) -> Look:
        try:
            with self.area.open("rb") as file:
                files = parse_site_area(file.read(AREA_BYTES + 1))
        except FileNotFoundError:
            return Absent("the ISO has no room for a site file")
        except (RackstrapError, OSError) as error:
            return Wrong(f"the ISO's site file: {error}", getattr(error, "hint", ""))
        if SITE_FILE not in files:
            return Absent("no site file in the ISO")

        def read(path: str) -> Part:
            if path not in files:
                raise RackstrapError(f"the ISO holds no {path}", "put it beside the site file and customize the ISO again")
            return Part(files[path])

        return Sighted(files[SITE_FILE], "iso", "the site file in the ISO", SITE_FILE, "", read)

    def look_at_leases(self) -> Look:
        try:
            urls = find_urls(self.leases, self.identity)
            if len(urls) > 1:
                return Wrong(f"{len(urls)} DHCP servers name different site files", "leave one of them, or write rackstrap.site=")
            if urls:
                return self._fetch(urls[0], parse_pins(self.boot.words), "dhcp", GIVEN)
        except RackstrapError as error:
            return Wrong(f"DHCP: {error.message}", error.hint)
        return Absent(f"no DHCP server names one (option {OPTION})")

    def _fetch(self, url: str, pins: Pins, source: Source, doubt: str) -> Sighted:
        """`doubt`: why even a protected server may be the wrong one, unless it is pinned. Raises RackstrapError."""
        got = fetch(url, self.identity.headers(), pins, self.limits)
        server_doubt = find_doubt(got, pins, doubt)

        def read(path: str) -> Part:
            below = check_url(urljoin(got.url.partition("?")[0], quote(path)))
            part = fetch(below, self.identity.headers(), Pins(certificate=pins.certificate), self.limits)
            return Part(part.content, find_doubt(part, pins, doubt))

        says = f"{show_url(url)}{' (named by DHCP)' if source == 'dhcp' else ''}"
        name = PurePosixPath(unquote(urlsplit(url).path)).name or SITE_FILE
        return Sighted(got.content, source, says, name, "" if pins.file else server_doubt, read)


def find_doubt(got: Fetched, pins: Pins, doubt: str) -> str:
    """Why what came from there may be somebody else's; the file's own pin is not considered."""
    if not got.is_protected:
        return PLAIN
    return "" if pins.certificate else doubt


def _look_at_path(path: Path, pins: Pins) -> Look:
    try:
        content = read_plain(path)
    except FileNotFoundError:
        return Wrong(f"rackstrap.site: {path} does not exist", "put it there, or correct the kernel line")
    except OSError as error:
        return Wrong(f"rackstrap.site: {path}: {(error.strerror or str(error)).lower()}", "name a file that can be read")
    if pins.file and sha256(content).hexdigest() != pins.file:
        return Wrong(f"{path} is not the file that rackstrap.site_sha256 pins", "pin the file that is meant")

    def read(name: str) -> Part:
        return Part(read_plain(path.parent / PurePosixPath(name)))

    return Sighted(content, "word", str(path), path.name, "", read)


def read_plain(path: Path) -> bytes:
    """A plain file of sensible size, never a device or a pipe. Raises OSError, RackstrapError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise RackstrapError(f"{path} is not a plain file", "name a file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise RackstrapError(f"{path} is larger than {MOST_BYTES // 1024} KiB", "is it the right file?")
    return content
