"""The ISO's reserved room for boot settings, /boot/grub/site.cfg: kernel words, and whether the unattended entry is the default.

GRUB runs this file as a script and Linux gets the words on its command line; neither can be quoted reliably. So each word is
admitted by a grammar, and the room is read back only when it is exactly what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Final

from installer.live.identity import Identity
from installer.live.word import parse_word
from installer.model.problems import RackstrapError

CONFIG_BYTES: Final = 4096
_MOST_WORDS: Final = 1500  # characters; Linux's command line ends at 2048, and the menu's own words need room
# Of what `rackstrap headless` reads, the part that neither GRUB nor Linux takes for anything but text.
_SITE: Final = re.compile(r"(?:https?://[A-Za-z0-9.-]+(?::[0-9]+)?)?/(?:[A-Za-z0-9._~%+,=@:/-]|\$\{(?:uuid|mac|serial)\})+")
_SOMEONE: Final = Identity("00000000-0000-0000-0000-000000000001", "SERIAL", "52:54:00:00:00:01")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_SPELLED: Final = re.compile(
    r"# Written by rackstrap iso customize\.\nset rackstrap_site='([!-&(-~]*)'\nset rackstrap_words='([!-&(-~ ]*)'\n"
    r"(set rackstrap_default=unattended\n)?\n*"
)


@dataclass(frozen=True, slots=True)
class BootConfig:
    """`words`: each name once, in the order of WORDS."""

    words: tuple[str, ...] = ()
    is_unattended: bool = False

    def value(self, name: str) -> str:
        """The value of the word rackstrap.NAME, "" where there is none."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"rackstrap.{name}=")), "")


def _is_site(value: str) -> bool:
    try:
        return bool(_SITE.fullmatch(value) and parse_word(value, _SOMEONE))
    except RackstrapError:
        return False


def _is_address(value: str) -> bool:
    """ADDRESS/PREFIX[,GATEWAY[,DNS[,MAC]]]; a part that is not wanted before a later one is left empty."""
    own, *others = value.split(",")
    if "/" not in own or "%" in value or len(others) > 3:
        return False
    try:
        ip_interface(own)
        for other in others[:2]:
            if other:
                ip_address(other)
    except ValueError:
        return False
    return len(others) < 3 or bool(_MAC.fullmatch(others[2]))


def _is_digest(value: str) -> bool:
    return bool(_SHA256.fullmatch(value))


WORDS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "site": (_is_site, "https://HOST[:PORT]/PATH, http://… or /PATH; ${uuid}, ${mac} and ${serial} may stand in the path"),
    "site_sha256": (_is_digest, "the site file's SHA-256, 64 hex digits in lower case"),
    "site_cert": (_is_digest, "the SHA-256 of the server's certificate (DER), 64 hex digits in lower case"),
    "ip": (_is_address, "ADDRESS/PREFIX[,GATEWAY[,DNS[,MAC]]]"),
}


def parse_words(text: str) -> tuple[str, ...]:
    """The kernel words of a command line option. Raises RackstrapError (exit 1) for each that is not admitted, all at once."""
    words = tuple(text.split())
    wrong = [explained for word in words if (explained := _explain_word(word))]
    names = [word.partition("=")[0] for word in words]
    wrong += [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if sum(len(word) + 1 for word in words) > _MOST_WORDS:
        wrong.append(f"the words are longer than {_MOST_WORDS} characters")
    if wrong:
        hint = f"these words are known: {', '.join(f'rackstrap.{name}=' for name in WORDS)}"
        raise RackstrapError("\n  ".join(("these kernel words cannot be put into the ISO:", *wrong)), hint, exit_code=1)
    return words


def _explain_word(word: str) -> str:
    """What is wrong with a word; "" for nothing. A URL may hold a password, so no value is repeated."""
    name, equals, value = word.partition("=")
    known = WORDS.get(name.removeprefix("rackstrap.")) if name.startswith("rackstrap.") else None
    if known is None:
        shown = name if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name) else "a word that is no name"
        return f"{shown}: not a word of Rackstrap's for this"
    is_admitted, rule = known
    return "" if equals and is_admitted(value) else f"{name}= takes {rule}"


def merge_words(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """The old words with the new ones, in the order of WORDS; of one name, the new one."""
    merged = {word.partition("=")[0]: word for word in (*old, *new)}
    return tuple(merged[f"rackstrap.{name}"] for name in WORDS if f"rackstrap.{name}" in merged)


def make_boot_config(config: BootConfig) -> bytes:
    """CONFIG_BYTES bytes for site.cfg; nothing to set: newlines. `words` have been through parse_words and merge_words.

    A site file's place is a variable of its own: only the unattended menu entry starts by it, whatever the default entry is.
    """
    if config == BootConfig():
        return b"\n" * CONFIG_BYTES
    default = "set rackstrap_default=unattended\n" if config.is_unattended else ""
    site = next((word for word in config.words if word.startswith("rackstrap.site=")), "")
    others = " ".join(word for word in config.words if word != site)
    text = f"# Written by rackstrap iso customize.\nset rackstrap_site='{site}'\nset rackstrap_words='{others}'\n{default}"
    return text.encode("ascii").ljust(CONFIG_BYTES, b"\n")


def parse_boot_config(content: bytes) -> BootConfig:
    """What site.cfg sets. Raises RackstrapError when it is not exactly as make_boot_config writes it."""
    if content == b"\n" * CONFIG_BYTES:
        return BootConfig()
    try:
        match = _SPELLED.fullmatch(content.decode("ascii"))
        config = BootConfig(parse_words(f"{match[1]} {match[2]}"), match[3] is not None) if match else BootConfig()
    except (UnicodeDecodeError, RackstrapError):
        config = BootConfig()
    if make_boot_config(config) != content:
        raise RackstrapError(
            "the ISO's room for boot settings (/boot/grub/site.cfg) holds something that Rackstrap did not write there",
            "build the ISO again, or name one that nobody changed by other means",
        )
    return config
