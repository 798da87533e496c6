"""DHCP, DNS and time as the site wants them."""

from __future__ import annotations

from installer.model.site import Address, Site
from installer.render.grammar import parse_host
from installer.site.addresses import shown
from installer.site.findings import Findings
from installer.site.tree import Path


def check_services(site: Site, findings: Findings) -> None:
    _check_dhcp(site, findings)
    seen: set[Address] = set()
    for index, address in enumerate(site.services.dns_forwarders):
        path: Path = ("services", "dns_forwarders", index)
        if address == site.admin.address:
            findings.error(path, f"{address} is the admin node itself: it would ask itself", "write a resolver of your network")
        elif address.is_loopback or address.is_unspecified or address.is_multicast:
            findings.error(path, f"{address} cannot be asked for names", "write the address of a resolver")
        elif address in seen:
            findings.error(path, f"{address} is in the list twice", "keep one of them")
        seen.add(address)
    _check_ntp(site, findings)


def _check_dhcp(site: Site, findings: Findings) -> None:
    path: Path = ("services", "dhcp")
    admin = site.network("admin")
    if site.services.dhcp == "external":
        hint = "`rackstrap plan SITE --into DIR` writes what to type in there"
        findings.warn(path, "your own DHCP server must send machines to this admin node", hint)
    elif site.services.dhcp == "proxy":
        findings.warn(
            path,
            "proxy DHCP does not serve machines with Secure Boot",
            "switch Secure Boot off on them, or write own or external",
        )
        if admin.range("dhcp") and ("networks", "admin", "ranges", "dhcp") in findings.document.keys:
            message = "the range dhcp is not used: with proxy, the other server gives the addresses"
            findings.warn(("networks", "admin", "ranges", "dhcp"), message, "remove the range")


def _check_ntp(site: Site, findings: Findings) -> None:
    for index, server in enumerate(site.services.ntp):
        path: Path = ("services", "ntp", index)
        try:
            parse_host(server)
        except ValueError:
            findings.error(path, f"{shown(server)} is not the name or address of a time server", "write it like pool.ntp.org")
            continue
        if server in site.services.ntp[:index]:
            findings.error(path, f"{server} is in the list twice", "keep one of them")
        elif server == str(site.admin.address):
            findings.error(
                path, f"{server} is the admin node itself", "write a server that it can follow; nodes follow the admin node"
            )
