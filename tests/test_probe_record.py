"""Recording on the machine that runs the tests: it never fails, never waits for ever, and keeps no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from installer.cli import run
from installer.probe.commands import run_command
from installer.probe.parse import parse_recording
from installer.probe.record import BMC_SECRETS, make_recording
from installer.probe.sysfs import CMDLINE_WORDS, NO_DISK


def test_this_machine_can_be_recorded_and_parsed() -> None:
    recording = json.loads(json.dumps(make_recording()))
    machine = parse_recording(recording)
    assert machine.memory_bytes > 64 << 20
    assert machine.cpu.threads == len(
        [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]
    )
    assert {nic.name for nic in machine.nics} <= set(os.listdir("/sys/class/net"))  # noqa: PTH208
    assert all(disk.size_bytes > 0 for disk in machine.disks)


def test_a_program_that_is_not_there_is_absent() -> None:
    assert run_command(("no-such-program",), 1) == {"argv": ["no-such-program"], "exit": None, "out": "", "why": "absent"}


def test_a_program_that_hangs_is_left() -> None:
    began = time.monotonic()
    assert run_command(("sleep", "60"), 0.1)["why"] == "timeout"
    assert time.monotonic() - began < 5


def test_a_program_answers_with_its_exit_code_and_any_bytes() -> None:
    assert run_command(("sh", "-c", r"printf 'a\377'; exit 3"), 5) == {
        "argv": ["sh", "-c", r"printf 'a\377'; exit 3"],
        "exit": 3,
        "out": "a\ufffd",
    }


def test_secrets_stay_out() -> None:
    line = "rackstrap.site=https://user:canary@10.0.0.1/site console=ttyS0 rackstrap.mac=52:54:00:00:00:01 key=canary"
    assert CMDLINE_WORDS.findall(line) == ["console=ttyS0", "rackstrap.mac=52:54:00:00:00:01"]
    assert (
        BMC_SECRETS.sub("", "IP Address : 1.2.3.4\nSNMP Community String   : canary\nMAC : x\n")
        == "IP Address : 1.2.3.4\nMAC : x\n"
    )


@pytest.mark.parametrize("name", ["loop0", "ram1", "zram0", "dm-3", "md127", "sr0", "fd0", "nbd1", "mmcblk0boot0", "mmcblk0rpmb"])
def test_these_are_no_disks(name: str) -> None:
    assert NO_DISK.match(name)


@pytest.mark.parametrize("name", ["sda", "sdaa1", "vdb", "nvme0n1p2", "mmcblk0", "mmcblk0p1", "xvda", "cciss!c0d0"])
def test_these_are(name: str) -> None:
    assert not NO_DISK.match(name)


def test_the_verb_takes_a_recording_in_place_of_hardware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parent / "machines/bios-virtio.json"
    assert run(["probe", "--machine", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["serial"] == "BV0001"
    assert run(["probe", "--machine", str(file), "--record", str(tmp_path / "copy.json")]) == 0
    assert json.loads((tmp_path / "copy.json").read_text()) == json.loads(file.read_text())


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("not JSON")
    (tmp_path / "object").write_text("{}")
    assert run(["probe", "--machine", str(tmp_path / "text")]) == 2
    assert "is no recording" in capsys.readouterr().err
    assert run(["probe", "--machine", str(tmp_path / "object")]) == 2
    assert "recording.format: expected 1" in capsys.readouterr().err
    assert run(["probe", "--machine", str(tmp_path / "absent")]) == 2
    assert (
        run(
            [
                "probe",
                "--machine",
                str(Path(__file__).parent / "machines/bios-virtio.json"),
                "--record",
                str(tmp_path / "no/where"),
            ]
        )
        == 2
    )


def test_parsing_loads_nothing_heavy() -> None:
    heavy = "{'pyudev', 'netifaces', 'subprocess', 'logging'}"
    code = f"import sys; import installer.probe.parse, installer.probe.identity; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
