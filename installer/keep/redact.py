"""Secrets taken out of text: those that are known, wherever and however they are written, and all that look like one.

Both, because each alone misses something: a known password may stand in a sentence, and a hash that was typed into another
file is known to nobody here. Rather too much is taken out than too little; serial numbers and addresses stay.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

REMOVED: Final = b"[removed]"
# Below this, a known secret is taken out only where it stands alone: "root" is in half of all words.
STANDS_ALONE_BELOW: Final = 6
SHORTEST: Final = 3
NESTED: Final = 4  # how often JSON is inside of JSON, at most

_WORDS: Final = (
    rb"pass(?:word|wd|phrase|code)|passwort|pwd|secret|token|api[_ -]?key|credentials?|community|\bpsk|private[_ -]?key"
    rb"|access[_ -]?key|encryption[_ -]?key|session[_ -]?(?:id|key)|\bk[gr]?[_ -]?key"
)
_KEY: Final = rb"(?:" + _WORDS + rb")[\w.-]{0,60}(?: string)?"
_MARK: Final = rb"[ \t]*(?:=>|[:=])[ \t]*"
_NOT_YET: Final = rb"(?!\[removed\])"


def _make(pattern: bytes, flags: int = 0) -> re.Pattern[bytes]:
    return re.compile(pattern, flags | re.IGNORECASE)


_NAMES_SECRET: Final = _make(_KEY)
_OPEN: Final = rb"(\\*[\"'])"  # a quote, with the backslashes of JSON inside of JSON
# `key: value`, where the key says what the value is: quoted; then after a quoted key; then `=`; then to the line's end.
_QUOTED: Final = rb"(" + _KEY + rb"\\*[\"']?" + _MARK + _OPEN + rb")" + _NOT_YET + rb"(?:''|(?!\2)(?:\\.|[^\r\n]))*"
_BARE: Final = rb"(" + _KEY + rb"\\*[\"']" + _MARK + rb")(?!\\*[\"']|null\b|true\b|false\b|[\[{])" + _NOT_YET + rb"[^\s,}\]]+"
_EQUAL: Final = rb"(" + _KEY + rb"[ \t]*=[ \t]*)(?!\\*[\"'])" + _NOT_YET + rb"[^\s,;]+"
_LINE: Final = rb"(" + _KEY + rb"[ \t]*:[ \t]+)(?!\\*[\"']|[\[{]|[|>][-+]?[ \t]*$)" + _NOT_YET + rb"[^\r\n]+"
_HEADER: Final = (
    rb"\b(Authorization|Proxy-Authorization|Cookie|Set-Cookie|X-Auth-Token)(\\*[\"']?[ \t]*[:=][ \t]*)" + _NOT_YET + rb"[^\r\n]+"
)
_WORD: Final = rb"(\s--?(?:" + _WORDS + rb")[\w-]{0,40})[ =]+" + _NOT_YET + rb"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"']+)"

# What looks like a secret: (pattern, what stands in its place). Each is linear in the length of the text.
SHAPES: Final = (
    (re.compile(rb"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]*"), REMOVED),  # "openssh-key-v1", as its keys begin
    (_make(rb"AGE-SECRET-KEY-[A-Z0-9-]+"), REMOVED),
    # crypt(5): yescrypt, SHA-512, SHA-256, bcrypt, MD5 and others; a `$` may have a backslash before it.
    (re.compile(rb"\\?\$(?:y|gy|7|6|5|1|2[abxy]?|sha1|md5|argon2\w{0,2}|apr1)\\?\$[./A-Za-z0-9$=,\\+]{8,}"), REMOVED),
    (re.compile(rb"\{(?:S?SHA\d{0,3}|CRYPT|SMD5)\}[A-Za-z0-9+/=$.]{8,}"), REMOVED),
    (re.compile(rb"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), REMOVED),  # a JSON web token
    (_make(_HEADER), rb"\1\2" + REMOVED),
    (_make(rb"\b(Bearer|Basic) +[\w.~+/=-]{8,}"), rb"\1 " + REMOVED),
    # URLs: user and password; the query and the fragment, whole.
    (_make(rb"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"'<>]{1,2000}@"), rb"\1" + REMOVED + rb"@"),
    (_make(rb"\b([a-z][a-z0-9+.-]{0,20}://[^\s?#\"'<>\\]{0,2000})[?#][^\s\"'<>\\]+"), rb"\1?" + REMOVED),
    # What a program is told on its command line.
    (_make(_WORD), rb"\1 " + REMOVED),
    (re.compile(rb"(\bipmitool\b[^\n]{0,500}?\s-P) *\S+"), rb"\1 " + REMOVED),
    (_make(_QUOTED), rb"\1" + REMOVED),
    (_make(_BARE), rb"\1" + REMOVED),
    (_make(_EQUAL), rb"\1" + REMOVED),
    (_make(_LINE, re.MULTILINE), rb"\1" + REMOVED),
)
# One of these, in lower case, is in every line that one of the shapes fits.
HINTS: Final = (
    b"pass", b"pwd", b"secret", b"token", b"key", b"credential", b"community", b"psk", b"session", b"k_", b"kg", b"kr", b"$",
    b"sha", b"{crypt", b"{smd5", b"eyj", b"auth", b"cookie", b"bearer", b"basic", b"://", b"ipmitool", b"b3blbn",
)  # fmt: skip
_KEY_MARK: Final = b"PRIVATE KEY-----"
_WHOLE_KEY: Final = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY-----.*?-----END [A-Z0-9 ]{0,20}PRIVATE KEY-----", re.DOTALL
)
_KEY_LINE: Final = re.compile(rb"[A-Za-z0-9+/]{40}")
_TOKEN_IN_PATH: Final = _make(rb"\b(https?://[^\s\"'<>?#]*)")
_TOKEN: Final = re.compile(rb"(?<=/)(?=[\w~-]*\d)(?=[\w~-]*[A-Za-z])[\w~-]{24,}(?=/|$)")
_LINE_OF_KEY: Final = re.compile(r"[A-Za-z0-9+/=]{60,}")
_UUID: Final = _make(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Redactor:
    """Takes secrets out. `secrets`: the known ones, of which one may have several lines."""

    def __init__(self, secrets: Iterable[str]) -> None:
        texts = {text for secret in secrets for text in _split(secret)}
        forms = {form for text in texts for form in make_forms(text)}
        self._long: Final = sorted((form for form in forms if len(form) >= STANDS_ALONE_BELOW), key=len, reverse=True)
        short = sorted((form for form in forms if len(form) < STANDS_ALONE_BELOW), key=len, reverse=True)
        self._short: Final = re.compile(rb"(?<!\w)(?:" + b"|".join(map(re.escape, short)) + rb")(?!\w)") if short else None

    def clean(self, content: bytes) -> bytes:
        """The text without secrets. Shapes first: a known value inside of a longer secret must not hide what it is."""
        content = clean_keys(content)
        content = b"".join(map(clean_line, content.splitlines(keepends=True)))
        return self._clean_known(content)

    def clean_json(self, content: bytes) -> bytes:
        """JSON without secrets, still JSON: each text in it is cleaned by itself. Raises ValueError for what is no JSON."""
        cleaned = json.dumps(self._clean_value(json.loads(content)), indent=1 if b"\n" in content.strip() else None)
        return self._clean_known(cleaned.encode() + b"\n")

    def _clean_value(self, value: Any) -> Any:
        match value:
            case str():
                return self.clean(value.encode(errors="replace")).decode(errors="replace")
            case list():
                return [self._clean_value(one) for one in value]
            case dict():
                return {self._clean_value(key): self._clean_under(key, one) for key, one in value.items()}
        return value

    def _clean_under(self, key: str, value: Any) -> Any:
        is_secret = isinstance(value, str | int) and not isinstance(value, bool) and _NAMES_SECRET.search(key.encode())
        return REMOVED.decode() if is_secret else self._clean_value(value)

    def _clean_known(self, content: bytes) -> bytes:
        for form in self._long:  # one by one: a search for bytes is a hundred times as quick as an alternation
            content = content.replace(form, REMOVED)
        return self._short.sub(REMOVED, content) if self._short else content


def clean_line(line: bytes) -> bytes:
    """One line without what looks like a secret. Most lines hold nothing that could be one, which is quickly seen."""
    low = line.lower()
    if not any(hint in low for hint in HINTS):
        return line
    for pattern, instead in SHAPES:
        line = pattern.sub(instead, line)
    return _TOKEN_IN_PATH.sub(_clean_path, line)


def clean_keys(content: bytes) -> bytes:
    """Private keys in PEM taken out, also one whose beginning or end was cut off, or whose lines have a log's words before."""
    if _KEY_MARK not in content:
        return content
    lines = _WHOLE_KEY.sub(REMOVED, content).split(b"\n")
    taken: set[int] = set()
    for number, line in enumerate(lines):
        if _KEY_MARK not in line:
            continue
        step, at = (-1 if b"-----END" in line else 1), number
        taken.add(number)
        while 0 <= at + step < len(lines) and _KEY_LINE.search(lines[at + step]):
            at += step
            taken.add(at)
        taken.add(min(at + 1, len(lines) - 1) if step > 0 else number)  # its last line is a short one
    return b"\n".join(REMOVED if number in taken else line for number, line in enumerate(lines))


def _clean_path(found: re.Match[bytes]) -> bytes:
    return _TOKEN.sub(lambda part: part[0] if _UUID.fullmatch(part[0]) else REMOVED, found[0])


def _split(secret: str) -> Iterator[str]:
    """The secret; of one with several lines each that is not the frame of a key: logs break them up."""
    for line in secret.strip("\r\n").splitlines():
        if len(line) >= SHORTEST and not line.startswith("-----"):
            yield line


def make_forms(text: str) -> set[bytes]:
    """How programs write this text: as it is, in JSON, Python, YAML, shell, URLs, HTML, systemd's escapes, hex and base64."""
    raw = text.encode("utf-8", "surrogateescape")
    if _LINE_OF_KEY.fullmatch(text):
        return {raw, quote(text, safe="").encode()}
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    forms = {
        text, json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1],
        text.replace("'", "''"), text.replace("'", "'\\''"), shlex.quote(text).strip("'"), html, html.replace('"', "&quot;"),
        quote(text, safe=""), quote(text), quote_plus(text), quote(text, safe="").replace("%", "%25"),
        "".join(c if c.isalnum() else f"\\{c}" for c in text),
        "".join(c if c.isalnum() or c in "_.:" else f"\\x{ord(c):02x}" for c in text),
        "".join(f"\\{ord(c):03o}" if c in ' \t\n\\#"' else c for c in text),
    }  # fmt: skip
    for _ in range(NESTED):  # an event's text holds a log's line, which holds JSON, …
        forms |= {json.dumps(form)[1:-1] for form in forms}
    found = {form.encode("utf-8", "surrogateescape") for form in forms}
    if len(raw) >= STANDS_ALONE_BELOW:
        found |= {raw.hex().encode(), raw.hex().upper().encode(), raw.hex(" ").encode(), raw.hex(":").encode()}
        found |= set(_make_base64(raw))
    return {form for form in found if form}


def _make_base64(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of it, wherever in a longer text it begins: the characters that depend on it alone."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        begin, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        for text in (encoded[begin:end], encoded[begin:end].replace(b"+", b"-").replace(b"/", b"_")):
            if len(text) >= STANDS_ALONE_BELOW:
                yield text
