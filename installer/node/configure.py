"""Make the unpacked image this node: its files, users, keys, units."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from uuid import uuid4

from installer.model.orders import NodeFile
from installer.node.bootloader import find_kernel, render_default_grub, render_grub_cfg
from installer.node.hostkeys import keep_host_keys, make_host_keys
from installer.node.job import AsNode, Job
from installer.node.layout import render_fat_uuid, render_fstab, render_mdadm_conf
from installer.node.place import render_installed
from installer.node.programs import run_program
from installer.node.tree import write_file

OWN_UNIT: Final = "rackstrap-agent.service"


def make_system_files(job: Job, kernel: str) -> tuple[NodeFile, ...]:
    """What every installation has, before the order's own files. The machine id is the only thing that is random."""
    spec, ids = job.spec, job.ids
    return (
        NodeFile("/etc/hostname", f"{spec.node}\n"),
        NodeFile("/etc/machine-id", f"{uuid4().hex}\n", 0o444),
        NodeFile("/etc/fstab", render_fstab(ids)),
        NodeFile("/etc/mdadm/mdadm.conf", render_mdadm_conf(ids)),
        NodeFile("/etc/default/locale", "LANG=C.UTF-8\n"),
        NodeFile("/etc/rackstrap/esps", "".join(f"{render_fat_uuid(esp)}\n" for esp in ids.esps)),
        NodeFile("/etc/lvm/lvmlocal.conf", "activation {\n\tauto_activation_volume_list = []\n}\n"),
        NodeFile("/etc/default/grub", render_default_grub(ids, spec.consoles, job.firmware)),
        NodeFile("/boot/grub/grub.cfg", render_grub_cfg(ids, spec.consoles, kernel), 0o600),
    )


def run_configure(job: Job) -> tuple[str, ...]:
    """Write all of it; the node's SSH host keys (public lines) are the answer. Raises RackstrapError."""
    target, spec = job.target, job.spec
    for file in (*make_system_files(job, find_kernel(target)), *spec.files):
        write_file(target, file.path, file.text, file.mode)
    run_users(target, spec.users, job.secrets.get("password_hash", ""))
    own_home_files(target, spec.files, parse_owners((target / "etc/passwd").read_text(encoding="utf-8")))
    (target / "var/log/journal").mkdir(parents=True, exist_ok=True)
    run_units(target, spec.enable, job.as_node)
    return keep_host_keys(target, job.host_keys) or make_host_keys(target, spec.node)


def run_units(target: Path, enable: Sequence[str], as_node: AsNode | None) -> None:
    """Enable what starts with the installed system; its agent only where it is a node, which then gets its identity."""
    systemctl = ("systemctl", f"--root={target}", "--quiet")
    if as_node is None:
        run_program((*systemctl, "enable", *enable))
        run_program((*systemctl, "disable", OWN_UNIT))
        return
    write_file(target, "/etc/rackstrap/node.json", render_installed(as_node.installed), 0o600)
    write_file(target, "/etc/rackstrap/agent.key", as_node.identity.key.read_text(encoding="ascii"), 0o600)
    write_file(target, "/etc/rackstrap/agent.crt", as_node.identity.cert.read_text(encoding="ascii"), 0o600)
    run_program((*systemctl, "enable", *enable, OWN_UNIT))


def run_users(target: Path, users: Sequence[str], password_hash: str) -> None:
    """Make the accounts that are not there. The hash goes to root, over a pipe: no command line shows it."""
    known = parse_owners((target / "etc/passwd").read_text(encoding="utf-8"))
    for user in users:
        if user not in known:
            run_program(("useradd", "--root", str(target), "--create-home", "--shell", "/bin/bash", user))
    if password_hash and not set("\n:") & set(password_hash):
        run_program(("chpasswd", "--root", str(target), "--encrypted"), stdin=f"root:{password_hash}\n")


def parse_owners(passwd: str) -> Mapping[str, tuple[int, int, str]]:
    """User name -> uid, gid, home, from passwd(5) text."""
    rows = (line.split(":") for line in passwd.splitlines())
    return {row[0]: (int(row[2]), int(row[3]), row[5]) for row in rows if len(row) > 6}


def own_home_files(target: Path, files: Sequence[NodeFile], owners: Mapping[str, tuple[int, int, str]]) -> None:
    """Files below a user's home, and the folders made for them, belong to that user."""
    for uid, gid, home in owners.values():
        if uid < 1000 or not home.startswith("/home/"):
            continue
        for file in files:
            path = PurePosixPath(file.path)
            for part in (path, *path.parents):
                if PurePosixPath(home) in part.parents:
                    os.chown(target / str(part).lstrip("/"), uid, gid, follow_symlinks=False)
