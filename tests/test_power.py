"""Power through a real BMC: OpenIPMI's ipmi_sim in a network of its own, with `sleep` in place of the machine."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.cli import run
from installer.engine.journal import Journal
from installer.lab import netns
from installer.lab.chassis import find_machine, run_power_off
from installer.lab.home import Home, make_home
from installer.lab.processes import run_stop
from installer.lab.rack_file import parse_rack
from installer.lab.up import run_bmc
from installer.model.ledger import BmcEntry
from installer.model.problems import RackstrapError
from installer.power import make_power
from installer.power.ipmi import Ipmi
from installer.power.scan import Found, parse_pong, parse_ranges, run_scan
from installer.power.secrets import load_secret, save_secret

CLONE_NEWNET = 0x40000000
RACK = """
name: {name}
admin: 192.168.124.10/24
machines:
  - name: m1
    serial: M1
    uuid: 5f1d2a60-0001-4c1e-9d3b-52540012a001
    bmc: {{address: 192.168.124.162}}
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """One machine with a BMC, and how it is reached."""

    home: Home
    power: Ipmi
    restart: Callable[[], None]

    @property
    def folder(self) -> Path:
        return self.home.machine("m1")

    def kill_bmc(self) -> None:
        for process in self.home.processes():
            run_stop(process, grace_s=0)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread, and whatever it starts, in the network namespace; back in the old one afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{name}") as there:  # noqa: PTH123
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    rack, problems = parse_rack(RACK.format(name=f"tp{os.getpid()}"))
    assert rack is not None
    assert problems == []
    home = make_home(tmp_path / "r")
    home.machine("m1").mkdir(parents=True)
    spec = {"argv": {"network": ["sleep", "3600.1"], "disk": ["sleep", "3600.2"]}, "lan": {}, "qmp": False}
    (home.machine("m1") / "machine.json").write_text(json.dumps(spec))
    netns.run_build(rack)
    try:
        run_bmc(home, rack, 0)
        secret = home.secret("m1")
        power = Ipmi("192.168.124.162", "admin", secret, attempts=2, back_off_s=0.2, attempt_s=20)
        with inside(rack.name):
            yield Bench(home, power, lambda: run_bmc(home, rack, 0))
    finally:
        run_power_off(home.machine("m1"), grace_s=0)
        for process in home.processes():
            run_stop(process, grace_s=0)
        netns.run_ip("netns", "delete", rack.name)


def find_command(bench: Bench) -> str:
    """The command line of the stand-in for the machine; "" when it is off."""
    process = find_machine(bench.folder)
    return Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ").strip() if process else ""


def test_switches_on_off_and_cycles(bench: Bench) -> None:
    assert bench.power.get_power() == "off"
    assert bench.power.set_power("on") == "switched on"
    assert (bench.power.get_power(), find_command(bench)) == ("on", "sleep 3600.1")
    first = find_machine(bench.folder)
    bench.power.set_power("on")
    assert find_machine(bench.folder) == first
    bench.power.set_power("cycle")
    second = find_machine(bench.folder)
    assert second is not None
    assert second != first
    bench.power.set_power("off")
    assert (bench.power.get_power(), find_command(bench)) == ("off", "")
    bench.power.set_power("cycle")
    assert bench.power.get_power() == "on"


def test_boot_device_holds_for_one_boot(bench: Bench) -> None:
    assert bench.power.set_boot("disk", uefi=True) == "next boot is from the disk"
    assert (bench.folder / "boot").read_text() == "default\n"
    bench.power.set_power("on")
    assert find_command(bench) == "sleep 3600.2"
    bench.power.set_power("cycle")
    assert find_command(bench) == "sleep 3600.1"
    bench.power.set_boot("pxe", uefi=False)
    assert (bench.folder / "boot").read_text() == "pxe\n"


def test_boot_device_is_read_back(bench: Bench) -> None:
    """A BMC that takes the command and forgets it is found out."""
    (bench.folder / "boot").symlink_to("/dev/null")
    with pytest.raises(RackstrapError, match="failed 2 times, at last: "):
        bench.power.set_boot("pxe", uefi=False)


def test_a_machine_that_does_not_come_on_is_an_error(bench: Bench) -> None:
    spec = {"argv": {"network": ["false"], "disk": ["false"]}, "lan": {}, "qmp": True}
    (bench.folder / "machine.json").write_text(json.dumps(spec))
    with pytest.raises(RackstrapError, match=r"the BMC at 192\.168\.124\.162 failed 2 times"):
        bench.power.set_power("on")


def test_identify(bench: Bench) -> None:
    assert bench.power.identify(30) == "lamp lit for 30 s"
    assert (bench.folder / "identify").read_text() == "30 0\n"


def test_wrong_password_is_final_and_named(bench: Bench, tmp_path: Path) -> None:
    save_secret(tmp_path / "wrong", "not-the-password")
    began = time.monotonic()
    with pytest.raises(RackstrapError) as caught:
        replace(bench.power, secret=tmp_path / "wrong").get_power()
    assert caught.value.message == "the BMC at 192.168.124.162 refused: Incorrect password provided"
    assert caught.value.hint == f"check the user name and the password in {tmp_path / 'wrong'}"
    assert time.monotonic() - began < 10
    with pytest.raises(RackstrapError, match="refused: Unauthorized name"):
        replace(bench.power, user="nobody").get_power()


def test_a_dead_bmc_fails_in_bounds_and_is_not_held_against_it(bench: Bench) -> None:
    assert bench.power.get_power() == "off"
    bench.kill_bmc()
    began = time.monotonic()
    with pytest.raises(RackstrapError, match=r"the BMC at 192\.168\.124\.162 failed 1 times, at last: .") as caught:
        replace(bench.power, attempts=1).get_power()
    assert time.monotonic() - began < 25
    assert caught.value.hint.startswith("check its cable")
    bench.restart()
    assert bench.power.get_power() == "off"


def test_recovers_within_its_own_retries(bench: Bench) -> None:
    bench.kill_bmc()
    timer = threading.Timer(1, bench.restart)
    timer.start()
    assert replace(bench.power, attempts=4).get_power() == "off"
    timer.join()


def test_many_threads_at_once(bench: Bench) -> None:
    name = f"tp{os.getpid()}"

    def get() -> str:
        with inside(name):
            return bench.power.get_power()

    with ThreadPoolExecutor(4) as pool:
        assert [one.result() for one in [pool.submit(get) for _ in range(8)]] == ["off"] * 8


def test_the_password_is_in_no_command_line(bench: Bench) -> None:
    password = load_secret(bench.home.secret("m1"))
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(2):
        bench.power.set_power("cycle")
    stop.set()
    watcher.join()
    assert any(b"installer.power.ipmi_worker" in line for line in seen)
    assert not [line for line in seen if password.encode() in line]
    assert password not in repr(bench.power)


@pytest.mark.usefixtures("bench")
def test_scan_finds_the_bmc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_scan(parse_ranges(["192.168.124.160-192.168.124.170"])) == (Found("192.168.124.162", True),)
    state = ["--state", str(tmp_path / "state")]
    assert run(["bmc", "scan", "192.168.124.162", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out) == {"address": "192.168.124.162", "ipmi": True, "known": False}
    with Journal(tmp_path / "state" / "store.db") as journal:
        assert journal.ledger.bmcs == {"192.168.124.162": BmcEntry("192.168.124.162")}


def test_ranges() -> None:
    assert parse_ranges(["10.0.0.1-10.0.0.2", "10.0.0.2"]) == (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))
    assert parse_ranges(["10.0.0.0/30"]) == (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))
    for wrong in ("10.0.0.0/8", "10.0.0.9-10.0.0.1", "bmc1", "10.0.0.1/24"):
        with pytest.raises(RackstrapError):
            parse_ranges([wrong])


@given(st.binary(max_size=64))
def test_any_packet_is_safe_to_parse(packet: bytes) -> None:
    assert parse_pong(packet) in {None, True, False}


def test_manual_says_what_to_press(tmp_path: Path) -> None:
    power = make_power(BmcEntry("manual:rack3-7"), tmp_path)
    assert power.get_power() == "unknown"
    assert power.set_power("cycle") == "switch rack3-7 off and on again"
    assert power.set_boot("pxe", uefi=True) == "make rack3-7 boot from the network (UEFI): boot menu or firmware setup"
    assert power.identify(0) == "rack3-7 has no lamp"


def test_a_bmc_without_credentials_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RackstrapError, match="has no credentials"):
        make_power(BmcEntry("192.168.124.162"), tmp_path)
