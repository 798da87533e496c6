"""The admin node's links as systemd-networkd reads them. Netdevs are made as on nodes; nothing is renamed while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from installer.model.facts import Nic
from installer.model.site import Site
from installer.network.links import make_admin_network

STEM: Final = "05-rackstrap-admin-"  # before whatever the live system (10-, 20-) or the administrator wrote


def render_admin_network(site: Site, nics: Sequence[Nic]) -> dict[str, str]:
    """File name → text, for /run/systemd/network. Raises RackstrapError as make_admin_network, RenderRefused for a wild value."""
    from installer.render.environment import make_environment  # late: who only reads what is set renders nothing
    from installer.render.networkd import render_networkd

    template = make_environment().get_template("admin.network.j2")
    network = make_admin_network(site, nics)
    files = {}
    for file in render_networkd(network):
        name = PurePosixPath(file.path).name
        if name.endswith(".netdev"):
            files[STEM + name.removeprefix("10-rackstrap-")] = file.text
    for link in network.links:
        is_top = "admin" in link.networks
        files[f"{STEM}{link.name}.network"] = template.render(
            link=link,
            is_top=is_top,
            is_dhcp=is_top and site.admin.method == "dhcp",
            bond=next((other.name for other in network.links if link.name in other.members), ""),
            vlans=[other.name for other in network.links if other.parent == link.name],
        )
    return dict(sorted(files.items()))


def find_netdevs(files: dict[str, str]) -> dict[str, str]:
    """Bonds and VLANs that these files make: name → text. Bonds first."""
    made = {name.removeprefix(STEM).removesuffix(".netdev"): text for name, text in files.items() if name.endswith(".netdev")}
    return dict(sorted(made.items(), key=lambda entry: "Kind=vlan" in entry[1]))
