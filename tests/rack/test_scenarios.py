"""The wider matrix: one machine a scenario, each from power-off to a cold boot from its own disk.

Those that are also marked `rack` are run by `make test`; all of them by `make prove`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from installer.engine.journal import Journal
from installer.model.ledger import MachineEntry
from installer.serve.verbs import find_serving
from tests.rack.one import One, one_machine

pytestmark = pytest.mark.prove


def check_installed(one: One, mode: str) -> None:
    """The node runs from ext4, on the firmware that it was installed with, and nothing failed on it."""
    assert one.ask("findmnt -no FSTYPE /") == "ext4"
    assert one.ask("test -d /sys/firmware/efi && echo uefi || echo bios") == mode
    assert one.ask("systemctl --failed --no-legend --plain") == ""


@pytest.mark.parametrize(
    ("firmware", "handover"),
    [
        ("bios", "reboot"),
        ("bios", "kexec"),
        ("uefi", "reboot"),
        ("uefi", "kexec"),
        ("secure-boot", "soft-reboot"),
        pytest.param("secure-boot", "reboot", marks=pytest.mark.rack),
    ],
)
def test_handover(folder: Path, firmware: str, handover: str) -> None:
    with one_machine(folder, firmware=firmware, site={"handover": handover}) as one:
        assert one.apply() == 0
        one.cold_boot()
        check_installed(one, "bios" if firmware == "bios" else "uefi")
        if firmware == "secure-boot":
            assert "enabled" in one.ask("mokutil --sb-state")


DISKS: Mapping[str, list[dict[str, Any]]] = {
    "nvme": [{"size": "6G", "bus": "nvme", "serial": "N1"}, {"size": "64M", "bus": "sata", "serial": "S1"}],
    "sata": [{"size": "6G", "bus": "sata", "serial": "S1"}],
    "scsi-4kn": [{"size": "6G", "bus": "scsi", "serial": "K1", "wwn": "0x5000c50000000001", "sector_bytes": 4096}],
}


@pytest.mark.parametrize(("kind", "firmware"), [("nvme", "uefi"), ("sata", "bios"), ("scsi-4kn", "uefi")])
def test_disk_kinds(folder: Path, kind: str, firmware: str) -> None:
    with one_machine(folder, firmware=firmware, disks=DISKS[kind], node={"disk": {"largest": True, "min_gb": 4}}) as one:
        assert one.apply() == 0
        one.cold_boot()
        check_installed(one, firmware)


@pytest.mark.parametrize("firmware", ["bios", pytest.param("uefi", marks=pytest.mark.rack)])
def test_mirror_boots_from_either_disk(folder: Path, firmware: str) -> None:
    disks = [{"size": "5G", "bus": "virtio", "serial": f"MIRROR{number}"} for number in (0, 1)]
    with one_machine(folder, firmware=firmware, disks=disks, node={"disk": {"smallest": True, "mirror": True}}) as one:
        assert one.apply() == 0
        one.cold_boot()
        check_installed(one, firmware)
        assert "[UU]" in one.ask("cat /proc/mdstat")
        for number in (0, 1):
            one.rack.power("m1", "pull")
            disk = one.rack.lab / "m1" / f"disk{number}.raw"
            aside = disk.rename(disk.with_suffix(".aside"))
            with disk.open("wb") as blank:
                blank.truncate(aside.stat().st_size)
            one.cold_boot()
            assert "[UU]" not in one.ask("cat /proc/mdstat")
            one.rack.power("m1", "pull")
            aside.rename(disk)


def find_unpacking(journal: Journal) -> bool:
    return any(p.stage == "unpack" and 5 <= p.percent <= 90 for p in journal.progress().values())


def test_the_plug_is_pulled_while_a_disk_is_unpacked(folder: Path) -> None:
    with one_machine(folder) as one:
        apply = one.rack.start_apply(one.site, "apply")
        one.rack.wait_for("a disk being unpacked", find_unpacking, 400)
        one.rack.power("m1", "pull")
        apply.wait(1500)
        assert one.apply() == 0
        one.cold_boot()
        check_installed(one, "bios")
        assert one.entry().epoch == 1


def test_everything_on_the_admin_node_is_killed_while_a_disk_is_unpacked(folder: Path) -> None:
    with one_machine(folder) as one:
        apply = one.rack.start_apply(one.site, "apply")
        one.rack.wait_for("a disk being unpacked", find_unpacking, 400)
        os.killpg(apply.pid, signal.SIGKILL)
        apply.wait()
        os.kill(find_serving(one.rack.state), signal.SIGKILL)
        assert one.apply(900) == 0
        one.cold_boot()
        check_installed(one, "bios")


def test_a_node_is_installed_again_only_by_its_name(folder: Path) -> None:
    with one_machine(folder) as one:
        assert one.apply() == 0
        first = one.ask("cat /etc/machine-id")
        done = one.rack.admin("node", "reinstall", "node1", "--yes", "--state", one.rack.state, "--image", one.rack.image)
        assert done.returncode == 0, done.stdout + done.stderr
        assert one.apply() == 0
        assert one.entry().epoch == 2
        assert one.ask("cat /etc/machine-id") != first


def test_a_disk_with_old_data_is_not_blank(folder: Path) -> None:
    """`erase: blank` stops at the gate, and the old filesystem is as it was."""
    from tests.rack.decoys import hash_disk, make_dirty_ext4

    old = folder / "old"
    make_dirty_ext4(old)
    os.truncate(old, 2**31)  # large enough to be chosen
    before = hash_disk(old)
    disks = [{"file": str(old), "size": "2G", "bus": "virtio", "serial": "OLD"}]
    with one_machine(folder / "rack", disks=disks) as one:
        assert one.apply() == 3
        entry: MachineEntry = one.entry()
        assert entry.consent is None
        one.rack.power("m1", "pull")
    assert hash_disk(old) == before
