"""What the site says of this machine's own network: links, files, and what the checks look at."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from installer.model.facts import Lldp, Nic
from installer.model.network import Link
from installer.model.problems import RackstrapError
from installer.model.site import Services, Site
from installer.network.change import confirm_network, read_network, revert_network
from installer.network.links import find_link_names, make_admin_network
from installer.network.pending import NetworkRecord, Pending, find_boot_id, find_uptime, hold_record, load_record, save_record
from installer.network.render import find_netdevs, render_admin_network
from installer.network.state import NetworkState
from installer.network.verbs import render_network
from installer.preflight.target import Port, make_target_of
from tests.served_files import ADMIN, save_state

NICS = (
    Nic("ens1", "52:54:00:aa:00:01", has_link=True, lldp=Lldp("leaf1", "1/7")),
    Nic("ens2", "52:54:00:aa:00:02", addresses=(f"{ADMIN}/24",)),
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = save_state(tmp_path / "site")
    return replace(made, services=Services(dns_forwarders=(ip_address("9.9.9.9"),)))


def with_admin(site: Site, **words: object) -> Site:
    return replace(site, admin=replace(site.admin, **words))  # type: ignore[arg-type]


def test_one_nic_has_the_address(site: Site) -> None:
    network = make_admin_network(with_admin(site, nics=("52:54:00:AA:00:01",)), NICS)
    own = Link("ens1", "nic", "52:54:00:aa:00:01", networks=("admin",), addresses=(f"{ADMIN}/24",), dns=("9.9.9.9",))
    assert network.links == (replace(own, domains=("lab.example",)),)


def test_a_bond_of_two_with_a_vlan(site: Site) -> None:
    chosen = with_admin(site, nics=("ens1", "ens2"), bond_mode="802.3ad", vlan=100)
    files = render_admin_network(chosen, NICS)
    assert list(files) == [
        "05-rackstrap-admin-ens1.network",
        "05-rackstrap-admin-ens2.network",
        "05-rackstrap-admin-intf0.100.netdev",
        "05-rackstrap-admin-intf0.100.network",
        "05-rackstrap-admin-intf0.netdev",
        "05-rackstrap-admin-intf0.network",
    ]
    assert "Bond=intf0\nLinkLocalAddressing=no\n" in files["05-rackstrap-admin-ens2.network"]
    assert "VLAN=intf0.100\n" in files["05-rackstrap-admin-intf0.network"]
    assert "Address" not in files["05-rackstrap-admin-intf0.network"].replace("LinkLocalAddressing", "")
    assert f"Address={ADMIN}/24\n" in files["05-rackstrap-admin-intf0.100.network"]
    assert "Mode=802.3ad\n" in files["05-rackstrap-admin-intf0.netdev"]
    assert "Id=100\n" in files["05-rackstrap-admin-intf0.100.netdev"]
    assert list(find_netdevs(files)) == ["intf0", "intf0.100"]


def test_dhcp_asks_by_mac_and_has_nothing_fixed(site: Site) -> None:
    text = render_admin_network(with_admin(site, nics=("ens1",), method="dhcp"), NICS)["05-rackstrap-admin-ens1.network"]
    assert "DHCP=ipv4\n" in text
    assert "[DHCPv4]\nClientIdentifier=mac\n" in text
    assert ("Address=" in text, "Gateway=" in text, "ConfigureWithoutCarrier" in text) == (False, False, False)


@pytest.mark.parametrize(
    ("nics", "said"), [(("eno9",), "this machine has no port eno9"), ((), "the site does not say which port faces the rack")]
)
def test_a_port_that_is_not_there_is_refused(site: Site, nics: tuple[str, ...], said: str) -> None:
    with pytest.raises(RackstrapError, match=said) as refused:
        make_admin_network(with_admin(site, nics=nics), NICS)
    assert "ens1 (52:54:00:aa:00:01)" in refused.value.hint


def test_a_long_name_makes_room_for_the_vlan(site: Site) -> None:
    long = Nic("enp132s0f1np1", "52:54:00:aa:00:03")
    assert find_link_names(with_admin(site, vlan=2000), (long,)) == ("enp132s0f1np1", "vlan2000")


def test_the_target_is_what_the_site_says(site: Site) -> None:
    target = make_target_of(with_admin(site, nics=("ens1", "ens2", "eno9"), vlan=7), NICS)
    assert (target.interface, target.vlan, target.missing) == ("intf0.7", 7, ("eno9",))
    assert target.ports == (Port("ens1", "52:54:00:aa:00:01", "leaf1 port 1/7"), Port("ens2", "52:54:00:aa:00:02"))
    assert make_target_of(site, NICS).interface == "ens2"  # it holds the address
    assert make_target_of(site, NICS[:1]).interface == ""
    assert make_target_of(site, NICS, "br0").interface == "br0"


def test_what_waits_is_read_and_kept(tmp_path: Path) -> None:
    waits = Pending(find_boot_id(), find_uptime() + 30, f"{ADMIN} on ens1", {})
    with hold_record(tmp_path / "state"):
        save_record(tmp_path / "state", NetworkRecord(waits))
    state = tmp_path / "state"
    assert load_record(state) == NetworkRecord(waits)
    assert (state / "network.json").stat().st_mode & 0o777 == 0o600
    assert confirm_network(state) == f"the network is kept: {ADMIN} on ens1"
    with pytest.raises(RackstrapError, match="nothing waits to be confirmed"):
        revert_network(state)
    save_record(state, NetworkRecord(replace(waits, boot_id="another")))
    seen = read_network(state)
    assert (seen.confirm_by, seen.last_revert) == (
        0.0,
        f"{ADMIN} on ens1 went back: this machine started anew before it was confirmed",
    )
    (state / "network.json").write_text("[broken")
    assert read_network(state).last_revert == ""


def test_show_fits_a_console() -> None:
    lines = render_network(NetworkState(160.0, {"ens2": "static", "intf0.100": "dhcp"}, "it went back: as asked"), NICS, 100.0)
    assert lines == [
        "ens1            up        52:54:00:aa:00:01  -       -",
        f"ens2            no cable  52:54:00:aa:00:02  static  {ADMIN}/24",
        "intf0.100                                    dhcp",
        "goes back by itself in 60 s unless confirmed: rackstrap network confirm",
        "it went back: as asked",
    ]
