"""What machines are sent while they boot, as files to read beforehand: made for `plan --into`, served from memory."""

from __future__ import annotations

from collections.abc import Mapping

from installer.model.facts import Machine
from installer.model.plan import AdminPlace, Plan
from installer.model.site import Site
from installer.render.boot import render_grub_discover, render_grub_disk, render_ipxe_discover, render_ipxe_disk
from installer.render.services import render_external_text

EXTERNAL = "external-dhcp.txt"


def make_boot_files(plan: Plan, site: Site, machines: Mapping[str, Machine], place: AdminPlace) -> dict[str, str]:
    """Folder-relative path → text: each node's boot scripts, and what the site's own DHCP server must be told."""
    files = {EXTERNAL: render_external_text(site, place)} if site.services.dhcp == "external" else {}
    for node in plan.nodes:
        mac = find_boot_mac(machines.get(node.machine))
        if mac and place.image.sha256.get("root.squashfs"):  # without a built image there is nothing to boot
            files[f"boot/{node.name}/discover.ipxe"] = render_ipxe_discover(site, place, mac)
            files[f"boot/{node.name}/discover.grub"] = render_grub_discover(site, place, mac)
            files[f"boot/{node.name}/disk.ipxe"] = render_ipxe_disk(node.name)
            files[f"boot/{node.name}/disk.grub"] = render_grub_disk(node.name)
    return files


def find_boot_mac(machine: Machine | None) -> str:
    """The NIC that the machine booted from, else its first; "" when there is none."""
    if machine is None:
        return ""
    return machine.boot_nic or next((nic.mac for nic in machine.nics if nic.mac), "")
