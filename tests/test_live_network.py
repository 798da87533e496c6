"""A start without anyone on a real network: networkd keeps the DHCP option, the file comes over HTTP, the address stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from installer.live.lease import OPTION
from tests.served_files import ADMIN
from tests.serving import wait_for
from tests.test_network_live import Bench, make_bench

SITE = f"""rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]}}
admin: {{hostname: admin, address: {ADMIN}, nics: [e0]}}
networks:
  admin: {{subnet: 192.168.77.0/24, ranges: {{admin: .10-.11, dhcp: .21-.30, host: .81-.160}}}}
services: {{dhcp: external, dns_forwarders: [192.168.77.200]}}
erase: blank
"""
ROOT = Path(__file__).parent.parent
# As the live system's, which asks on every port; see installer/live/lease.py.
NETWORK = f"""[Match]
Name=e0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
[DHCPv4]
ClientIdentifier=mac
RequestOptions={OPTION}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """With a DHCP server that names http://192.168.77.200:8000/site.yaml, and what serves the folder `www` there."""
    (tmp_path / "www").mkdir()
    log = tmp_path / "dnsmasq.log"
    dhcp = [
        "dnsmasq",
        "-k",
        "--port=0",
        "--interface=br0",
        "--bind-interfaces",
        "--user=root",
        "--conf-file=/dev/null",
        "--no-ping",
    ]
    dhcp += ["--dhcp-range=192.168.77.50,192.168.77.59,1h", f"--dhcp-leasefile={tmp_path}/leases", f"--log-facility={log}"]
    dhcp += [f"--dhcp-option={OPTION},http://192.168.77.200:8000/site.yaml"]
    www = [sys.executable, "-m", "http.server", "8000", "--bind", "192.168.77.200", "--directory", str(tmp_path / "www")]
    with make_bench(tmp_path) as made:
        rack = ["ip", "netns", "exec", made.rack]
        with (
            subprocess.Popen([*rack, *dhcp]) as server,
            subprocess.Popen([*rack, *www], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as files,
        ):
            try:
                wait_for(log.exists, "the DHCP server")
                save = ["sh", "-c", "cat >/run/systemd/network/10-live.network && networkctl reload && networkctl reconfigure e0"]
                subprocess.run(made.inside(*save), input=NETWORK, text=True, check=True, capture_output=True)
                wait_for(lambda: made.addresses("e0") != [], "a lease")
                yield made
            finally:
                server.terminate()
                files.terminate()


def test_from_a_dhcp_option_to_the_admin_address_and_no_further_without_consent(bench: Bench) -> None:
    (bench.folder / "www/site.yaml").write_text(SITE)
    done = bench.rackstrap("headless", "--once", "--image", str(bench.folder / "none"))
    said = " ".join(done.stdout.split())
    assert "Site file: http://192.168.77.200:8000/site.yaml (named by DHCP)" in said
    assert "Nobody vouches for this file: it came by plain HTTP" in said
    assert "its erase: counts as no" in said
    assert f"the network is kept: {ADMIN} on e0" in said, done.stdout + done.stderr
    assert "The work has begun." in said
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (2, False), "there is no image"
    assert bench.addresses("e0") == [f"{ADMIN}/24"]
    shown = bench.show()
    assert (shown["methods"]["e0"], shown["confirm_by"], shown["last_revert"]) == ("static", 0.0, "")
    kept = (bench.folder / "state/given/site.yaml").read_text()
    assert "erase: no" in kept
    assert "blank" not in kept

    static = "from installer.live.static import *; "
    static += "print(set_static(parse_static('192.168.77.60/24,192.168.77.200,192.168.77.200'), 'e1'))"
    said_static = subprocess.run(bench.inside(sys.executable, "-c", static), capture_output=True, text=True, check=True, cwd=ROOT)
    assert said_static.stdout == "The address 192.168.77.60/24 is on e1, by rackstrap.ip.\n"
    wait_for(lambda: bench.addresses("e1") == ["192.168.77.60/24"], "the kernel line's address")
    complaints = [
        line for line in (bench.folder / "networkd.log").read_text().splitlines() if "rackstrap-ip" in line and "nknown" in line
    ]
    assert complaints == []

    acts = "from pathlib import Path; from installer.live.acts import LiveActs; from installer.engine.prepare import load_input; "
    acts += f"state = Path({str(bench.folder / 'state')!r}); "
    acts += "print(LiveActs(state, ()).set_network(load_input(state / 'given/site.yaml').site))"
    again = subprocess.run(bench.inside(sys.executable, "-c", acts), capture_output=True, text=True, check=True, cwd=ROOT)
    assert again.stdout == f"This machine has the address {ADMIN} already, on e0.\n", "a line in use is not cut for nothing"
