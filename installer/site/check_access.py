"""SSH keys and the password hash. No message ever shows what it is about."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from installer.model.site import Site
from installer.render.grammar import parse_ssh_key
from installer.site.findings import Findings
from installer.site.tree import Path

PRIVATE: Final = ("PRIVATE KEY", "PuTTY-User-Key-File")
KEY_TYPES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
KEY_HINT: Final = "paste one whole line of a .pub file: ssh-ed25519 AAAA… name"
NEW_KEY_HINT: Final = "make a new one: ssh-keygen -t ed25519"

_SALT = "[./0-9A-Za-z]"
# crypt(5) of libxcrypt: the methods that it calls strong.
_HASH = re.compile(
    rf"\$y\${_SALT}+\${_SALT}{{0,86}}\${_SALT}{{43}}"
    rf"|\$gy\${_SALT}+\${_SALT}{{0,86}}\${_SALT}{{43}}"
    rf"|\$7\${_SALT}{{11,97}}\${_SALT}{{43}}"
    rf"|\$2[abxy]\$[0-9]{{2}}\${_SALT}{{53}}"
    rf"|\$6\$(rounds=[1-9][0-9]{{0,8}}\$)?[^$:\s]{{1,16}}\${_SALT}{{86}}"
    rf"|\$5\$(rounds=[1-9][0-9]{{0,8}}\$)?[^$:\s]{{1,16}}\${_SALT}{{43}}",
    re.ASCII,
)
_WEAK = re.compile(r"\$(1|3|md5|sha1)[$,]|_[./0-9A-Za-z]{19}\Z", re.ASCII)
_STRONG_START = re.compile(r"\$(y|gy|7|2[abxy]|6|5)\$", re.ASCII)


def check_access(site: Site, findings: Findings) -> None:
    seen: dict[str, int] = {}
    for index, line in enumerate(site.access.ssh_keys):
        path: Path = ("access", "ssh_keys", index)
        wrong, hint = find_key_fault(line)
        if wrong:
            findings.error(path, wrong, hint)
            continue
        body = next(word for word in line.split() if word.startswith("AAAA"))
        if seen.setdefault(body, index) != index:
            findings.warn(path, f"this SSH key is number {seen[body] + 1} of the list too", "remove one of them")
    for path, line in find_role_keys(site.roles, ("roles",)):
        wrong, hint = find_key_fault(line)
        if wrong:
            findings.error(path, wrong, hint)
    if site.access.password_hash:
        wrong, hint = find_hash_fault(site.access.password_hash)
        if wrong:
            findings.error(("access", "password_hash"), wrong, hint)
    if not site.access.ssh_keys and not site.access.password_hash and "access" not in site.interactive:
        findings.warn(
            ("access",), "nobody will be able to log in: no SSH key and no password", "write access: {ssh_keys: [ssh-ed25519 …]}"
        )


def find_role_keys(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every line of a list called `ssh_keys` in the options of roles."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from find_role_keys(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, str) and path[-1] == "ssh_keys":
                yield (*path, index), inner
            yield from find_role_keys(inner, (*path, index))


def find_key_fault(line: str) -> tuple[str, str]:
    """What is wrong with an authorized_keys line, and what to write; ("", "") where nothing is."""
    if any(mark in line for mark in PRIVATE):
        hint = "remove it from this file, treat that key as lost, make a new one, and paste its .pub file here"
        return "this is a private SSH key", hint
    if "\n" in line:
        return "this SSH key has more than one line", "write each key as a list item of its own, on one line"
    words = line.split()
    kind_at = next((i for i, word in enumerate(words) if word in KEY_TYPES), None)
    if kind_at is None:
        return _find_kind_fault(words)
    fault = _find_blob_fault(words[kind_at], words[kind_at + 1] if len(words) > kind_at + 1 else "")
    if fault:
        return fault, NEW_KEY_HINT if "bits" in fault else KEY_HINT
    try:
        parse_ssh_key(line)
    except ValueError:
        return "this SSH key's options or comment cannot be used", "write plain ASCII: type, key, and a short comment"
    return "", ""


def _find_kind_fault(words: list[str]) -> tuple[str, str]:
    if any(word in ("ssh-dss", "ssh-dsa") for word in words):
        return "DSA keys are no longer accepted by OpenSSH", NEW_KEY_HINT
    return "this SSH key names no known type", KEY_HINT


def _find_blob_fault(kind: str, text: str) -> str:
    """The blob is a run of strings, each with its length in 4 bytes, the first of which is the type (RFC 4253, 6.6)."""
    if not text:
        return "this SSH key has a type and nothing after it"
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        return "this SSH key is not whole: its middle part is not base64"
    fields: list[bytes] = []
    at = 0
    while at < len(blob):
        length = int.from_bytes(blob[at : at + 4], "big")
        fields.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(blob) or len(fields) < 2:
        return "this SSH key is not whole: it ends too early"
    if fields[0] != kind.encode():
        return f"this SSH key says {kind} but is of another type"
    if kind == "ssh-rsa" and len(fields) == 3 and int.from_bytes(fields[2], "big").bit_length() < 2048:
        return "this RSA key has fewer than 2048 bits"
    return ""


def find_hash_fault(text: str) -> tuple[str, str]:
    """What is wrong with a password hash, and what to write; ("", "") where nothing is."""
    hint = "write what `mkpasswd` (package whois) or `openssl passwd -6` prints, in single quotes"
    if _HASH.fullmatch(text):
        return "", ""
    if _WEAK.match(text):
        return "this password hash is of a kind that is quickly broken", hint
    if _STRONG_START.match(text):
        return "this password hash is not whole", hint
    return "this looks like a password, not like the hash of one", f"{hint}; change that password, it was in a file"
