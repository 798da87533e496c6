"""A recording is hostile until parsed: whatever is wrong with it is a ValueError that says where, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.model.facts import Health, Lldp, Machine, Signature
from installer.probe.health import parse_health
from installer.probe.nics import parse_lldp
from installer.probe.parse import parse_bmc, parse_consoles, parse_cpu, parse_recording
from installer.probe.signatures import decode_udev, find_kind, parse_superblocks

MACHINES: Final = Path(__file__).parent / "machines"
Spoil = Callable[[dict[str, Any]], object]


def load_recording(name: str) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads((MACHINES / f"{name}.json").read_text())
    return recording


def find_reason(spoil: Spoil) -> str:
    recording = load_recording("bios-virtio")
    spoil(recording)
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_recording(recording)
    return str(caught.value)


SPOILT: Final[dict[str, tuple[Spoil, str]]] = {
    "another format": (lambda r: r.update(format=2), "recording.format: expected 1"),
    "no host": (lambda r: r.pop("host"), "host: expected an object"),
    "block is no list": (lambda r: r.update(block={}), "block: expected a list"),
    "too many devices": (lambda r: r.update(block=[{}] * 4097), "block: expected a list of at most 4096"),
    "a size that is no number": (lambda r: r["block"][0]["attributes"].update(size="big"), "size: expected a number, got 'big'"),
    "a negative size": (lambda r: r["block"][0]["attributes"].update(size="-1"), "block[0].size: a number out of range"),
    "a disk with a path as its name": (lambda r: r["block"][0].update(path="/x/a/.."), "block[0]: '..' is no kernel device name"),
    "a disk twice": (lambda r: r["block"].append(r["block"][0]), "block: two disks have one path"),
    "a serial that is a list": (lambda r: r["dmi"].update(product_serial=["x"]), "dmi.product_serial: expected text"),
    "wipefs says no JSON": (lambda r: r["commands"]["wipefs"][0].update(out="{"), "wipefs[0].out: the program's output is"),
    "wipefs nests too deep": (lambda r: r["commands"]["wipefs"][0].update(out="[" * 100_000), "output is no JSON"),
    "wipefs tells about another disk": (
        lambda r: r["commands"]["wipefs"][0]["argv"].remove("/dev/vda"),
        "it tells about 'vda', which was not asked for",
    ),
    "a netmask with a hole in its text": (
        lambda r: r["addresses"].update(eth9=[{"family": "inet", "address": "10.0.0.1", "netmask": "wide"}]),
        "addresses.eth9: 'wide' is no netmask",
    ),
    "a v6 netmask that is none": (
        lambda r: r["addresses"].update(eth9=[{"family": "inet6", "address": "fd00::1", "netmask": "ffff:zz"}]),
        "addresses.eth9: 'ffff:zz' is no netmask",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_wrong_is_told_with_its_place(what: str) -> None:
    spoil, reason = SPOILT[what]
    assert reason in find_reason(spoil)


def list_places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in list_places(item, (*path, key)))]


WHOLE: Final = load_recording("bios-virtio")
PLACES: Final = list_places(WHOLE)[1:]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_anything_anywhere_is_a_machine_or_a_value_error(place: tuple[str | int, ...], value: Any) -> None:
    recording = copy.deepcopy(WHOLE)
    holder: Any = recording
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    try:
        machine = parse_recording(recording)
    except ValueError:
        return
    assert isinstance(machine, Machine)


@given(value=JSON)
def test_any_json_is_no_machine(value: Any) -> None:
    with pytest.raises(ValueError, match="recording"):
        parse_recording(value)


def test_what_steers_a_terminal_is_taken_out() -> None:
    recording = load_recording("bios-virtio")
    recording["dmi"]["product_name"] = "\x1b[2JVirtual\x07\u202e\n" + "x" * 1000
    product = parse_recording(recording).product
    assert product.startswith("[2JVirtualxxx")
    assert len(product) == 256


def test_a_disk_that_was_not_read_is_not_blank() -> None:
    recording = load_recording("bios-virtio")
    assert [d.is_blank for d in parse_recording(recording).disks] == [False, True]
    recording["commands"]["wipefs"] = [{"argv": ["wipefs", "/dev/vda", "/dev/vdb"], "exit": None, "out": "", "why": "absent"}]
    second = parse_recording(recording).disks[1]
    assert second.holds == (Signature("vdb", "other", "unreadable"),)
    assert not second.is_blank


def test_one_broken_disk_does_not_hide_the_others() -> None:
    found = '{"signatures": [{"device": "sdb", "offset": "0x438", "type": "ext4", "uuid": null}]}'
    answers = [
        {"argv": ["wipefs", "/dev/sda"], "exit": 1, "out": ""},
        {"argv": ["wipefs", "/dev/sdb"], "exit": 0, "out": found},
        {"argv": ["wipefs", "/dev/cciss/c0d0"], "exit": 0, "out": ""},
    ]
    assert parse_superblocks(answers) == {"sdb": [Signature("sdb", "other", "ext4", 0x438)], "cciss!c0d0": []}


@pytest.mark.parametrize(
    ("type_name", "usage", "kind"),
    [
        ("linux_raid_member", "raid", "raid"),
        ("isw_raid_member", "raid", "raid"),
        ("ddf_raid_member", "raid", "raid"),
        ("LVM2_member", "raid", "lvm"),
        ("zfs_member", "filesystem", "zfs"),
        ("mpath_member", "", "multipath"),
        ("swap", "other", "swap"),
        ("crypto_LUKS", "crypto", "encrypted"),
        ("BitLocker", "crypto", "encrypted"),
        ("btrfs", "filesystem", "filesystem"),
        ("gpt", "partition-table", "table"),
        ("dos", "partition-table", "table"),
        ("ceph_bluestore", "other", "other"),
        ("something new", "", "other"),
    ],
)
def test_superblocks_are_classed(type_name: str, usage: str, kind: str) -> None:
    assert find_kind(type_name, usage) == kind


def test_a_multipath_member_says_so() -> None:
    recording = load_recording("bios-virtio")
    recording["block"][-1]["properties"]["DM_MULTIPATH_DEVICE_PATH"] = "1"
    assert parse_recording(recording).disks[1].holds == (Signature("vdb", "multipath", "mpath_member"),)


def test_a_name_that_comes_from_what_a_disk_holds_is_no_id() -> None:
    recording = load_recording("bios-virtio")
    recording["block"][-1]["properties"]["DEVLINKS"] += (
        " /dev/disk/by-id/lvm-pv-uuid-jbnEJI-7hzq /dev/disk/by-id/../../etc/passwd"
    )
    assert parse_recording(recording).disks[1].by_id == ()


def test_udev_escapes_are_undone() -> None:
    assert decode_udev(r"EFI\x20System") == "EFI System"
    assert decode_udev("gr\\xc3\\xbcn") == "grün"
    assert decode_udev("grün") == "grün"
    assert decode_udev(r"\x1b\xff") == "\ufffd"


def test_read_only_counts_unless_we_made_it_so() -> None:
    recording = load_recording("bios-virtio")
    assert [recording["host"]["disks_locked"], [d.read_only for d in parse_recording(recording).disks]] == [True, [False, False]]
    recording["host"]["disks_locked"] = False
    assert [d.read_only for d in parse_recording(recording).disks] == [True, True]


def test_the_permanent_mac_is_the_one() -> None:
    recording = load_recording("bios-virtio")
    name = parse_recording(recording).nics[0].name
    recording["commands"]["ip"]["out"] = json.dumps(
        [{"ifname": name, "address": "02:00:00:00:00:01", "permaddr": "52:54:00:01:00:99"}]
    )
    assert parse_recording(recording).nics[0].mac == "52:54:00:01:00:99"


def test_health() -> None:
    table = [{"id": number, "raw": {"value": value}} for number, value in ((5, 8), (197, 2), (9, 7))]
    failing = {"smart_status": {"passed": False}, "ata_smart_attributes": {"table": table}}
    assert parse_health({"out": json.dumps(failing)}, "") == Health(
        "failing", "the disk reports that it fails, 8 reallocated sectors, 2 pending sectors"
    )
    worn = {"smart_status": {"passed": True}, "nvme_smart_health_information_log": {"critical_warning": 0, "percentage_used": 91}}
    assert parse_health({"out": json.dumps(worn)}, "") == Health("ok", "91 % of its life used")
    assert parse_health({"out": '{"critical_warning": 4, "percent_used": 3}'}, "") == Health(
        "failing", "the disk reports that it fails"
    )
    assert parse_health({"out": "{"}, "") == Health("unknown", "its health cannot be read")
    assert parse_health(None, "") == parse_health({"out": '{"smartctl": {"exit_status": 2}}'}, "") == Health()


def test_neighbours_that_say_little() -> None:
    chassis = {"id": [{"type": "mac", "value": "00:11:22:33:44:55"}]}
    port = {"id": [{"type": "ifname", "value": "swp7"}]}
    out = json.dumps({"lldp": [{"interface": [{"name": "eth0", "chassis": [chassis], "port": [port]}, {"name": "eth1"}]}]})
    assert parse_lldp({"out": out}) == {"eth0": Lldp("00:11:22:33:44:55", "swp7", "00:11:22:33:44:55")}
    assert parse_lldp({"out": ""}) == parse_lldp({"out": "[]"}) == parse_lldp(None) == {}


def test_consoles_fall_back_to_what_the_kernel_chose() -> None:
    assert parse_consoles({"cmdline": "console=ttyS1,115200 console=hvc0 console=tty0 console=ttyS1,115200"}) == (
        "ttyS1,115200",
        "hvc0",
        "tty0",
    )
    assert parse_consoles({"cmdline": "", "consoles": "tty0 ttyAMA0"}) == ("tty0", "ttyAMA0")
    assert parse_consoles({"cmdline": "console=ttyS0,115200;reboot console=../x console=ttyS٣"}) == ()


def test_a_bmc_without_an_address_is_still_a_bmc() -> None:
    out = (
        "IP Address Source       : DHCP Address\nIP Address              : 0.0.0.0\nMAC Address             : 3c:ec:ef:00:00:01\n"
    )
    bmc = parse_bmc({"exit": 0, "out": out})
    assert bmc is not None
    assert (bmc.address, bmc.mac, bmc.source) == ("", "3c:ec:ef:00:00:01", "dhcp")
    assert parse_bmc({"exit": 1, "out": ""}) is None


def test_hyperthreads_are_no_cores() -> None:
    rows = [(0, 0), (0, 1), (1, 0), (1, 1)] * 2
    text = "\n\n".join(f"processor : {n}\nphysical id : {s}\ncore id : {c}\nflags : vmx" for n, (s, c) in enumerate(rows))
    cpu = parse_cpu(text)
    assert (cpu.sockets, cpu.cores, cpu.threads, cpu.virtualization) == (2, 4, 8, True)
