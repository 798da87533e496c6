"""The checks of servers that are asked a real question: dns and ntp. Wording for a tired operator."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from installer.model.site import Address
from installer.preflight import dns, sntp
from installer.preflight.check import Check
from installer.preflight.datagrams import Question, Reply, ask_servers
from installer.preflight.target import Target

CLOCK_MAY_BE_OFF_S: Final = 60.0
ALONE: Final = "the admin node keeps time alone"


def check_dns(target: Target, for_s: float) -> Check:
    """Whether each forwarder answers for a name that the site needs: its first time server's, else who serves the root."""
    if not target.forwarders:
        return Check("dns", "ok", "no forwarder is named: only the rack's own names are known")
    name = next((name for name in target.ntp if not _is_address(name) and dns.is_host_name(name)), "")
    kind = dns.A if name else dns.NS
    replies = ask_servers([dns.make_question(server, name, kind) for server in target.forwarders], for_s)
    wrong = [text for server, reply in zip(target.forwarders, replies, strict=True) if (text := _explain_dns(server, reply))]
    is_alive = any(reply.value is not None for reply in replies)
    if not wrong:
        return Check("dns", "ok", _tell_answering(list(map(str, target.forwarders))))
    remedy = "correct services.dns_forwarders, or let port 53 through"
    return Check("dns", "warn" if is_alive else "FAIL", _tell_wrong(wrong), remedy)


def _explain_dns(server: Address, reply: Reply[dns.DnsAnswer]) -> str:
    if reply.value is None:
        return f"{server} does not answer" + (f": {reply.problem}" if reply.problem else "")
    if reply.value.code in (0, 3):  # that there is no such name is an answer too
        return ""
    return f"{server} answers, but finds no name ({dns.REFUSALS.get(reply.value.code, reply.value.code)})"


def check_ntp(target: Target, for_s: float) -> Check:
    """Whether each time server answers, knows the time, and whether this clock is near theirs."""
    if not target.ntp:
        return Check("ntp", "ok", f"none is named: {ALONE}")
    addresses = find_addresses(target.ntp, target.forwarders, for_s / 2)
    names = [name for name in target.ntp if name in addresses]
    replies = dict(zip(names, ask_servers([sntp.make_question(addresses[n]) for n in names], for_s / 2), strict=True))
    wrong = [text for name in target.ntp if (text := _explain_ntp(name, replies.get(name)))]
    offsets = [reply.value.offset_s for reply in replies.values() if reply.value is not None and not reply.value.refusal]
    if not offsets:
        remedy = f"{_tell_wrong(wrong)}; correct services.ntp, or let port 123 through"
        return Check("ntp", "warn", f"no NTP server answers: {ALONE}", remedy)
    offset = min(offsets, key=abs)
    if abs(offset) > CLOCK_MAY_BE_OFF_S:
        side = "behind" if offset > 0 else "ahead"
        return Check(
            "ntp", "warn", f"this machine's clock is {_span(abs(offset))} {side}", "set it before machines are installed"
        )
    if wrong:
        return Check("ntp", "warn", _tell_wrong(wrong), "correct services.ntp; the others are enough")
    return Check("ntp", "ok", f"{_tell_answering(names)}, this clock is right to {_span(abs(offset))}")


def _explain_ntp(name: str, reply: Reply[sntp.TimeAnswer] | None) -> str:
    if reply is None:
        return f"{name} has no address"
    if reply.value is None:
        return f"{name} does not answer" + (f": {reply.problem}" if reply.problem else "")
    return f"{name} {reply.value.refusal}" if reply.value.refusal else ""


def find_addresses(names: Sequence[str], forwarders: Sequence[Address], for_s: float) -> dict[str, Address]:
    """An address for each name that has one: written as one, in /etc/hosts, or asked of the forwarders (else the system's).

    Asked by ourselves and all at once, for the system's resolver can neither be given up on nor told whom to ask.
    """
    found: dict[str, Address] = {}
    for name in names:
        if _is_address(name):
            found[name] = ip_address(name)
    found |= dns.parse_hosts(_load("/etc/hosts"), [name for name in names if name not in found])
    servers = tuple(forwarders) or dns.parse_resolv_conf(_load("/etc/resolv.conf"))
    open_names = [name for name in names if name not in found and dns.is_host_name(name)]
    asked: list[tuple[str, Question[dns.DnsAnswer]]] = [
        (name, dns.make_question(server, name, kind)) for name in open_names for server in servers for kind in (dns.A, dns.AAAA)
    ]
    replies = ask_servers([question for _, question in asked], for_s)
    for version in (4, 6):
        for (name, _), reply in zip(asked, replies, strict=True):
            told = [a for a in reply.value.addresses if a.version == version] if reply.value is not None else []
            if told:
                found.setdefault(name, told[0])
    return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _load(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")[:100_000]
    except OSError:
        return ""


def _tell_answering(names: Sequence[str]) -> str:
    return f"{names[0]} answers" if len(names) == 1 else f"all {len(names)} servers answer"


def _tell_wrong(texts: Sequence[str]) -> str:
    return texts[0] + (f" (and {len(texts) - 1} more)" if len(texts) > 1 else "")


def _span(seconds: float) -> str:
    if seconds < 1:
        return "less than 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
