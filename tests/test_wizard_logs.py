"""Log lines as the wizard shows them: by machine, in order, each once."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from installer.model.events import Event, Happened
from installer.wizard.logs import LogReader, parse_lines
from installer.wizard.watching import Watcher
from tests.wizard_views import FOLDER, load_machine


def test_log_lines_are_told_apart_by_machine_and_put_in_order(tmp_path: Path) -> None:
    state = tmp_path / "state"
    watcher = Watcher(state)
    recording = (FOLDER / "bmc.json").read_bytes()
    mac = sorted(load_machine("bmc").macs)[0]
    key = watcher.journal.store.put_blob(recording)
    data = {"recording": key, "code": "AAAA-BBBB", "key": "k", "address": "192.168.124.21", "mac": mac, "boot_id": "b"}
    watcher.append(Event(Happened.MACHINE_DISCOVERED, "m-1", data, at=1_000_000.0))
    (state / "run").mkdir()
    (state / "run/nginx-access.log").write_text(
        "1970-01-12T13:46:50+00:00 192.168.124.21 GET /boot 200\n1970-01-12T13:46:51+00:00 192.168.124.210 GET /boot 200\n"
    )
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(999_990))
    (state / "run/serve.log").write_text(f"{local},123 INFO DHCPDISCOVER {mac.upper()}\n")
    lines = LogReader(state).read("m-1", watcher.look())
    watcher.close()
    assert [line[9:].strip() for line in lines] == [
        f"INFO DHCPDISCOVER {mac.upper()}",
        "m-1: discovered at 192.168.124.21, its console shows AAAA-BBBB",
        "192.168.124.21 GET /boot 200",
    ]


def test_a_line_without_a_time_has_the_one_before_it() -> None:
    lines = ["Traceback", "1970-01-01T00:01:40+00:00 first", "  second"]
    assert list(parse_lines(lines, 7.0)) == [(7.0, " Traceback "), (100.0, " first "), (100.0, "   second ")]


def test_a_line_of_dnsmasq_keeps_its_own_time_and_shows_it_once() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5).astimezone().timestamp()  # the log has local time
    lines = ["Jan  2 03:04:05 dnsmasq-dhcp[77]: DHCPACK(eth0) 10.0.0.9", "Dec 31 03:04:05 dnsmasq[77]: started"]
    found = list(parse_lines(lines, at + 60))
    assert found[0] == (at, " dnsmasq-dhcp: DHCPACK(eth0) 10.0.0.9 ")
    assert found[1][1] == " dnsmasq: started "
    assert at - 3 * 86400 < found[1][0] < at, "of the year before: the log was written by then"
