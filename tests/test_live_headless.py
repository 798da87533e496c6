"""A start that nobody watches: what it takes in, what it refuses, what it says, and that it goes on by itself once it can."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.prepare import load_input
from installer.engine.store import Store, make_who
from installer.live.access import save_access
from installer.live.acts import LiveActs, name_port
from installer.live.boot import Boot
from installer.live.given import take
from installer.live.headless import Headless
from installer.live.identity import Identity
from installer.live.sources import PLAIN, Absent, Look, Part, Places, Sighted, Wrong
from installer.live.telling import Telling, find_consoles, find_session_ttys, make_lines, write_console
from installer.live.verbs import find_work, hold_alone
from installer.model.events import Event, Happened
from installer.model.facts import Nic
from installer.model.problems import RackstrapError
from installer.model.site import Access, Site
from installer.network.pending import NetworkRecord, hold_record, save_record
from installer.preflight.check import Check
from installer.site.load import parse_site
from tests.site_server import serve

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk"
SITE = f"""rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [{KEY}]}}
admin: {{address: 192.168.124.10, hostname: admin}}
"""
LISTED = SITE + "erase:\n  - {machine: ABC123, disks: [wwn-0x5000]} # the old one\n"
CSV = "serial,address,user,secret\nABC123,192.168.124.162,root,secrets/one\n"
NAMING = SITE + "discovery: {bmc: [192.168.124.162], credentials: bmc.csv}\n"
CANARY = "canary-4711"


def sight(text: str, doubt: str = "", files: dict[str, Part] | None = None) -> Sighted:
    def read(name: str) -> Part:
        if name not in (files or {}):
            raise RackstrapError(f"no {name} there", "put it there")
        return (files or {})[name]

    return Sighted(text.encode(), "volume", "site.yaml on a stick", "site.yaml", doubt, read)


# What is taken in


def test_a_trusted_file_is_kept_as_it_is_for_root_alone(tmp_path: Path) -> None:
    files = {"bmc.csv": Part(CSV.encode()), "secrets/one": Part(f"{CANARY}\n".encode())}
    found = take(sight(NAMING + "erase: blank\n", "", files), tmp_path / "state")
    assert (found.is_trusted, found.withheld, found.problems) == (True, False, ())
    assert found.site is not None
    assert found.site.erase == "blank"
    assert found.path == tmp_path / "state/given/site.yaml"
    kept = {str(path.relative_to(found.beside)): path for path in found.beside.rglob("*")}
    assert kept.keys() == {"site.yaml", "bmc.csv", "secrets", "secrets/one"}
    for path in (found.beside, *kept.values()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    again = load_input(found.path, found.beside)
    assert again.site is not None
    assert [event.data["secret"] for event in again.bmcs] == [str(kept["secrets/one"])]
    assert CANARY not in repr(found)
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    "spelling", ["erase: blank", "erase:  'blank' # yes", '"erase": blank', "erase: [{machine: A1, disks: [wwn-0x1]}]"]
)
def test_a_file_that_nobody_vouches_for_erases_nothing(tmp_path: Path, spelling: str) -> None:
    found = take(sight(f"{SITE}{spelling}\n", PLAIN), tmp_path)
    assert (found.is_trusted, found.withheld) == (False, True)
    for site in (found.site, load_input(found.path).site, parse_site(found.text.encode(), "x").site):
        assert site is not None
        assert site.erase == "no"
    assert sha256(f"{SITE}{spelling}\n".encode()).hexdigest() == found.digest


@pytest.mark.parametrize(
    "text",
    [
        SITE + "e: &x blank\nerase: *x\n",
        SITE + "? erase\n: blank\n",
        SITE + "erase: !!str blank\n",
        "{" + ", ".join(json.dumps(k) + ": " + json.dumps(v) for k, v in {
            "rackstrap": 1, "name": "lab", "domain": "lab.example", "access": {"ssh_keys": [KEY]},
            "admin": {"address": "192.168.124.10"}, "erase": "blank"}.items()) + "}",
        SITE + "erase: no\nerase: blank\n",
        "base: &b {erase: blank}\n<<: *b\n" + SITE,
        SITE + "Erase: blank\n",
        SITE + "---\nerase: blank\n",
    ],
)  # fmt: skip
def test_no_spelling_smuggles_a_consent_in(tmp_path: Path, text: str) -> None:
    found = take(sight(text, PLAIN), tmp_path)
    if found.site is None:
        assert not (tmp_path / "given").exists()
    else:
        kept = load_input(found.path).site
        assert kept is not None
        assert kept.erase == "no"


def test_one_file_that_nobody_vouches_for_spoils_the_whole(tmp_path: Path) -> None:
    files = {"bmc.csv": Part(CSV.encode(), PLAIN), "secrets/one": Part(b"pw")}
    found = take(sight(NAMING + "erase: blank\n", "", files), tmp_path)
    assert (found.doubt, found.withheld) == (PLAIN, True)


def test_a_wrong_file_is_told_whole_by_its_own_name_and_changes_nothing(tmp_path: Path) -> None:
    take(sight(SITE), tmp_path)
    files = {"bmc.csv": Part(b"serial,address,user,secret\nA1,nowhere,root,\n"), "secrets/one": Part(b"pw")}
    wrong = take(sight(NAMING.replace("name: lab", "name: La b") + "colour: red\n", "", files), tmp_path)
    assert wrong.site is None
    assert [str(problem.place) for problem in wrong.problems] == ["site.yaml:2:7", "site.yaml:7:1", "bmc.csv:2:1"]
    assert str(tmp_path) not in "".join(f"{problem.message}{problem.hint}" for problem in wrong.problems)
    assert (tmp_path / "given/site.yaml").read_text() == SITE
    assert not (tmp_path / "given/bmc.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "run"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("/etc/passwd", ""), ("../store.db", ""), ("a/../../b", ""), ("site.yaml/..", ""),
        ("bmc.csv", "/etc/shadow"), ("bmc.csv", "../../tls/key"), ("bmc.csv", ".."), ("bmc.csv", "~/x y"),
    ],
)  # fmt: skip
def test_no_name_reads_this_machines_own_files(tmp_path: Path, name: str, secret: str) -> None:
    """A password file's content is sent to a BMC: a stranger's CSV must not choose which file that is, or to whom."""
    (tmp_path / "store.db").write_text(CANARY)
    rows = f"serial,address,user,secret\nA1,192.168.124.162,root,{secret}\n"
    found = take(sight(NAMING.replace("bmc.csv", name), "", {"bmc.csv": Part(rows.encode())}), tmp_path)
    assert found.site is None
    assert any("leads out of" in problem.message or "cannot read" in problem.message for problem in found.problems)
    assert CANARY not in str(found.problems)
    assert not (tmp_path / "given").exists()


def test_a_named_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RackstrapError, match=r"names bmc.csv, which cannot be got: no bmc.csv there"):
        take(sight(NAMING), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_csv_that_names_endless_files_does_not_fill_the_memory(tmp_path: Path) -> None:
    rows = "".join(f"S{number},192.168.124.{number},root,secrets/{number}\n" for number in range(1, 200))
    files = {f"secrets/{number}": Part(b"x" * 2**18) for number in range(1, 200)}
    with pytest.raises(RackstrapError, match="more than can be taken in"):
        take(sight(NAMING, "", {"bmc.csv": Part(f"serial,address,user,secret\n{rows}".encode()), **files}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"\0" * 100, b"- 1\n", b"a: b: c", b"&a [*a]", b"x" * 10_000, b"!!python/object:os.system x"]
)
def test_no_content_is_more_than_a_problem(tmp_path: Path, content: bytes) -> None:
    found = take(Sighted(content, "word", "x", "x.yaml", "", lambda _: Part(b"")), tmp_path)
    assert found.site is None
    assert found.problems
    assert not (tmp_path / "given").exists()


# The rounds


@dataclass
class Bench:
    """A machine that does what it is told, and remembers it. `checks`, `ends`: what comes next, the last one for good."""

    checks: list[tuple[Check, ...]] = field(default_factory=lambda: [()])
    ends: list[int] = field(default_factory=lambda: [0])
    refusal: str = ""
    did: list[str] = field(default_factory=list)

    def let_in(self, site: Site) -> bool:
        self.did.append("let in")
        return bool(site.access.ssh_keys)

    def check(self, site: Site) -> tuple[Check, ...]:
        del site
        return self.checks.pop(0) if len(self.checks) > 1 else self.checks[0]

    def set_network(self, site: Site) -> str:
        if self.refusal:
            raise RackstrapError(self.refusal, "look at it")
        self.did.append("network")
        return f"this machine has {site.admin.address}"

    def run(self, path: Path, beside: Path, told: Callable[[str], object]) -> int:
        assert beside == path.parent
        site = load_input(path, beside).site
        assert site is not None
        self.did.append(f"install {site.name}, erase {site.erase}")
        told(f"installing {site.name}")
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]


@dataclass
class Start:
    runner: Headless
    bench: Bench
    out: io.StringIO
    looks: list[list[Look]]

    @property
    def said(self) -> str:
        return self.out.getvalue()


def begin(tmp_path: Path, *looks: list[Look], bench: Bench | None = None, once: bool = False) -> Start:
    """`looks`: what is found at each look; the last one for good."""
    bench, out, left = bench or Bench(), io.StringIO(), list(looks)

    def look(is_settled: bool) -> Iterable[Look]:
        del is_settled
        return left.pop(0) if len(left) > 1 else left[0]

    telling = Telling(tuple, tmp_path / "run/notice", out)
    runner = Headless(tmp_path, look, bench, telling, once, waits_s=(0.01, 0.02), again_s=0.01)
    return Start(runner, bench, out, left)


@contextmanager
def running(start: Start) -> Iterator[list[int]]:
    """The rounds in a thread of their own, ended with the block. Gives what they ended with."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(start.runner.run()))
    thread.start()
    try:
        yield codes
    finally:
        start.runner.stopped.set()
        thread.join(10)
        assert not thread.is_alive()


def wait(what: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 10
    while not what():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


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


def journal_begun(state: Path) -> None:
    with Journal(state / "store.db", make_who("install")) as journal:
        journal.append(Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1}), durable=True)


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


# Through real places, and a real program for the work


def test_a_file_over_http_is_carried_out_by_a_program_that_outlives_us(tmp_path: Path) -> None:
    program = tmp_path / "install.py"
    program.write_text("import sys\nprint('begun'); print(sys.argv[1:]); print('no end', end='')\nsys.exit(3)\n")
    acts = LiveActs(tmp_path / "state", (sys.executable, str(program)), ("--more",))
    told: list[str] = []
    assert acts.run(tmp_path / "site.yaml", tmp_path, told.append) == 3
    assert told == ["begun", str([str(tmp_path / "site.yaml"), "--beside", str(tmp_path), "--more"]), "no end"]
    program.write_text("import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('ended', flush=True)\n")
    threading.Timer(0.3, acts.stopped.set).start()
    assert acts.run(tmp_path / "site.yaml", tmp_path, told.append) == 130
    log = tmp_path / "state/run/headless.log"
    wait(lambda: log.read_text() == "begun\nended\n")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_over_http_from_the_kernel_line_to_the_gate(tmp_path: Path) -> None:
    with serve({"/me.yaml": LISTED.encode()}) as server:
        words = {"site": f"{server.url}/${{serial}}.yaml"}
        places = Places(Boot("medium", "unattended", words), Identity(serial="me"), volumes=tuple, leases=tmp_path / "no")
        start = begin(tmp_path, [], bench=Bench(ends=[3]), once=True)
        start.runner.look = lambda is_settled: places.look(is_settled=is_settled)
        assert start.runner.run() == 3
        assert start.bench.did == ["network", "install lab, erase no"]
        words["site_sha256"] = sha256(LISTED.encode()).hexdigest()
        pinned = begin(tmp_path, [], once=True)
        pinned.runner.look = start.runner.look
        assert pinned.runner.run() == 0
        assert pinned.bench.did[0] == "let in"
        assert "install lab, erase (EraseEntry(" in pinned.bench.did[-1]


def test_only_one_start_looks_for_a_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["headless", "--once", "--site", str(tmp_path / "none.yaml"), "--state", str(tmp_path / "state")]
    with hold_alone(tmp_path / "state"):
        assert run(words) == 2
    assert "runs here already" in capsys.readouterr().err
    assert run(words) == 2
    said = capsys.readouterr()
    assert (said.err, "none.yaml does not exist" in " ".join(said.out.split())) == ("", True)


def test_a_state_folder_that_the_boot_made_is_closed_before_anything_lies_in_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with hold_alone(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
    state.chmod(0o755)
    take(sight(SITE), state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    state.chmod(0o755)
    with hold_record(state):
        save_record(state, NetworkRecord())
    (state / "interactive.json").write_text("{}")
    Store(state / "store.db").close()


def test_the_work_is_from_memory_only_where_no_disk_is_to_be_touched() -> None:
    assert find_work(Boot("medium", "unattended")) == "install"
    assert find_work(Boot("medium", "install")) == "install"
    assert find_work(Boot("medium", "live")) == "apply"
    assert find_work(Boot("other")) == "apply"


def make_nic(name: str, number: int, *, has_link: bool = True, addresses: tuple[str, ...] = ()) -> Nic:
    return Nic(name, f"52:54:00:00:00:0{number}", "virtio_net", None, has_link, addresses=addresses)


def test_a_port_is_taken_without_being_named_only_where_there_is_no_choice() -> None:
    site = parse_site(SITE.encode(), "x").site
    assert site is not None
    one, two = make_nic("ens3", 1), make_nic("ens4", 2)
    dark, inside = make_nic("ens5", 3, has_link=False), make_nic("ens6", 4, addresses=("192.168.124.77/24",))
    for nics, chosen in (
        ((one,), one), ((one, dark), one), ((dark,), dark), ((one, two, inside), inside), ((one, two), None), ((), None),
    ):  # fmt: skip
        assert name_port(site, nics).admin.nics == ((chosen.mac,) if chosen else ())
    holding = make_nic("ens7", 5, addresses=("192.168.124.10/24",))
    assert name_port(site, (inside, holding)).admin.nics == ()


# Consoles


def test_every_console_hears_it_and_one_that_is_held_up_holds_nobody_up(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    stuck, end = os.openpty()
    try:
        for handle in (theirs, end):
            os.set_blocking(handle, False)
        consoles = [Path(os.ttyname(theirs)), tmp_path / "gone", Path(os.ttyname(end))]
        out = io.StringIO()
        telling = Telling(lambda: consoles, tmp_path / "notice", out)
        telling.head("It waits.")
        began = time.monotonic()
        assert not write_console(Path(os.ttyname(end)), b"x" * 200_000)
        telling.tell("one\x1b[2J\r\nline " + "x " * 60)
        assert time.monotonic() - began < 2
        os.set_blocking(ours, False)
        heard = os.read(ours, 4096).decode()
    finally:
        for handle in (ours, theirs, stuck, end):
            os.close(handle)
    assert "It waits." in heard
    assert "\x1b" not in heard
    lines = (tmp_path / "notice").read_text().splitlines()
    assert lines[0] == "It waits."
    assert max(map(len, lines)) <= 76
    assert out.getvalue().splitlines() == lines


def test_a_long_list_of_problems_reaches_a_slow_console_whole() -> None:
    ours, theirs = os.openpty()
    content = b"".join(b"site.yaml:%d:1: wrong\r\n" % number for number in range(4000))
    heard = bytearray()

    def listen() -> None:
        while len(heard) < len(content):
            heard.extend(os.read(ours, 1024))

    thread = threading.Thread(target=listen)
    try:
        tty.setraw(theirs)
        thread.start()
        assert write_console(Path(os.ttyname(theirs)), content)
        thread.join(10)
    finally:
        os.close(ours)
        os.close(theirs)
    assert bytes(heard) == content


def test_the_notice_keeps_its_headline_and_fits_below_a_banner(tmp_path: Path) -> None:
    telling = Telling(tuple, tmp_path / "notice", io.StringIO())
    telling.head("The work has begun.")
    for number in range(40):
        telling.tell(f"line {number}")
    assert (tmp_path / "notice").read_text().splitlines() == [
        "The work has begun.",
        *(f"line {number}" for number in range(30, 40)),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["notice"]


def test_lines_are_broken_where_they_can_be_and_paths_stay_whole() -> None:
    path = "http://192.168.99.1:8000/sites/" + "a-b" * 12 + ".yaml"
    assert make_lines(f"No site file, for a server said so at length: {path}") == [
        "No site file, for a server said so at length:",
        f"  {path}",
    ]


def test_consoles_are_those_that_show_the_banner(tmp_path: Path) -> None:
    active = tmp_path / "active"
    assert find_consoles(tmp_path, active) == ()
    active.write_text("tty0 ttyS0\n")
    assert find_consoles(tmp_path, active) == (Path("/dev/tty1"), Path("/dev/ttyS0"))
    for name in ("ttyS1", "tty1", "hvc0"):
        (tmp_path / f"rackstrap-console@{name}.service").symlink_to("/dev/null")
    assert find_consoles(tmp_path, active) == (Path("/dev/hvc0"), Path("/dev/tty1"), Path("/dev/ttyS1"))


def test_a_console_on_which_somebody_sits_is_known(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tmux = ["tmux", "-S", str(tmp_path / "tui-1"), "-f", "/dev/null"]
    environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    environment.pop("TMUX", None)
    try:
        with subprocess.Popen(
            [*tmux, "new-session", "cat"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as client:
            wait(lambda: find_session_ttys(tmp_path) == {os.ttyname(theirs)})
            subprocess.run([*tmux, "kill-server"], check=True)
            client.wait(10)
        assert find_session_ttys(tmp_path) == frozenset()
    finally:
        os.close(ours)
        os.close(theirs)


def test_logins_are_for_root_alone(tmp_path: Path) -> None:
    folder = tmp_path / "access"
    assert not save_access(Access(), folder)
    assert not folder.exists()
    assert save_access(Access((KEY, KEY), "$y$j9T$x"), folder)
    assert (folder / "authorized_keys").read_text() == f"{KEY}\n{KEY}\n"
    assert (folder / "password_hash").read_text() == "$y$j9T$x\n"
    assert save_access(Access((KEY,)), folder)
    assert (folder / "password_hash").read_text() == ""
    assert sorted(path.name for path in folder.iterdir()) == ["authorized_keys", "password_hash"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())} == {0o700, 0o600}
