"""What a start that nobody watches does: real places, a real program for the work, the state folder, the port, the logins."""

from __future__ import annotations

import stat
import sys
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from installer.cli import run
from installer.engine.store import Store
from installer.live.access import save_access
from installer.live.acts import LiveActs
from installer.live.boot import Boot
from installer.live.given import take
from installer.live.identity import Identity
from installer.live.sources import Places
from installer.live.verbs import find_work, hold_alone
from installer.model.facts import Nic
from installer.model.site import Access
from installer.network.links import name_port
from installer.network.pending import NetworkRecord, hold_record, save_record
from installer.site.load import parse_site
from tests.headless_start import KEY, LISTED, SITE, Bench, begin, sight, wait
from tests.site_server import serve


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
