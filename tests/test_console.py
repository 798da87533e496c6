"""What an admin node's consoles show: the banner on a real pty, the session in a real tmux, and which consoles there are."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from screens.attach import find_socket
from tests.terminal import Terminal

ROOT: Final = Path(__file__).parent.parent
OVERLAY: Final = ROOT / "iso/overlay"
LIBEXEC: Final = OVERLAY / "usr/libexec"
GENERATOR: Final = OVERLAY / "usr/lib/systemd/system-generators/rackstrap-console-generator"
START: Final = 'exec "$0" "$(tty | cut -c6-)"'
SCREEN: Final = """#!/bin/sh
printf '\\033[?1049hthe screen of all\\n'
[ ! -p "$RACKSTRAP_SHOWN" ] || echo 1<>"$RACKSTRAP_SHOWN"
exec sleep 60
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a live system's console, all of it below tmp_path; its session is ended afterwards."""
    for folder in ("run", "state", "image", "proc/net", "sys/class/net"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "image/manifest.json").write_text('{\n "sha256": {},\n "version": "1.2+abc"\n}\n')
    (tmp_path / "proc/cmdline").write_text("quiet rackstrap.boot=install\n")
    (tmp_path / "proc/net/fib_trie").write_text("Main:\n")
    (tmp_path / "screen").write_text(SCREEN)
    (tmp_path / "screen").chmod(0o755)
    names = {"RUN": "run", "STATE": "state", "IMAGE": "image", "PROC": "proc", "SYS": "sys", "MARK": "admin.json"}
    environment = {f"RACKSTRAP_{name}": str(tmp_path / folder) for name, folder in names.items()}
    environment |= {"RACKSTRAP_LOOK_S": "0.3", "RACKSTRAP_ANSWER_S": "0.3"}
    yield {**environment, "RACKSTRAP_SCREENS": str(ROOT / "screens"), "RACKSTRAP": str(tmp_path / "screen")}
    for socket in (tmp_path / "run").glob("tui-*"):
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True)


def open_console(place: dict[str, str], rows: int = 24, columns: int = 80, **environment: str) -> Terminal:
    argv = ["/bin/sh", "-c", START, str(LIBEXEC / "rackstrap-console")]
    return Terminal(argv, rows=rows, columns=columns, env={**place, **environment})


def start_session(place: dict[str, str]) -> Path:
    """The socket of the session that the system keeps ready."""
    subprocess.run([LIBEXEC / "rackstrap-session"], check=True, env={**os.environ, **place})
    (socket,) = Path(place["RACKSTRAP_RUN"]).glob("tui-*")
    return socket


def ask_clients(socket: Path, what: str) -> str:
    words = ["tmux", "-S", str(socket), "list-clients", "-F", what]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_the_banner_tells_what_this_is_and_how_to_reach_it(place: dict[str, str]) -> None:
    run = Path(place["RACKSTRAP_RUN"])
    (run / "password").write_text("abcd-efgh-jkmn\n")
    (run / "host_key").write_text("SHA256:abc\n")
    with open_console(place) as console:
        text = console.wait_for("Enter  open Rackstrap")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        assert lines[:2] == ["Rackstrap 1.2+abc", "Started from the admin ISO. No disk is written until you say so."]
        assert "host key  SHA256:abc" in lines
        assert "password  abcd-efgh-jkmn   (for this boot only)" in lines


def test_hostile_text_in_a_notice_moves_nothing(place: dict[str, str]) -> None:
    hostile = "first\n\x1b[2J\x1b]0;owned\x07\x9b31mred\r\u202eabc\n" + "x" * 500 + "\n"
    (Path(place["RACKSTRAP_RUN"]) / "notice").write_text(hostile)
    with open_console(place) as console:
        text = console.wait_for("first")
        assert "?[2J?]0;owned?" in text
        assert f" {'x' * 76}\n" in text
        written = bytes(console.written)
    assert b"\x1b]" not in written
    assert written.count(b"\x1b[2J") == 1, "the banner's own"
    assert b"\x07" not in written
    assert b"\x9b" not in written


def test_the_session_is_ready_when_its_first_page_stands_or_when_it_cannot(place: dict[str, str], tmp_path: Path) -> None:
    ready = Path(place["RACKSTRAP_RUN"]) / "tui.pid"
    (tmp_path / "screen").write_text("#!/bin/sh\nsleep 0.7\n" + SCREEN)
    began = time.monotonic()
    socket = start_session(place)
    assert 0.7 <= time.monotonic() - began < 10
    assert ready.read_text().strip().isdigit()
    subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=True)
    (tmp_path / "screen").write_text("#!/bin/sh\nexit 2\n")
    began = time.monotonic()
    start_session(place)
    assert time.monotonic() - began < 10, "what cannot start holds nothing back"


def test_an_operator_comes_first_and_nobody_comes_last(root: Path) -> None:
    (root / "run/rackstrap/medium").mkdir(parents=True)
    (root / "proc").mkdir()
    order = root / "normal/rackstrap-tui.service.d/order.conf"
    environment = {**os.environ, "ROOT": str(root)}
    for words, first in (
        ("rackstrap.boot=install", "Before="),
        ("rackstrap.boot=unattended", "After="),
        ("rackstrap.site=x", "After="),
    ):
        (root / "proc/cmdline").write_text(f"quiet {words} panic=30\n")
        subprocess.run([GENERATOR, root / "normal", root / "early", root / "late"], check=True, env=environment)
        assert order.read_text().splitlines()[1].startswith(first), words


def test_a_change_is_drawn_over_the_old_without_wiping(place: dict[str, str]) -> None:
    run = Path(place["RACKSTRAP_RUN"])
    with open_console(place) as console:
        console.wait_for("Enter  open Rackstrap")
        before = len(console.written)
        console.read(0.7)
        assert len(console.written) == before, "nothing changed, nothing was drawn"
        (run / "notice").write_text("12 machines found\n")
        text = console.wait_for("12 machines found")
        assert b"\x1b[2J" not in console.written[before:]
        assert text.count("Enter  open Rackstrap") == 1


def test_enter_joins_the_session_and_leaving_it_comes_back(place: dict[str, str]) -> None:
    start_session(place)
    with open_console(place) as console:
        console.wait_for("Enter  open Rackstrap")
        console.press("enter")
        console.wait_for("the screen of all")
        console.press("\x02", "d")
        console.wait_for("Enter  open Rackstrap")


def test_enter_starts_no_session_of_its_own_while_the_system_takes_a_state_back(place: dict[str, str], tmp_path: Path) -> None:
    systemctl, job = tmp_path / "bin/systemctl", tmp_path / "job"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\n[ "$1" != list-jobs ] || cat {job}\n')
    systemctl.chmod(0o755)
    job.write_text("101 rackstrap-recover.service start running\n")
    with open_console(place, RACKSTRAP_START_S="0", PATH=f"{systemctl.parent}:{os.environ['PATH']}") as console:
        console.wait_for("Enter  open Rackstrap")
        console.press("enter")
        console.wait_for("One moment")
        assert "One moment: Rackstrap starts." in console.settle(2)
        assert [*Path(place["RACKSTRAP_RUN"]).glob("tui-*")] == []
        job.write_text("")
        start_session(place)
        console.wait_for("the screen of all")


def test_a_terminal_that_answers_gets_its_size_and_colours(place: dict[str, str]) -> None:
    socket = start_session(place)
    with open_console(place, rows=30, columns=100) as console:
        console.wait_for("Enter  open Rackstrap")
        console.child.setwinsize(0, 0)  # a serial line knows no size
        console.press("enter")
        console.wait("the question", lambda _: b"\x1b[6n" in console.written)
        console.press("\x1b[30;100R\x1b[?62;1;22c")
        console.wait_for("the screen of all")
        assert ask_clients(socket, "#{client_termname} #{client_width}x#{client_height}") == "xterm 100x30"


def test_a_silent_terminal_is_a_vt220_of_80_by_24_and_an_idle_one_lets_go(place: dict[str, str]) -> None:
    socket = start_session(place)
    with open_console(place, RACKSTRAP_IDLE_S="1", RACKSTRAP_IDLE_LOOK_S="0.2") as console:
        console.wait_for("Enter  open Rackstrap")
        console.resize(0, 0)
        console.press("enter")
        console.wait_for("the screen of all")
        assert ask_clients(socket, "#{client_termname} #{client_width}x#{client_height}") == "vt220 80x24"
        console.wait_for("Enter  open Rackstrap")
        assert ask_clients(socket, "#{client_tty}") == ""


def test_the_session_is_the_one_that_attach_joins(place: dict[str, str], tmp_path: Path) -> None:
    assert start_session(place).name == find_socket(Path(place["RACKSTRAP_STATE"])).name
    assert int((tmp_path / "run/tui.pid").read_text()) > 1


def test_installed_consoles_watch_and_offer_a_login(place: dict[str, str]) -> None:
    Path(place["RACKSTRAP_MARK"]).write_text("{}")
    name = start_session(place).name
    assert name == find_socket(Path(place["RACKSTRAP_STATE"]) / "watch").name
    (Path(place["RACKSTRAP_RUN"]) / "password").write_text("abcd-efgh-jkmn\n")
    with open_console(place) as console:
        text = console.wait_for("Enter  watch the rack      L  log in")
        assert "password" not in text
        console.press("s")  # no shell for who has not logged in
        console.press("enter")
        console.wait_for("the screen of all")


def make_spcr(space: int, address: int, speed: int) -> bytes:
    table = bytearray(80)
    table[40] = space
    struct.pack_into("<Q", table, 44, address)
    table[58] = speed
    return bytes(table)


def find_wants(root: Path) -> list[str]:
    return (root / "normal/multi-user.target.d/rackstrap.conf").read_text().partition("Wants=")[2].split()


def generate(root: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """The consoles, the gettys that are masked, and each serial line's speed."""
    normal, early = root / "normal", root / "early"
    subprocess.run([GENERATOR, normal, early, root / "late"], check=True, env={**os.environ, "ROOT": str(root)})
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


def test_nodes_get_none_of_it(root: Path) -> None:
    (root / "usr/lib/rackstrap/site-packages").rmdir()
    subprocess.run([GENERATOR, root / "normal", root / "early", root / "late"], check=True, env={**os.environ, "ROOT": str(root)})
    assert not (root / "normal").exists()


def test_every_unit_that_the_generator_wants_is_there(root: Path) -> None:
    generate(root)
    for name in find_wants(root):
        template = name.partition("@")[0] + "@.service" if "@" in name else name
        assert (OVERLAY / "etc/systemd/system" / template).is_file(), name


def test_the_live_system_has_no_login_to_mask(root: Path) -> None:
    (root / "run/rackstrap/medium").mkdir(parents=True)
    environment = {**os.environ, "ROOT": str(root)}
    subprocess.run([GENERATOR, root / "normal", root / "early", root / "late"], check=True, env=environment)
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
