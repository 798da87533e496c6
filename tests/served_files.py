"""What the tests' admin node serves: a site, a state folder, an image folder with small stand-ins, a machine's recording."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from installer.model.site import Site
from installer.site.load import load_site

ADMIN: Final = "192.168.77.10"
CANARY: Final = "$y$j9T$CANARY-password-hash$0123456789012345678901234567890123456789012"

SITE: Final = f"""\
rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [], password_hash: "{CANARY}"}}
admin: {{hostname: admin, address: {ADMIN}}}
networks:
  admin: {{subnet: 192.168.77.0/24, conduit: intf0, ranges: {{admin: .10-.11, dhcp: .21-.30, host: .81-.160}}}}
nodes:
  - {{match: {{any: true}}, expect: 1}}
"""
LOADERS: Final = ("undionly.kpxe", "snponly.efi", "shimx64.efi", "grubx64.efi", "mmx64.efi")


def save_image(folder: Path) -> None:
    """An image folder as the build leaves it, with small stand-ins for the big files."""
    (folder / "tftp").mkdir(parents=True)
    files = {
        name: f"{name} of the tests\n".encode() * 100 for name in ("vmlinuz", "initrd", "root.squashfs", "rackstrap.squashfs")
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name in LOADERS:
        (folder / "tftp" / name).write_bytes(f"loader {name}\n".encode())
    manifest = {
        "version": "1",
        "kernel": "6.12.0",
        "sha256": {name: sha256(content).hexdigest() for name, content in files.items()},
        "bytes": {name: len(content) for name, content in files.items()},
        "root_bytes": 1,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def save_state(folder: Path, site: str = SITE) -> Site:
    """A state directory with an applied site, not yet served."""
    folder.mkdir(mode=0o700, parents=True)
    path = folder / "site.yaml"
    path.write_text(site)
    path.chmod(0o600)
    loaded = load_site(path)
    assert loaded.site is not None, loaded.problems
    return loaded.site


def save_files(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text)
        fresh.replace(path)


def make_recording(serial: str = "SERIAL-0001", mac: str = "52:54:00:00:00:01", boot_id: str = "boot-1") -> dict[str, Any]:
    """The recording of a machine with one NIC and one disk."""
    nic = {
        "attributes": {"addr_assign_type": "0", "address": mac, "carrier": "1", "operstate": "up", "speed": "1000", "type": "1"},
        "driver": "e1000e",
        "path": "/devices/pci0000:00/0000:00:03.0/net/eth0",
        "properties": {"IFINDEX": "2", "INTERFACE": "eth0", "SUBSYSTEM": "net"},
    }
    return {
        "format": 1,
        "addresses": {},
        "block": [],
        "commands": {"ip": None, "ipmi": None, "lldp": None, "smart": {}, "wipefs": []},
        "dmi": {"product_serial": serial, "product_uuid": f"0f3a1c2e-0000-4000-8000-{sha256(serial.encode()).hexdigest()[:12]}"},
        "gateways": [],
        "host": {
            "boot_id": boot_id,
            "cmdline": "console=ttyS0,115200n8",
            "consoles": "ttyS0",
            "cpuinfo": "processor\t: 0\nmodel name\t: test\nphysical id\t: 0\ncore id\t\t: 0",
            "disks_locked": True,
            "efi": False,
            "meminfo": "MemTotal:       2048000 kB",
            "memory_block_bytes": "8000000",
            "memory_blocks": 16,
            "secure_boot": "",
            "tpm": "",
            "tpm_present": False,
        },
        "net": [copy.deepcopy(nic)],
    }


def list_texts(folder: Path) -> dict[str, str]:
    """Every file below the folder as text, for looking for secrets."""
    return {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}
