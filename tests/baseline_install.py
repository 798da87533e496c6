"""The usual way of installing: debootstrap of the same packages from a local cache, then a boot, until SSH answers.

It starts where Rackstrap starts: the live system is up and knows its disk. In place of the agent runs baseline_install.sh.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.bare_debian import SUITE, TOP
from tests.baseline_machine import ADMIN, FROM_DISK, MAC, HandBooted, hand_booted
from tests.rack.rack import find_image, make_key

SCRIPT: Final = Path(__file__).with_suffix(".sh")
MEMORY_MB: Final = 1280  # as tests.rack.one
NODE: Final = "192.168.124.20"
LOADERS: Final = frozenset({"ipxe"})  # only taken apart for what the admin node serves; never installed
UNIT: Final = "[Service]\nExecStart=\nExecStart=/bin/sh /etc/install.sh\nRestart=no\n"


def read_lock(lock: Path) -> dict[str, str]:
    """Name and version of every package that is installed with the image."""
    words = (line.split() for line in lock.read_text().splitlines())
    return {name: version for name, version, _sha256 in words if name not in LOADERS}


def make_repository(repository: Path, packages: dict[str, str], debs: Path) -> None:
    """A Debian repository of just these packages, from the image build's own downloads."""
    pool = repository / "pool"
    index = repository / f"dists/{SUITE}/main/binary-amd64"
    pool.mkdir(parents=True)
    index.mkdir(parents=True)
    for name, version in packages.items():
        found = next(debs.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
        shutil.copy(found, pool / f"{name}.deb")
    listed = subprocess.run(["apt-ftparchive", "packages", "pool"], cwd=repository, check=True, capture_output=True).stdout
    (index / "Packages").write_bytes(listed)
    subprocess.run(["gzip", "-k", index / "Packages"], check=True)
    said = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in (("Components", "main"), ("Architectures", "amd64"))]
    said += [f"-oAPT::FTPArchive::Release::{key}={SUITE}" for key in ("Suite", "Codename")]
    release = subprocess.run(["apt-ftparchive", *said, "release", index.parents[1]], check=True, capture_output=True).stdout
    (index.parents[1] / "Release").write_bytes(release)


def make_source(folder: Path, image: Path, key: str) -> Path:
    """The second disk: everything that the usual way needs, so that no network slows it down."""
    source, file = folder / "source", folder / "source.img"
    packages = read_lock(image / "packages.lock")
    make_repository(source / "repository", packages, TOP / "build/cache/debs")
    shutil.copytree("/usr/share/debootstrap", source / "debootstrap")
    shutil.copy("/usr/sbin/debootstrap", source / "debootstrap/debootstrap")
    for name, text in (("packages", ",".join(packages)), ("suite", SUITE), ("address", NODE), ("key.pub", key)):
        (source / name).write_text(text + "\n")
    # Debs are compressed already.
    plain = ("-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX")
    subprocess.run(["mksquashfs", source, file, *plain], check=True)
    os.truncate(file, -(-file.stat().st_size // 2**20) * 2**20)
    return file


def save_initrd(folder: Path, image: Path) -> Path:
    """The image's initrd with a few files before it: what lies under /live there goes over the live system."""
    live = folder / "initrd.root/live"
    unit = live / "etc/systemd/system/rackstrap-agent.service.d"
    unit.mkdir(parents=True)
    shutil.copy(SCRIPT, live / "etc/install.sh")
    (unit / "install.conf").write_text(UNIT)
    names = "\n".join(str(path.relative_to(live.parent)) for path in [live, *sorted(live.rglob("*"))])
    argv = ("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0")
    first = subprocess.run(argv, input=names.encode(), cwd=live.parent, check=True, capture_output=True).stdout
    initrd = folder / "initrd"
    initrd.write_bytes(first + (image / "initrd").read_bytes())
    return initrd


def make_boot(image: Path) -> str:
    """The iPXE script of the live system."""
    sha256 = json.loads((image / "manifest.json").read_text())["sha256"]
    words = (
        f"kernel http://{ADMIN}/image/vmlinuz initrd=initrd rackstrap.mode=discover rackstrap.image=http://{ADMIN}/image",
        f"rackstrap.sha256={sha256['root.squashfs']},{sha256['rackstrap.squashfs']} rackstrap.mac={MAC}",
        "console=tty0 console=ttyS0,115200n8 systemd.gpt_auto=0 panic=30 quiet",
    )
    return f"#!ipxe\n{' '.join(words)}\ninitrd http://{ADMIN}/initrd\nboot\n"


def run_install(machine: HandBooted, image: Path) -> tuple[float, float, float]:
    """Seconds from the script's start to the last write, to the first SSH banner from the disk, and QEMU's processor time."""
    (machine.www / "image").symlink_to(image)
    (machine.www / "initrd").symlink_to(save_initrd(machine.rack.folder, image))
    machine.boot_with(make_boot(image))
    machine.power_on()
    begun_at = machine.wait_console(rb"baseline: begins", 300)
    used_s = machine.find_processor_s()
    installed_at = machine.wait_console(rb"baseline: installed", 3600)
    machine.boot_with(FROM_DISK)
    answered_at = machine.wait_ssh(NODE, 900)
    return installed_at - begun_at, answered_at - begun_at, machine.find_processor_s() - used_s


def check_is_installed(machine: HandBooted, key: Path) -> None:
    """What answered is the system on the disk."""
    options = ("-i", str(key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    ssh = ("lab", "run", "--dir", machine.rack.lab, "--", "ssh", *options, f"root@{NODE}", "findmnt -no SOURCE,FSTYPE /")
    assert machine.rack.rackstrap(*ssh).stdout.split() == ["/dev/vda2", "ext4"], machine.rack.find_last_words()


def measure() -> tuple[float, str]:
    """Seconds from the live system's readiness to SSH from the installed disk, and how it was measured."""
    image = find_image()
    with tempfile.TemporaryDirectory() as scratch:
        key, public = make_key(Path(scratch))
        source = make_source(Path(scratch), image, public)
        disk = {"file": str(source), "size": f"{source.stat().st_size >> 20}M", "bus": "virtio", "serial": "SOURCE"}
        with hand_booted(Path(scratch, "room"), image, MEMORY_MB, [disk]) as machine:
            install_s, seconds, processor_s = run_install(machine, image)
            check_is_installed(machine, key)
        count = len(read_lock(image / "packages.lock"))
    how = (
        f"debootstrap of the image's {count} packages from a local disk, grub-install ({install_s:.0f} s), reboot, "
        f"BIOS, 1 processor, {MEMORY_MB} MB, live system up to SSH from the disk; "
        f"QEMU used {processor_s:.0f} s of processor, load when it ended {os.getloadavg()[0]:.1f}"
    )
    return seconds, how
