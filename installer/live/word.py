"""What `rackstrap.site=` and a DHCP server may say: the path or the URL of a site file, admitted by a grammar. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from installer.live.identity import Identity, fill
from installer.model.problems import RackstrapError

LONGEST: Final = 2000
PIN: Final = re.compile(r"[0-9a-f]{64}")
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_TEXT: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"  # RFC 3986, section 3.3
URL: Final = re.compile(rf"https?://{_HOST}(?::[0-9]{{1,5}})?/{_TEXT}(?:\?(?:{_TEXT}|\?)*)?")


@dataclass(frozen=True, slots=True)
class Pins:
    """SHA-256 in hex, "" for none: `file` of the site file, `certificate` of the server's certificate in DER."""

    file: str = ""
    certificate: str = ""


def parse_word(text: str, identity: Identity) -> str:
    """A URL, or an absolute path, with this machine's values filled in. Raises RackstrapError."""
    if text.lower().startswith(("http://", "https://")):
        host, slash, rest = text.partition("://")[2].partition("/")
        if "$" in host:
            raise RackstrapError(
                "the site file's URL has ${…} in the server's name", "${uuid}, ${mac}, ${serial} may stand behind it"
            )
        return check_url(f"{text.partition('://')[0].lower()}://{host}{slash}{fill(rest, identity, is_url=True)}")
    path = text.removeprefix("file:")
    if text.startswith("file:///"):
        path = text.removeprefix("file://")
    filled = fill(path, identity, is_url=False)
    if not filled.startswith("/") or filled.startswith("//") or not filled.isprintable() or len(filled) > LONGEST:
        raise RackstrapError(
            f"{show_url(text) or 'nothing'} is no place of a site file", "write /path, file:/path, http://… or https://…"
        )
    return filled


def check_url(text: str) -> str:
    """The URL when it is one that may be asked. Raises RackstrapError, whose words show no password."""
    hint = "write http[s]://SERVER[:PORT]/PATH, other characters percent-encoded"
    authority = text.partition("://")[2].partition("/")[0]
    if "@" in authority:
        raise RackstrapError(
            "the site file's URL holds a user name or a password", "take it out: kernel lines and logs are read by others"
        )
    if len(text) > LONGEST or not URL.fullmatch(text):
        raise RackstrapError(f"{show_url(text)} is no URL of a site file", hint)
    try:
        port = urlsplit(text).port
    except ValueError:
        port = 0
    if port == 0:
        raise RackstrapError(f"{show_url(text)} names no port that exists", hint)
    if ".." in unquote(urlsplit(text).path).split("/"):
        raise RackstrapError(f"{show_url(text)} leads out of its folder", "write it without ..")
    return text


def show_url(url: str) -> str:
    """The URL for a log or a console: without user-info, query and control characters; these may be somebody's secret."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    path = path.partition("?")[0].partition("#")[0]
    shown = f"{scheme}{mark}{authority.rpartition('@')[2].partition('?')[0].partition('#')[0]}{slash}{path}"
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in shown)[:120]


def parse_pins(words: Mapping[str, str]) -> Pins:
    """The pins on the kernel line. Raises RackstrapError: a pin that is misspelled must not be taken for none."""
    found = {name: words.get(name, "").lower().replace(":", "") for name in ("site_sha256", "site_cert")}
    for name, value in found.items():
        if name in words and not PIN.fullmatch(value):
            raise RackstrapError(f"rackstrap.{name} is not the SHA-256 of anything", "write its 64 hexadecimal digits")
    return Pins(found["site_sha256"], found["site_cert"])
