"""What may be written into rendered files: one function a grammar, text → the admitted text, ValueError for the rest."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

# RFC 1123 labels, lower and upper case; a name is at most 253 octets.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATH: Final = r"/[A-Za-z0-9._/+:@=-]{0,1023}"
_SSH_OPTION: Final = r'[A-Za-z0-9-]{1,40}(?:="[ !#-\[\]-~]{0,500}")?'


def _pattern(expression: str) -> Callable[[str], str]:
    compiled = re.compile(expression, re.ASCII)

    def parse(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(text)
        return text

    return parse


_is_path = _pattern(_PATH)
_is_url_tail = _pattern(r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]{0,512})?")
_is_fqdn = _pattern(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_is_ssh_key = _pattern(
    rf"(?:{_SSH_OPTION}(?:,{_SSH_OPTION}){{0,20}} )?"
    r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]{1,40}(?:@openssh\.com)? [A-Za-z0-9+/]{16,2000}={0,2}(?: [!-~][ -~]{0,200})?"
)
_SSH_BODY: Final = re.compile(r"(?:^|.* )((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?) ([A-Za-z0-9+/]+={0,2})(?: .*)?")


def parse_address(text: str) -> str:
    """An IPv4 or IPv6 address, in its normal form; no scope."""
    address = ip_address(text)
    if "%" in text:
        raise ValueError(text)
    return str(address)


def parse_listen(text: str) -> str:
    """An address as URLs and nginx write it: IPv6 in brackets."""
    address = parse_address(text)
    return f"[{address}]" if ":" in address else address


def parse_cidr(text: str) -> str:
    """An address with its prefix length: 192.168.124.81/24."""
    if "/" not in text or "%" in text:
        raise ValueError(text)
    return ip_interface(text).with_prefixlen


def parse_subnet(text: str) -> str:
    """A subnet without host bits: 192.168.124.0/24."""
    if "/" not in text or "%" in text:
        raise ValueError(text)
    return ip_network(text).with_prefixlen


def parse_host(text: str) -> str:
    """A host name or an address: where an NTP server is."""
    try:
        return parse_address(text)
    except ValueError:
        return _is_fqdn(text)


def parse_path(text: str) -> str:
    """An absolute path without `..` and without anything that a configuration file could read as more than a path."""
    if ".." in text.split("/"):
        raise ValueError(text)
    return _is_path(text)


def parse_url(text: str) -> str:
    """An http or https URL: host, port, path; no user, query or fragment."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in {"http", "https"}:
        raise ValueError(text)
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        parse_address(host)
    else:
        host = re.split(r"[:/]", rest, maxsplit=1)[0]
        tail = rest[len(host) :]
        parse_host(host)
    if ".." in tail.split("/"):
        raise ValueError(text)
    _is_url_tail(tail)
    return text


def parse_ssh_key(text: str) -> str:
    """One authorized_keys line (sshd(8)): options, type, key, comment in printable ASCII. The key must be of its type."""
    _is_ssh_key(text)
    body = _SSH_BODY.fullmatch(text)
    if body is None:
        raise ValueError(text)
    try:
        blob = base64.b64decode(body[2], validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    kind = body[1].encode()
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        raise ValueError(text)
    return text


def parse_mac(text: str) -> str:
    """An Ethernet address in lower case with colons."""
    return _is_mac(text.lower())


_is_mac = _pattern(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")

GRAMMARS: Final[Mapping[str, Callable[[str], str]]] = {
    "label": _pattern(_LABEL),
    "fqdn": _is_fqdn,
    "host": parse_host,
    "mac": parse_mac,
    "address": parse_address,
    "listen": parse_listen,
    "cidr": parse_cidr,
    "subnet": parse_subnet,
    "path": parse_path,
    "url": parse_url,
    "integer": _pattern(r"-?[0-9]{1,18}"),
    "hex": _pattern(r"[0-9A-Fa-f]{1,128}"),
    "uuid": _pattern(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}"),  # or a FAT serial
    "ssh_key": parse_ssh_key,
    "console": _pattern(r"(?:tty|ttyS|ttyAMA|ttyUSB|hvc)[0-9]{1,3}(?:,[0-9]{3,7}[neo]?[5-8]?r?)?"),
    "interface": _pattern(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,15}"),
    "bond_mode": _pattern(r"active-backup|802\.3ad"),
    "user": _pattern(r"[a-z_][a-z0-9_-]{0,31}"),
    "unit": _pattern(r"[A-Za-z0-9_.@-]{1,200}\.(?:service|socket|timer|target|mount|path)"),
    "timezone": _pattern(r"[A-Za-z][A-Za-z0-9_+-]{0,30}(?:/[A-Za-z][A-Za-z0-9_+-]{0,30}){0,2}"),
    "keyboard": _pattern(r"[a-z]{2,12}"),
    "interface_pattern": _pattern(r"[A-Za-z0-9._*?-]{1,15}"),
}
