"""Every check against real parts: dnsmasq as rogue DHCP server and resolver, a second host, a narrow way, dead servers."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

import pytest

from installer.engine.outlets import Lines
from installer.engine.prepare import LOOK_FOR_S, look_around
from installer.model.problems import RackstrapError
from installer.model.site import Services, Site
from installer.preflight.check import Check
from installer.preflight.run import CHECKS, run_checks
from installer.preflight.target import Port, Target
from installer.preflight.verbs import render_checks
from installer.preflight.watching import Watching
from tests.served_files import ADMIN, CANARY, SITE, save_state
from tests.serving import Segment, enter, make_segment, run, wait_for

HOST: Final = "192.168.77.200"
HOST_MAC: Final = "52:54:00:00:00:01"
DEAD: Final = "192.168.77.250"
SET_IT: Final = "set this machine's network (rackstrap network set SITE)"
TARGET: Final = Target(
    "adm0",
    ip_address(ADMIN),
    ip_network("192.168.77.0/24"),
    (Port("adm0", "52:54:00:aa:00:01", "leaf1 port 1/7"),),
    router=ip_address(HOST),
    forwarders=(ip_address(HOST),),
    ntp=("time.lab.example",),
)
# RFC 5905, figure 8, as a server fills it in: sixty lines of chrony are not needed to be one.
TIME_SERVER: Final = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 123))
print("up", flush=True)
while True:
    raw, who = s.recvfrom(512)
    now = time.time() + float(sys.argv[2]) + 2208988800
    stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
    s.sendto(struct.pack("!BBbbII4s", 0x24, int(sys.argv[3]), 6, -20, 0, 0, b"RATE") + stamp + raw[40:48] + stamp + stamp, who)
"""


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    with make_segment() as made:
        yield made


@contextlib.contextmanager
def serve_names(segment: Segment, folder: Path, *words: str) -> Iterator[None]:
    """dnsmasq on the other host: knows time.lab.example and *.known, and nobody to ask for the rest."""
    log = folder / "names.log"
    argv = ["dnsmasq", "-k", "--no-resolv", "--no-hosts", "--interface=nod0", "--bind-interfaces", "--user=root", *words]
    argv += [
        "--conf-file=/dev/null",
        f"--address=/time.lab.example/{HOST}",
        f"--log-facility={log}",
        f"--dhcp-leasefile={folder}/l",
    ]
    with subprocess.Popen(segment.inside(segment.rack, *argv)) as process:
        try:
            wait_for(lambda: log.exists() and "started" in log.read_text(), "dnsmasq")
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def serve_time(segment: Segment, ahead_s: float = 0, stratum: int = 2) -> Iterator[None]:
    argv = segment.inside(segment.rack, sys.executable, "-c", TIME_SERVER, HOST, str(ahead_s), str(stratum))
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield
        finally:
            process.terminate()


def look(segment: Segment, target: Target, *names: str, within_s: float = 1.0) -> list[Check]:
    with enter(segment.admin):
        return list(run_checks(target, within_s, names or tuple(CHECKS)))


def test_all_is_well(segment: Segment, tmp_path: Path) -> None:
    with serve_names(segment, tmp_path), serve_time(segment):
        assert look(segment, TARGET) == [
            Check("link", "ok", "adm0 up at 10 G, leaf1 port 1/7"),
            Check("dhcp", "ok", "no other DHCP server answers on adm0"),
            Check("address", "ok", f"nobody else answers for {ADMIN}"),
            Check("gateway", "ok", f"{HOST} answers ({HOST_MAC})"),
            Check("dns", "ok", f"{HOST} answers"),
            Check("ntp", "ok", "time.lab.example answers, this clock is right to less than 1 s"),
            Check("mtu", "ok", f"1500 bytes reach {HOST} in one piece"),
        ]


def test_what_is_dead_is_told_in_time_and_blocks_nothing(segment: Segment) -> None:
    dead = replace(TARGET, router=ip_address(DEAD), forwarders=(ip_address(DEAD), ip_address("203.0.113.9")))
    started_at = time.monotonic()
    checks = {check.name: check for check in look(segment, dead)}
    assert time.monotonic() - started_at < 1.2
    assert checks["link"].state == checks["dhcp"].state == checks["address"].state == "ok"
    remedy = "is it on, is this its VLAN, is its address right?"
    assert checks["gateway"] == Check("gateway", "FAIL", f"{DEAD} does not answer on adm0", remedy)
    assert (checks["dns"].state, checks["dns"].found) == ("FAIL", f"{DEAD} does not answer (and 1 more)")
    assert checks["ntp"] == Check(
        "ntp",
        "warn",
        "no NTP server answers: the admin node keeps time alone",
        "time.lab.example has no address; correct services.ntp, or let port 123 through",
    )
    assert checks["mtu"] == Check("mtu", "ok", f"adm0 takes 1500 bytes; {DEAD} answers no ping")


def test_a_rogue_dhcp_server_is_found_although_it_pings_first(segment: Segment, tmp_path: Path) -> None:
    with serve_names(segment, tmp_path, "--port=0", "--dhcp-range=192.168.77.240,192.168.77.250,1h"):
        found = f"{HOST} ({HOST_MAC}) answers on adm0"
        remedy = "stop it, move the cable, or serve beside it (services: {dhcp: proxy})"
        assert look(segment, TARGET, "dhcp") == [Check("dhcp", "FAIL", found, remedy)]
        beside = replace(TARGET, dhcp="proxy")
        assert look(segment, beside, "dhcp") == [Check("dhcp", "ok", f"{found} and gives the addresses")]
    external = look(segment, replace(TARGET, dhcp="external"), "dhcp", within_s=0.6)
    assert [(check.state, check.found) for check in external] == [
        ("warn", "no DHCP server answers on adm0: machines get no address")
    ]


def test_another_machine_with_the_address_is_named_by_its_mac(segment: Segment, tmp_path: Path) -> None:
    run("ip", "-n", segment.rack, "addr", "add", f"{ADMIN}/24", "dev", "nod0")
    try:
        found = f"{HOST_MAC} has {ADMIN} too"
        remedy = "unplug that machine, or choose another admin address"
        assert look(segment, TARGET, "address") == [Check("address", "FAIL", found, remedy)]
        site, out = save_state(tmp_path / "state"), io.StringIO()
        with enter(segment.admin), pytest.raises(RackstrapError, match=f"duplicate address: {found}") as refused:
            look_around(site, "adm0", Lines(out), 1.0)
        assert (refused.value.hint, refused.value.exit_code, out.getvalue()) == (remedy, 1, "")
    finally:
        run("ip", "-n", segment.rack, "addr", "del", f"{ADMIN}/24", "dev", "nod0")
    moved = replace(TARGET, address=ip_address("192.168.77.11"))
    free = "192.168.77.11 is free; adm0 does not have it yet"
    assert look(segment, moved, "address") == [Check("address", "warn", free, SET_IT)]


def test_apply_is_told_of_the_rest_and_goes_on(segment: Segment, tmp_path: Path) -> None:
    made: Site = save_state(tmp_path / "state")
    site, out = replace(made, services=Services(dns_forwarders=(ip_address(DEAD),))), io.StringIO()
    started_at = time.monotonic()
    with enter(segment.admin):
        look_around(site, "adm0", Lines(out), 1.0)
    assert time.monotonic() - started_at < 1.2
    assert LOOK_FOR_S < 3
    assert out.getvalue().splitlines() == [
        f"FAIL  dns      {DEAD} does not answer",
        "               correct services.dns_forwarders, or let port 53 through",
    ]


def test_a_narrow_way_is_measured(segment: Segment) -> None:
    run("ip", "-n", segment.rack, "link", "set", "nod0", "mtu", "1400")
    try:
        remedy = "raise the switch's MTU, or write mtu: 1400 for network admin"
        narrow = Check("mtu", "FAIL", f"1500 bytes do not reach {HOST}, 1400 do", remedy)
        assert look(segment, TARGET, "mtu") == [narrow]
    finally:
        run("ip", "-n", segment.rack, "link", "set", "nod0", "mtu", "1500")
    jumbo = Check("mtu", "FAIL", "adm0 takes 1500 bytes, the network has 9000", f"{SET_IT}, or write mtu: 1500")
    assert look(segment, replace(TARGET, mtu=9000), "mtu") == [jumbo]


def test_clocks_and_refusals_are_told(segment: Segment, tmp_path: Path) -> None:
    at_host = replace(TARGET, ntp=(HOST,))
    with serve_time(segment, ahead_s=3600 * 5):
        behind = Check("ntp", "warn", "this machine's clock is 5 h behind", "set it before machines are installed")
        assert look(segment, at_host, "ntp") == [behind]
    with serve_time(segment, stratum=0):
        assert look(segment, at_host, "ntp")[0].remedy.startswith(f"{HOST} refuses (RATE); ")
    wild = look(segment, replace(TARGET, ntp=("\u00fc" * 70, "a..b", "")), "dns", "ntp", within_s=0.5)
    assert [check.state for check in wild] == ["FAIL", "warn"]
    with serve_names(segment, tmp_path):  # it has nobody to ask for what it does not know
        refused = look(segment, at_host, "dns")
        assert [(check.state, check.found) for check in refused] == [("warn", f"{HOST} answers, but finds no name (REFUSED)")]


def test_links_are_told_as_they_are(segment: Segment) -> None:
    def link(target: Target) -> tuple[str, str]:
        found = look(segment, target, "link")[0]
        assert (found.remedy == "") == (found.state == "ok")
        return found.state, found.found

    assert link(replace(TARGET, interface="", ports=())) == ("FAIL", f"no port of this machine has {ADMIN}")
    assert link(replace(TARGET, missing=("eno7",))) == ("FAIL", "this machine has no port eno7")
    assert link(replace(TARGET, interface="eno7", ports=())) == ("FAIL", "this machine has no eno7")
    assert link(replace(TARGET, interface="intf0")) == ("warn", "intf0 does not exist on this machine yet")
    run("ip", "-n", segment.rack, "link", "set", "nod0", "down")
    ends_at = time.monotonic() + 5
    while link(TARGET)[0] == "ok" and time.monotonic() < ends_at:  # the other end hears of it a moment later
        time.sleep(0.02)
    try:
        assert link(TARGET) == ("FAIL", "no cable or no link on adm0")
        assert link(replace(TARGET, interface="intf0")) == ("FAIL", "no cable on adm0")
    finally:
        run("ip", "-n", segment.rack, "link", "set", "nod0", "up")
    run("ip", "-n", segment.admin, "link", "add", "off0", "type", "bridge")
    assert link(replace(TARGET, interface="off0", ports=())) == ("FAIL", "off0 is switched off")
    tagged = look(segment, replace(TARGET, interface="adm0.7", vlan=7), within_s=0.6)
    assert {check.found for check in tagged[1:4]} == {"not looked: VLAN 7 is not set up on this machine yet"}


def test_watching_shows_what_it_waits_for_and_what_changes(segment: Segment) -> None:
    quick = replace(TARGET, forwarders=(), ntp=(), router=None)
    with enter(segment.admin):
        watching = Watching(quick, every_s=0.05, within_s=0.5)

    def states() -> dict[str, str]:
        return {check.name: check.state for check in watching.latest()[0]}

    try:
        assert list(states()) == list(CHECKS)
        assert states()["dhcp"] == "wait"
        wait_for(lambda: set(states().values()) == {"ok"}, "every check")
        assert time.time() - watching.latest()[1] < 5
        run("ip", "-n", segment.rack, "link", "set", "nod0", "down")
        watching.again()
        wait_for(lambda: states()["link"] == "FAIL", "the cable to be missed")
        run("ip", "-n", segment.rack, "link", "set", "nod0", "up")
        wait_for(lambda: states()["link"] == "ok", "the cable to be back")
        with enter(segment.admin):
            watching.aim(replace(quick, interface="eno7", ports=()))
        assert watching.latest() == (tuple(Check(name, "wait", "looking") for name in CHECKS), 0.0)
        wait_for(lambda: states()["link"] == "FAIL", "the new target")
        watching.aim(None)
        assert watching.latest() == ((), 0.0)
    finally:
        watching.close()


def test_the_verb_prints_and_counts(segment: Segment, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE.replace(f', password_hash: "{CANARY}"', "") + f"services: {{dns_forwarders: [{DEAD}]}}\n")
    verb = [sys.executable, "-m", "installer.cli", "preflight", str(path), "--interface", "adm0", "--json", "--within", "1"]
    done = subprocess.run(segment.inside(segment.admin, *verb), capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["interface"]) == (1, "adm0")
    assert [(row["name"], row["state"]) for row in shown["checks"] if row["state"] != "ok"] == [("dns", "FAIL")]


def test_lines_fit_a_console() -> None:
    long = Check("dns", "FAIL", "word " * 40, "remedy " * 30)
    lines = render_checks([Check("link", "ok", "ens1 up at 10 G"), long])
    assert lines[0] == "ok    link     ens1 up at 10 G"
    assert max(map(len, lines)) <= 78
    assert [line[:15] for line in lines[1:] if line[:15].strip()] == ["FAIL  dns      "]
