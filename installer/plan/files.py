"""The files of an installed node: those of its role `base`, and its links. Rendered purely; they hold no secret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, Template

from installer.model.network import NodeNetwork
from installer.model.orders import NodeFile
from installer.model.site import Site, Value
from installer.plan.options import find_given
from installer.plan.roles import Role
from installer.render.environment import make_environment
from installer.render.networkd import render_networkd

ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class Account:
    """One user of a node. `sudo`: may become root without a password."""

    name: str
    ssh_keys: tuple[str, ...]
    sudo: bool = False


@dataclass(slots=True)
class BaseFiles:
    """Renders role `base`. Made once a plan: templates are compiled once, and what all nodes share is rendered once."""

    site: Site
    role: Role
    accounts: tuple[Account, ...] = ()
    _templates: dict[str, Template] = field(default_factory=dict)
    _shared: tuple[NodeFile, ...] = ()
    _words: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        environment = _load_environment(self.role.folder / "templates")
        self._templates = {name: environment.get_template(name) for name in ("hostname.j2", "hosts.j2")}
        self.accounts = make_accounts(self.site, self.role)
        admin = {
            "hostname": self.site.admin.hostname,
            "fqdn": f"{self.site.admin.hostname}.{self.site.domain}",
            "address": str(self.site.admin.address),
        }
        self._words = {"admin": admin}
        self._shared = _render_shared(environment, self.site, self.role, self.accounts)

    def render(self, network: NodeNetwork) -> tuple[NodeFile, ...]:
        """All files of one node, by path. Raises RenderRefused when a value is not what its file can hold."""
        node = {"hostname": network.hostname, "fqdn": network.fqdn, "address": network.address}
        words = {**self._words, "node": node}
        own = (
            NodeFile("/etc/hostname", self._templates["hostname.j2"].render(words)),
            NodeFile("/etc/hosts", self._templates["hosts.j2"].render(words)),
        )
        return tuple(sorted((*own, *self._shared, *render_networkd(network)), key=lambda file: file.path))


@cache
def _load_environment(folder: Path) -> Environment:
    """Compiled templates last as long as the process: apply plans again whenever something has happened."""
    return make_environment(folder)


def make_accounts(site: Site, role: Role) -> tuple[Account, ...]:
    """Root with the site's keys, then the users of role `base`. One who is named root gets more keys for root."""
    users = role.settings(find_given(role.name, site.roles)).get("users") or []
    accounts = [Account(ROOT, site.access.ssh_keys)]
    for user in users if isinstance(users, list) else ():
        if isinstance(user, dict):
            keys = user.get("ssh_keys") or []
            lines = tuple(str(key) for key in keys) if isinstance(keys, list) else ()
            accounts.append(Account(str(user.get("name", "")), lines, bool(user.get("sudo", False))))
    return tuple(accounts)


def _render_shared(environment: Environment, site: Site, role: Role, accounts: Sequence[Account]) -> tuple[NodeFile, ...]:
    def render(template: str, **words: object) -> str:
        return environment.get_template(template).render(words)

    settings = role.settings(find_given(role.name, site.roles))
    ntp = _texts(settings.get("ntp")) or site.services.ntp
    resolver = _texts(settings.get("resolver")) or (str(site.admin.address),)
    search = _texts(settings.get("search")) or (site.domain,)
    timezone = settings.get("timezone") or site.timezone
    files = [
        NodeFile("/etc/resolv.conf", render("resolv.conf.j2", search=search, resolver=resolver)),
        NodeFile("/etc/systemd/timesyncd.conf.d/rackstrap.conf", render("timesyncd.conf.j2", ntp=ntp)),
        NodeFile("/etc/tmpfiles.d/rackstrap-timezone.conf", render("timezone.conf.j2", timezone=timezone)),
    ]
    if site.keyboard:
        files.append(NodeFile("/etc/default/keyboard", render("keyboard.j2", keyboard=site.keyboard)))
    return (*files, *_render_accounts(render, accounts))


def _render_accounts(render: Callable[..., str], accounts: Sequence[Account]) -> list[NodeFile]:
    keys: dict[str, tuple[str, ...]] = {}
    for account in accounts:
        keys[account.name] = (*keys.get(account.name, ()), *account.ssh_keys)
    files = []
    for name, lines in keys.items():
        sudoers = render("sudoers.j2", user=name)  # also admits the name, before it becomes a path
        home = "/root" if name == ROOT else f"/home/{name}"
        if lines:
            files.append(NodeFile(f"{home}/.ssh/authorized_keys", render("authorized_keys.j2", keys=lines), 0o600))
        if any(account.sudo for account in accounts if account.name == name) and name != ROOT:
            files.append(NodeFile(f"/etc/sudoers.d/rackstrap-{name}", sudoers, 0o440))
    return files


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
