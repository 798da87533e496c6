"""dnsmasq, nginx and boot scripts as rendered, read back by dnsmasq and nginx themselves."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from installer.model.network import NamedAddress
from installer.model.plan import AdminPlace, Image
from installer.model.problems import RackstrapError
from installer.model.site import Admin, Network, Range, Services, Site
from installer.render.boot import (
    render_grub_discover,
    render_grub_disk,
    render_ipxe_ask,
    render_ipxe_discover,
    render_ipxe_disk,
)
from installer.render.refused import RenderRefused
from installer.render.services import make_digest, make_ra_prefix, render_dnsmasq, render_external_text, render_nginx
from installer.serve.certificate import save_certificate
from installer.serve.daemons import make_services

NETWORK = Network(
    "admin",
    IPv4Network("192.168.124.0/24"),
    router=IPv4Address("192.168.124.1"),
    ranges=(Range("dhcp", IPv4Address("192.168.124.21"), IPv4Address("192.168.124.80")),),
)
SITE = Site("lab", "lab.example", Admin("admin", IPv4Address("192.168.124.10")), (NETWORK,), ())
IMAGE = Image("1", "6.12.0", {"root.squashfs": "a" * 64, "rackstrap.squashfs": "b" * 64}, {}, 1)
NODES = [NamedAddress("node2", "192.168.124.82", ""), NamedAddress("node1", "192.168.124.81", "52:54:00:00:00:01")]


def make_place(state: Path) -> AdminPlace:
    return AdminPlace(str(state), "/usr/lib/rackstrap/image", "br0", "c" * 64, IMAGE)


PLACE = make_place(Path("/var/lib/rackstrap"))


def get(files: dict[str, str], name: str) -> str:
    return next(text for path, text in files.items() if path.endswith(name))


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


@pytest.mark.parametrize("dhcp", ["own", "proxy", "external"])
@pytest.mark.parametrize("router", [None, IPv4Address("192.168.124.1")])
def test_dnsmasq_accepts_its_configuration(tmp_path: Path, dhcp: str, router: IPv4Address | None) -> None:
    services = Services(dhcp=dhcp, dns_forwarders=(IPv4Address("192.0.2.53"),))  # type: ignore[arg-type]
    site = replace(SITE, services=services, networks=(replace(NETWORK, router=router, mtu=9000),))
    conf = tmp_path / "dnsmasq.conf"
    conf.write_text(get(render_dnsmasq(site, PLACE, NODES), "dnsmasq.conf"))
    done = subprocess.run(["dnsmasq", "--test", f"--conf-file={conf}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "dnsmasq: syntax check OK.\n")


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    save_certificate(tmp_path)
    (tmp_path / "run").mkdir()
    for path, text in render_nginx(replace(SITE, admin=Admin("admin", IPv4Address("127.0.0.1"))), place).items():
        Path(path).write_text(text)
    done = subprocess.run(make_services(tmp_path)[1].check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_own_dhcp_offers_each_kind_of_firmware_its_loader() -> None:
    conf = get(render_dnsmasq(SITE, PLACE, NODES), "dnsmasq.conf")
    assert lines(conf, "dhcp-boot=") == [
        "dhcp-boot=tag:http64,tag:!ipxe,http://192.168.124.10/loader/shimx64.efi",
        "dhcp-boot=tag:ipxe,http://192.168.124.10/boot/ipxe?mac=${netX/mac}&uuid=${uuid}&serial=${serial:uristring}",
        "dhcp-boot=tag:bios,tag:!ipxe,undionly.kpxe",
        "dhcp-boot=tag:efi64,tag:!ipxe,shimx64.efi",
    ]
    assert lines(conf, "dhcp-range=") == [
        "dhcp-range=192.168.124.21,192.168.124.80,255.255.255.0,1h",
        f"dhcp-range={make_ra_prefix(SITE)},ra-only,64,1h",
    ]
    assert lines(conf, "dhcp-option=option:router") == ["dhcp-option=option:router,192.168.124.1"]
    for word in ("dhcp-ignore-clid", "dhcp-ignore-names", "dhcp-authoritative"):
        assert lines(conf, word) == [word]
    assert "port=0" not in conf


def test_proxy_and_external_give_no_addresses() -> None:
    proxy = get(render_dnsmasq(replace(SITE, services=Services(dhcp="proxy")), PLACE, NODES), "dnsmasq.conf")
    assert lines(proxy, "dhcp-range=") == ["dhcp-range=192.168.124.0,proxy,255.255.255.0"]
    assert "shimx64" not in proxy
    assert lines(proxy, "dhcp-boot=tag:ipxe,")[0].endswith("&serial=${serial:uristring},,192.168.124.10")
    external = get(render_dnsmasq(replace(SITE, services=Services(dhcp="external")), PLACE, NODES), "dnsmasq.conf")
    assert lines(external, "dhcp-") == []
    assert lines(external, "enable-tftp") == ["enable-tftp"]


def test_external_text_says_what_to_type_and_dnsmasq_reads_its_part(tmp_path: Path) -> None:
    text = render_external_text(SITE, PLACE)
    assert text.count('"boot-file-name": "shimx64.efi"') == 1
    assert 'filename "undionly.kpxe";' in text
    conf = tmp_path / "external.conf"
    conf.write_text(text.partition("rackstrap.conf ---\n")[2])
    done = subprocess.run(["dnsmasq", "--test", f"--conf-file={conf}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "dnsmasq: syntax check OK.\n")


def test_hosts_are_named_in_order() -> None:
    assert get(render_dnsmasq(SITE, PLACE, NODES), "hosts") == (
        "192.168.124.10 admin.lab.example admin\n192.168.124.81 node1.lab.example node1\n192.168.124.82 node2.lab.example node2\n"
    )


def test_without_a_range_own_dhcp_is_refused() -> None:
    with pytest.raises(RackstrapError, match="no range dhcp"):
        render_dnsmasq(replace(SITE, networks=(replace(NETWORK, ranges=()),)), PLACE, [])


@pytest.mark.parametrize(
    "place",
    [replace(PLACE, interface="br0\nenable-dbus"), replace(PLACE, state_dir="/var/lib/a b"), replace(PLACE, image_dir="/x;}")],
)
def test_hostile_places_are_refused(place: AdminPlace) -> None:
    with pytest.raises(RenderRefused):
        _ = (render_dnsmasq(SITE, place, []), render_nginx(SITE, place))


def test_the_digest_knows_paths_and_texts_but_no_order() -> None:
    assert make_digest({"a": "1", "b": "2"}) == make_digest({"b": "2", "a": "1"})
    different = [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "1"}, {"a": "1b2"}, {"a": "1", "c": "2"}]
    assert len({make_digest(files) for files in different}) == len(different)


def test_the_kernel_line_of_discovery() -> None:
    script = render_ipxe_discover(SITE, PLACE, "52:54:00:00:00:01")
    kernel = lines(script, "kernel")[0].removesuffix(" || goto again").split()
    assert kernel[1:] == [
        "http://192.168.124.10/image/vmlinuz",
        "initrd=initrd",
        "rackstrap.mode=discover",
        "rackstrap.image=http://192.168.124.10/image",
        f"rackstrap.sha256={'a' * 64},{'b' * 64}",
        "rackstrap.admin=https://192.168.124.10",
        f"rackstrap.pin={'c' * 64}",
        "rackstrap.mac=52:54:00:00:00:01",
        "console=tty0",
        "console=ttyS0,115200n8",
        "systemd.gpt_auto=0",
        "panic=30",
        "quiet",
    ]
    grub = render_grub_discover(SITE, PLACE, "52:54:00:00:00:01")
    assert lines(grub, "linux")[0].split()[2:] == kernel[2:]


@pytest.mark.parametrize(
    "script", [render_ipxe_ask(SITE), render_ipxe_disk("node1"), render_ipxe_discover(SITE, PLACE, "52:54:00:00:00:01")]
)
def test_ipxe_scripts_start_as_ipxe_demands(script: str) -> None:
    assert script.startswith("#!ipxe\n")
    assert script.endswith("\n")


def test_a_disk_boot_ends_as_each_firmware_needs() -> None:
    assert render_ipxe_disk("node1").splitlines()[2:] == [
        "# A mirror starts from either disk: where the first is empty or new, the next is tried.",
        *(f"sanboot --no-describe --drive {drive:#x} ||" for drive in range(0x80, 0x84)),
        "# BIOS goes on to its next boot device after exit; UEFI only after a failure, else it opens its setup.",
        "iseq ${platform} pcbios && exit || exit 1",
    ]
    grub = render_grub_disk("node1")
    assert "exit" not in grub
    assert grub.endswith("reboot\n")


def test_grub_scripts_parse(tmp_path: Path) -> None:
    for number, text in enumerate(
        [
            render_grub_disk("node1"),
            render_grub_discover(SITE, PLACE, "52:54:00:00:00:01"),
            get(render_dnsmasq(SITE, PLACE, []), "grub.cfg"),
        ]
    ):
        script = tmp_path / f"{number}.cfg"
        script.write_text(text)
        done = subprocess.run(["grub-script-check", str(script)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
