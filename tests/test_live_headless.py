"""A start that nobody watches: what it waits for, carries out, and goes on with after an interruption."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

from installer.engine.journal import Journal
from installer.engine.store import make_who
from installer.live.sources import PLAIN, Absent, Look, Wrong
from installer.model.events import Event, Happened
from installer.preflight.check import Check
from tests.headless_start import LISTED, SITE, Bench, begin, journal_begun, running, sight, wait


def test_a_file_is_found_checked_and_carried_out(tmp_path: Path) -> None:
    start = begin(tmp_path, [Absent("no volume")], [Absent("no volume")], [Absent("no volume"), sight(SITE + "erase: blank\n")])
    assert start.runner.run() == 0
    assert start.bench.did == ["let in", "network", "install lab, erase blank"]
    assert start.said.splitlines() == [
        "No site file yet: no volume.",
        "Bring a FAT volume labelled RACKSTRAP with site.yaml on it, or press Enter",
        "  and decide here.",
        "Site file: site.yaml on a stick",
        "SSH now takes the site file's keys and password.",
        "Setting the network of admin.",
        "this machine has 192.168.124.10",
        "The work has begun.",
        "installing lab",
        "Done.",
    ]  # fmt: skip


def test_without_trust_it_goes_on_without_consent_and_without_logins(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(LISTED, PLAIN)], bench=Bench(ends=[3]), once=True)
    assert start.runner.run() == 3
    assert start.bench.did == ["network", "install lab, erase no"]
    words = " ".join(start.said.split())
    assert f"Nobody vouches for this file: {PLAIN}. So its erase: counts as no" in words
    assert "Pin it: rackstrap.site_sha256= or rackstrap.site_cert=" in words
    assert "Stopped at a gate" in words


def test_a_wrong_file_is_told_once_and_the_corrected_one_is_taken_up(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE + "colour: red\n")])
    with running(start) as codes:
        wait(lambda: "nothing was touched" in start.said)
        time.sleep(0.1)
        assert start.said.count("site.yaml:6:1:") == 1
        assert start.bench.did == []
        start.looks[:] = [[sight(SITE)]]
        wait(lambda: codes)
    assert codes == [0]
    assert start.bench.did[-1] == "install lab, erase no"
    assert "The site file has changed." in start.said


def test_a_server_that_is_late_is_asked_again_and_each_wait_is_said(tmp_path: Path) -> None:
    late: list[Look] = [Wrong("http://h/x: the server refuses the connection", "is the server up?")]
    start = begin(tmp_path, late, late, late, late, late, [sight(SITE)])
    assert start.runner.run() == 0
    assert start.said.count("the server refuses the connection") == 1
    assert [line for line in start.said.splitlines() if "again" in line] == [
        "Looking again in 0.01 s.",
        "Looking again every 0.02 s.",
    ]


def test_what_passes_by_itself_is_waited_for_before_anything_is_changed(tmp_path: Path) -> None:
    no_link = (Check("link", "FAIL", "eth0 has no link", "plug it in"), Check("ntp", "warn", "no time", "set it"))
    bench = Bench(checks=[no_link, no_link, no_link[1:]])
    start = begin(tmp_path, [sight(SITE)], bench=bench)
    assert start.runner.run() == 0
    assert bench.did[-2:] == ["network", "install lab, erase no"]
    assert start.said.count("Stopped before anything was changed: eth0 has no link") == 1
    assert "ntp: no time; set it" in start.said


def test_a_network_that_does_not_come_up_is_said_and_nothing_is_installed(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE)], bench=Bench(refusal="the address did not come up"), once=True)
    assert start.runner.run() == 2
    assert start.bench.did == ["let in"]
    assert "the address did not come up\nlook at it" in start.said


def test_at_a_gate_it_stays_and_does_not_try_the_same_file_again(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE)], bench=Bench(ends=[3, 0]))
    with running(start) as codes:
        wait(lambda: "SSH stays open" in start.said)
        time.sleep(0.1)
        assert start.bench.did.count("install lab, erase no") == 1
        start.looks[:] = [[Absent("the stick was pulled out")]]
        time.sleep(0.05)
        assert codes == []
        start.looks[:] = [[sight(SITE + "erase: blank\n")]]
        wait(lambda: codes)
    assert codes == [0]
    assert start.bench.did[-1] == "install lab, erase blank"


def test_from_memory_it_goes_on_once_somebody_has_decided(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE)], bench=Bench(ends=[3, 0]))
    start.runner.goes_on = True
    with running(start) as codes, Journal(tmp_path / "store.db", make_who("apply")) as journal:
        wait(lambda: "SSH stays open" in start.said)
        journal.append(Event(Happened.MACHINE_REPORTED, "m1", {"recording": "x"}), durable=True)
        time.sleep(0.1)
        assert start.bench.did.count("install lab, erase no") == 1
        journal.append(Event(Happened.MACHINE_ADMITTED, "m1", {"key": "k"}), durable=True)
        wait(lambda: codes)
    assert codes == [0]
    assert start.bench.did.count("install lab, erase no") == 2
    assert "Something was decided" in start.said


def test_one_round_ends_with_its_exit_code(tmp_path: Path) -> None:
    cases: list[tuple[Look, int, int]] = [
        (Absent("a"), 0, 2),
        (Wrong("a", "b"), 0, 2),
        (sight("x: 1\n"), 0, 1),
        (sight(SITE), 4, 4),
        (sight(SITE), 0, 0),
    ]
    for number, (look, end, code) in enumerate(cases):
        start = begin(tmp_path / str(number), [look], bench=Bench(ends=[end]), once=True)
        assert start.runner.run() == code


def test_sections_are_left_to_the_tui_and_waited_for(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE + "interactive: [nodes, roles]\n")])
    with running(start) as codes:
        wait((tmp_path / "interactive.json").exists)
        asked = json.loads((tmp_path / "interactive.json").read_text())
        assert asked == {"sections": ["nodes", "roles"], "site": str(tmp_path / "given/site.yaml")}
        assert stat.S_IMODE((tmp_path / "interactive.json").stat().st_mode) == 0o600
        time.sleep(0.05)
        assert codes == []
        wanted = tmp_path / "run/wanted/site.yaml"
        wanted.parent.mkdir(parents=True)
        wanted.write_text(SITE)
        wait(lambda: codes)
    assert codes == [0]
    assert start.bench.did == ["let in"], "the session carries it on"
    assert not (tmp_path / "interactive.json").exists()
    assert "The site file leaves to you: nodes, roles. Press Enter." in start.said


def test_sections_are_no_longer_asked_for_when_the_file_has_changed(tmp_path: Path) -> None:
    start = begin(tmp_path, [sight(SITE + "interactive: [nodes]\n")])
    with running(start) as codes:
        wait((tmp_path / "interactive.json").exists)
        start.looks[:] = [[sight(SITE)]]
        wait(lambda: codes)
    assert start.bench.did[-1] == "install lab, erase no"
    assert not (tmp_path / "interactive.json").exists()


def test_an_installation_that_was_begun_goes_on_with_what_was_decided_then(tmp_path: Path) -> None:
    """The power went after a person had answered: the file on the stick is the same, the answers are in the state."""
    assert begin(tmp_path, [sight(SITE)], bench=Bench(ends=[4]), once=True).runner.run() == 4
    journal_begun(tmp_path)
    (tmp_path / "wanted").mkdir()
    (tmp_path / "wanted/site.yaml").write_text(SITE + "erase: blank\n")
    (tmp_path / "interactive.json").write_text("{}")
    start = begin(tmp_path, [sight(SITE)], once=True)
    assert start.runner.run() == 0
    assert start.bench.did == ["let in", "network", "install lab, erase blank"]
    assert "The installation of lab that was begun goes on." in start.said
    assert not (tmp_path / "interactive.json").exists()
    changed = begin(tmp_path, [sight(SITE + "timezone: Europe/Vienna\n")], once=True)
    assert changed.runner.run() == 0
    assert changed.bench.did[-1] == "install lab, erase no", "the file was corrected since"
    other = begin(tmp_path, [sight(SITE.replace("name: lab", "name: other"))], once=True)
    assert other.runner.run() == 0
    assert other.bench.did[-1] == "install other, erase no"


def test_an_installation_that_was_begun_needs_neither_its_stick_nor_its_server_nor_a_network(tmp_path: Path) -> None:
    assert begin(tmp_path, [sight(SITE)], bench=Bench(ends=[4]), once=True).runner.run() == 4
    journal_begun(tmp_path)
    start = begin(tmp_path, [Wrong("the server refuses the connection", "x")], bench=Bench(refusal="no port"))
    assert start.runner.run() == 0
    assert start.bench.did == ["install lab, erase no"]
    assert "no port" in start.said
