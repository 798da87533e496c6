"""Which consoles an admin node has, who gets in there and over SSH, and which name servers it asks."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.iso_overlay import GENERATOR, LIBEXEC, OVERLAY, ROOT


def make_spcr(space: int, address: int, speed: int) -> bytes:
    table = bytearray(80)
    table[40] = space
    struct.pack_into("<Q", table, 44, address)
    table[58] = speed
    return bytes(table)


def find_wants(root: Path) -> list[str]:
    return (root / "normal/multi-user.target.d/rackstrap.conf").read_text().partition("Wants=")[2].split()


def run_generator(root: Path) -> None:
    folders = (root / "normal", root / "early", root / "late")
    subprocess.run([GENERATOR, *folders], check=True, env={**os.environ, "ROOT": str(root)})


def generate(root: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """The consoles, the gettys that are masked, and each serial line's speed."""
    normal, early = root / "normal", root / "early"
    run_generator(root)
    wants = sorted(name for name in find_wants(root) if "console@" in name)
    speeds = {}
    for path in sorted(normal.glob("*.d/serial.conf")):
        (line,) = [line for line in path.read_text().splitlines() if "SPEED" in line]
        speeds[path.parent.name.partition("@")[2].partition(".")[0]] = line.rpartition("=")[2]
    masked = sorted(path.name for path in early.iterdir() if path.readlink() == Path("/dev/null"))
    return [name.partition("@")[2].removesuffix(".service") for name in wants], masked, speeds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/lib/rackstrap/site-packages").mkdir(parents=True)
    (tmp_path / "sys/class/tty/console").mkdir(parents=True)
    (tmp_path / "sys/class/tty/console/active").write_text("tty0 ttyS0\n")
    for number, port in enumerate((0x3F8, 0x2F8)):
        (tmp_path / f"sys/class/tty/ttyS{number}").mkdir()
        (tmp_path / f"sys/class/tty/ttyS{number}/port").write_text(f"0x{port:X}\n")
        (tmp_path / f"sys/class/tty/ttyS{number}/iomem_base").write_text("0x0\n")
    (tmp_path / "sys/firmware/acpi/tables").mkdir(parents=True)
    return tmp_path


def test_consoles_are_the_screen_and_what_the_kernel_uses(root: Path) -> None:
    consoles, masked, speeds = generate(root)
    assert consoles == ["tty1", "ttyS0"]
    assert speeds == {"ttyS0": ""}
    assert masked == [f"{kind}getty@{name}.service" for kind in ("", "serial-") for name in consoles]


def test_the_firmware_s_serial_port_is_a_console_at_its_speed(root: Path) -> None:
    (root / "sys/firmware/acpi/tables/SPCR").write_bytes(make_spcr(1, 0x2F8, 7))
    assert generate(root)[::2] == (["tty1", "ttyS0", "ttyS1"], {"ttyS0": "", "ttyS1": "115200"})


@pytest.mark.parametrize("table", [b"", b"SPCR" * 9, make_spcr(1, 0x3E8, 7), make_spcr(0, 0, 7), make_spcr(1, 0x3F8, 3)])
def test_a_strange_or_known_firmware_port_changes_nothing(root: Path, table: bytes) -> None:
    (root / "sys/firmware/acpi/tables/SPCR").write_bytes(table)
    assert generate(root)[::2] == (["tty1", "ttyS0"], {"ttyS0": ""})


def test_a_port_in_memory_and_a_hypervisor_s_console_count(root: Path) -> None:
    (root / "sys/class/tty/hvc0").mkdir()
    (root / "sys/class/tty/ttyAMA0").mkdir()
    (root / "sys/class/tty/ttyAMA0/iomem_base").write_text("0x9000000\n")
    (root / "sys/firmware/acpi/tables/SPCR").write_bytes(make_spcr(0, 0x9000000, 3))
    assert generate(root)[::2] == (["hvc0", "tty1", "ttyAMA0", "ttyS0"], {"hvc0": "", "ttyAMA0": "9600", "ttyS0": ""})


def test_an_operator_comes_first_and_nobody_comes_last(root: Path) -> None:
    (root / "run/rackstrap/medium").mkdir(parents=True)
    (root / "proc").mkdir()
    order = root / "normal/rackstrap-tui.service.d/order.conf"
    for words, first in (
        ("rackstrap.boot=install", "Before="),
        ("rackstrap.boot=unattended", "After="),
        ("rackstrap.site=x", "After="),
    ):
        (root / "proc/cmdline").write_text(f"quiet {words} panic=30\n")
        run_generator(root)
        assert order.read_text().splitlines()[1].startswith(first), words


def test_nodes_get_none_of_it(root: Path) -> None:
    (root / "usr/lib/rackstrap/site-packages").rmdir()
    run_generator(root)
    assert not (root / "normal").exists()


def test_every_unit_that_the_generator_wants_is_there(root: Path) -> None:
    generate(root)
    for name in find_wants(root):
        template = name.partition("@")[0] + "@.service" if "@" in name else name
        assert (OVERLAY / "etc/systemd/system" / template).is_file(), name


def test_the_live_system_has_no_login_to_mask(root: Path) -> None:
    (root / "run/rackstrap/medium").mkdir(parents=True)
    run_generator(root)
    assert not (root / "early").exists()
    assert "rackstrap-console@tty1.service" in find_wants(root)


@pytest.fixture
def access(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "etc/ssh/sshd_config.d").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chpasswd").write_text(f'#!/bin/sh\ncat >>"{tmp_path}/shadow"\n')
    (tmp_path / "bin/chpasswd").chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "RACKSTRAP_RUN": str(tmp_path / "run"), "RACKSTRAP_ETC": str(tmp_path / "etc")}


def test_a_boot_has_a_password_of_its_own_that_only_root_reads(access: dict[str, str], tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run([LIBEXEC / "rackstrap-access"], check=True, env=access)
    password = tmp_path / "run/password"
    assert password.stat().st_mode & 0o777 == 0o600
    signs = "[a-hj-km-np-z2-9]"
    assert subprocess.run(["grep", "-qxE", f"{signs}{{4}}-{signs}{{4}}-{signs}{{4}}", password], check=False).returncode == 0
    (line,) = (tmp_path / "shadow").read_text().splitlines()
    salt = line.split("$")[2]
    again = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    hashed = subprocess.run(again, input=password.read_text(), check=True, capture_output=True, text=True).stdout.strip()
    assert line == f"root:{hashed}"
    assert (tmp_path / "run/host_key").read_text().startswith("SHA256:")
    assert (tmp_path / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "text", "hashed"), [("authorized_keys", "ssh-ed25519 AAAA\n", "*"), ("password_hash", "$y$x\n", "$y$x")]
)
def test_a_site_file_s_keys_end_the_password(access: dict[str, str], tmp_path: Path, name: str, text: str, hashed: str) -> None:
    subprocess.run([LIBEXEC / "rackstrap-access"], check=True, env=access)
    (tmp_path / "run/access").mkdir()
    (tmp_path / "run/access" / name).write_text(text)
    subprocess.run([LIBEXEC / "rackstrap-access"], check=True, env=access)
    assert (tmp_path / "shadow").read_text().splitlines()[-1] == f"root:{hashed}"
    assert not (tmp_path / "run/password").exists()


def test_name_servers_come_from_the_network_and_nothing_else_does(tmp_path: Path) -> None:
    state, made = tmp_path / "state", tmp_path / "resolv.conf"
    state.write_text("OPER_STATE=routable\nDNS=10.0.0.1 fd00::1 evil;rm 10.0.0.2 10.0.0.3\nDOMAINS=lab.example $(id) *\n")
    subprocess.run([LIBEXEC / "rackstrap-resolv", state, made], check=True)
    assert made.read_text().splitlines()[1:] == [
        "search lab.example",
        *(f"nameserver {a}" for a in ("10.0.0.1", "fd00::1", "10.0.0.2")),
    ]
    assert made.stat().st_mode & 0o777 == 0o644


def test_scripts_pass_shellcheck() -> None:
    scripts = [GENERATOR, *LIBEXEC.glob("rackstrap-*"), ROOT / "screens/session.sh"]
    named = ["shellcheck", *map(str, scripts)]
    assert subprocess.run(named, check=False, capture_output=True, text=True).stdout == ""
    profile = ["shellcheck", "--shell=sh", str(OVERLAY / "etc/profile.d/rackstrap.sh")]
    assert subprocess.run(profile, check=False, capture_output=True, text=True).stdout == ""
    assert all(os.access(path, os.X_OK) for path in scripts)
