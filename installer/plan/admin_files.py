"""The files of the installed admin node: those of role `base`, and its own network for good. They hold no secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from installer.model.facts import Machine, Nic
from installer.model.network import NodeNetwork
from installer.model.orders import NodeFile
from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import Site, Value
from installer.network.links import find_admin_nics, name_port
from installer.network.render import render_admin_network
from installer.plan.files import BaseFiles
from installer.plan.options import find_given
from installer.plan.roles import Role
from installer.render.networkd import FOLDER
from installer.render.refused import RenderRefused


def make_admin_files(site: Site, machine: Machine, base: Role) -> tuple[tuple[NodeFile, ...], tuple[Problem, ...]]:
    """All files by path, and what stands in the way of rendering them: then there are none."""
    try:
        names = BaseFiles(_with_resolver(site, base), base).render(make_name(site))
        network = make_network_files(site, machine.nics)
    except RenderRefused as error:
        return (), (Problem(Place(("admin",)), f"the admin node: {error.message}", error.hint),)
    except RackstrapError as error:
        return (), (Problem(Place(("admin", "nics")), f"the admin node: {error.message}", error.hint),)
    return tuple(sorted((*names, *network), key=lambda file: file.path)), ()


def make_admin_users(site: Site, base: Role) -> tuple[str, ...]:
    """The accounts of the admin node: root, and the users of role `base`, as on every node."""
    try:
        return tuple(dict.fromkeys(account.name for account in BaseFiles(site, base).accounts)) or ("root",)
    except RenderRefused:
        return ("root",)


def make_name(site: Site) -> NodeNetwork:
    """The admin node's names and address; its links are rendered apart."""
    return NodeNetwork(site.admin.hostname, site.domain, str(site.admin.address), ())


def make_network_files(site: Site, nics: Sequence[Nic]) -> tuple[NodeFile, ...]:
    """What `rackstrap network set` makes for the running system, below /etc. Raises RackstrapError, RenderRefused.

    Where the site names no port, the one that has the admin address now, or the one that name_port finds.
    """
    chosen, _ = find_admin_nics(name_port(site, nics), nics)
    named = site if site.admin.nics else replace(site, admin=replace(site.admin, nics=tuple(nic.name for nic in chosen)))
    files = render_admin_network(named, nics)
    return tuple(NodeFile(f"{FOLDER}/{name}", text) for name, text in files.items())


def _with_resolver(site: Site, base: Role) -> Site:
    """The admin node asks the site's forwarders: its own DNS only answers while it serves."""
    given: dict[str, Value] = dict(find_given(base.name, site.roles))
    if not given.get("resolver") and site.services.dns_forwarders:
        given["resolver"] = [str(address) for address in site.services.dns_forwarders]
    return replace(site, roles={**site.roles, base.name: given})
