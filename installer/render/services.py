"""The admin node's own services as files: dnsmasq (DHCP, TFTP, DNS) and nginx (image, boot scripts, agents).

Every function gives path → text, paths under `place.state_dir`. Raises RenderRefused for a value that no grammar admits
and RackstrapError for a site whose admin network cannot be served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from installer.model.network import NamedAddress
from installer.model.plan import AdminPlace
from installer.model.problems import RackstrapError
from installer.model.site import Address, Site
from installer.render.environment import make_environment
from installer.render.grammar import parse_listen

RUN: Final = "run"
TFTP: Final = "tftp"
DNSMASQ_CONF: Final = "dnsmasq.conf"
NGINX_CONF: Final = "nginx.conf"
HOSTS: Final = "hosts"
_TEMPLATES: Final = make_environment()


def render_dnsmasq(site: Site, place: AdminPlace, nodes: Iterable[NamedAddress]) -> dict[str, str]:
    """dnsmasq.conf, the hosts file that its DNS answers from, and the one GRUB script that TFTP carries."""
    words = _make_words(site, place)
    network = site.network("admin")
    pool = network.range("dhcp")
    if site.services.dhcp == "own" and pool is None:
        hint = "write one, for example  ranges: {dhcp: .21-.80}  or choose  services: {dhcp: external}"
        raise RackstrapError("network admin has no range dhcp to give to blank machines", hint, exit_code=1)
    words |= {
        "dhcp": site.services.dhcp,
        "first": pool.first if pool else None,
        "last": pool.last if pool else None,
        "netmask": network.subnet.netmask,
        "network": network.subnet.network_address,
        "router": network.router,
        "mtu": network.mtu,
        "forwarders": site.services.dns_forwarders,
        "prefix": make_ra_prefix(site),
    }
    known = [NamedAddress(site.admin.hostname, str(site.admin.address), ""), *sorted(nodes, key=lambda node: node.name)]
    return {
        _path(place, RUN, DNSMASQ_CONF): _render("dnsmasq.conf.j2", words),
        _path(place, RUN, HOSTS): _render("hosts.j2", {"entries": known, "domain": site.domain}),
        _path(place, TFTP, "grub", "grub.cfg"): _render("grub_start.j2", words),
    }


def render_nginx(site: Site, place: AdminPlace) -> dict[str, str]:
    """nginx.conf: port 80 for loaders, image and boot scripts, port 443 for agents."""
    return {_path(place, RUN, NGINX_CONF): _render("nginx.conf.j2", _make_words(site, place))}


def render_external_text(site: Site, place: AdminPlace) -> str:
    """What to type into the site's own DHCP server: ISC dhcpd, Kea and dnsmasq, in one commented text."""
    return _render("external.j2", _make_words(site, place))


def make_digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) over paths and texts, whatever their order: what a service is known to run on."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{len(files[path])}\0{files[path]}\0".encode())
    return whole.hexdigest()


def make_ra_prefix(site: Site) -> str:
    """The site's own ULA prefix (RFC 4193; made from its name, so the same at each start): `fd12:3456:789a::`."""
    digits = hashlib.sha256(f"rackstrap:{site.name}:{site.domain}".encode()).hexdigest()
    return f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::"


def make_http(address: Address) -> str:
    """The URL of the admin node's plain HTTP service, without a slash at its end."""
    return f"http://{parse_listen(str(address))}"


def _make_words(site: Site, place: AdminPlace) -> dict[str, Any]:
    return {
        "interface": place.interface,
        "run": _path(place, RUN),
        "tftp": _path(place, TFTP),
        "tls": _path(place, "tls"),
        "image": place.image_dir,
        "domain": site.domain,
        "admin": site.admin.address,
        "listen": site.admin.address,
        "http": make_http(site.admin.address),
    }


def _path(place: AdminPlace, *parts: str) -> str:
    return str(PurePosixPath(place.state_dir, *parts))


def _render(template: str, words: Mapping[str, object]) -> str:
    return _TEMPLATES.get_template(template).render(words)
