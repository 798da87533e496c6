"""`rackstrap node …` and `rackstrap status`, as an operator types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.node_changes import make_admission
from installer.engine.node_verbs import check_admitted
from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.ledger import MachineEntry
from installer.model.problems import RackstrapError
from tests.fake_rack import make_installed, make_recording
from tests.served_files import save_image

SITE = """\
rackstrap: 1
name: lab
domain: lab.example
admin: {hostname: admin, address: 192.168.124.10}
nodes:
  - {name: node1, match: {serial: A1}}
  - {match: {any: true}, expect: 1}
"""
KEYS = {"m-A1": "00" * 32, "m-A2": "ff" * 32}
Node = Callable[..., tuple[int, str]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory in which node1 and an unnamed machine have been discovered."""
    folder = tmp_path / "state"
    save_image(tmp_path / "image")
    with Journal(folder / "store.db") as journal:
        for name, key in KEYS.items():
            data = {
                "recording": journal.store.put_blob(make_recording(name.removeprefix("m-"))),
                "code": make_code(key),
                "key": key,
            }
            journal.append(Event(Happened.MACHINE_DISCOVERED, name, {**data, "address": "192.168.124.21"}))
        journal.append(Event(Happened.NODE_BOUND, "m-A1", {"name": "node1", "rule": 0}), durable=True)
    (folder / "site.yaml").write_text(SITE)
    return folder


@pytest.fixture
def node(state: Path, capsys: pytest.CaptureFixture[str]) -> Node:
    def call(*words: str) -> tuple[int, str]:
        extra = ["--image", str(state.parent / "image")] if words[0] in {"allocate", "reinstall"} else []
        code = run(["node", words[0], "--state", str(state), *extra, *words[1:]])
        told = capsys.readouterr()
        return code, told.out + told.err

    return call


def entry_of(state: Path, word: str = "node1") -> MachineEntry:
    with Journal(state / "store.db") as journal:
        entry = journal.ledger.find(word)
        assert entry is not None
        return entry


def note(folder: Path, kind: Happened, host: str, /, **data: Any) -> None:
    with Journal(folder / "store.db") as journal:
        journal.append(Event(kind, host, data), durable=True)


def test_list_names_nodes_first(node: Node) -> None:
    code, text = node("list")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["node1", make_code(KEYS["m-A2"])]
    rows = [json.loads(line) for line in node("list", "--json")[1].splitlines()]
    assert [(row["name"], row["machine"], row["state"]) for row in rows] == [
        ("node1", "m-A1", "discovered"),
        ("", "m-A2", "discovered"),
    ]


def test_show_tells_facts_disks_and_steps(node: Node) -> None:
    code, text = node("show", "node1")
    assert code == 0
    assert "virtio-VIRT-0001" in text
    assert "holds nothing" in text
    shown = json.loads(node("show", "m-A1", "--json")[1])
    assert (shown["facts"]["serial"], shown["admitted"], shown["consent"]) == ("A1", False, None)


def test_a_name_that_nobody_has_is_refused_with_those_that_exist(node: Node) -> None:
    code, text = node("show", "node9")
    assert (code, "no node or machine is called 'node9'" in text, "node1" in text) == (1, True, True)


def test_admit_by_name_and_by_code(node: Node, state: Path) -> None:
    assert node("admit", "node1")[0] == 0
    assert entry_of(state).admitted
    assert "already" in node("admit", "node1")[1]
    assert node("admit", make_code(KEYS["m-A2"]))[0] == 0
    assert entry_of(state, "m-A2").admitted


def test_admitting_who_has_been_displaced_meanwhile_is_refused(state: Path) -> None:
    with Journal(state / "store.db") as journal:
        change = make_admission(journal.ledger, make_code(KEYS["m-A1"]))
        data = {"recording": journal.ledger.machines["m-A1"].recording, "key": "11" * 32, "code": make_code("11" * 32)}
        note(state, Happened.MACHINE_DISCOVERED, "m-A1", **data)
        journal.append(*change.events, durable=True)
        with pytest.raises(RackstrapError, match="another machine has just enrolled in its place"):
            check_admitted(journal, change)
    assert not entry_of(state).admitted


def test_admit_believes_a_claim_by_its_code(node: Node, state: Path) -> None:
    for key in ("11" * 32, "22" * 32):
        note(state, Happened.CLAIM_REFUSED, "m-A1", key=key, code=make_code(key), address="", reason="")
    code, text = node("admit", "node1")
    assert (code, make_code("11" * 32) in text) == (1, True)
    assert node("admit", make_code("22" * 32))[0] == 0
    entry = entry_of(state)
    assert (entry.key, entry.claims, entry.admitted) == ("22" * 32, (), True)


def test_allocate_needs_the_word(node: Node, state: Path) -> None:
    code, text = node("allocate", "node1")
    assert (code, "virtio-VIRT-0001" in text, "holds nothing" in text, "--erase" in text) == (3, True, True, True)
    assert entry_of(state).consent is None
    code, text = node("allocate", "node1", "--erase")
    assert (code, "may be erased, once" in text, "still has to be admitted" in text) == (0, True, True)
    consent = entry_of(state).consent
    assert consent is not None
    assert ([disk.id for disk in consent.disks], consent.epoch, consent.own_mark) == (["virtio-VIRT-0001"], 1, False)


def test_an_installed_node_is_not_allocated_but_reinstalled(node: Node, state: Path) -> None:
    node("allocate", "node1", "--erase")
    note(state, Happened.INSTALL_STARTED, "m-A1", epoch=1)
    note(state, Happened.NODE_INSTALLED, "m-A1", **make_installed(entry_of(state)))
    code, text = node("allocate", "node1", "--erase")
    assert (code, "node reinstall node1" in text) == (1, True)
    code, text = node("reinstall", "node1")
    assert (code, "erases virtio-VIRT-0001" in text) == (0, True)
    entry = entry_of(state)
    assert (entry.epoch, entry.reinstall_epoch, entry.installed, entry.consent) == (2, 2, None, None)
    assert entry.reinstall_disks == ("virtio-VIRT-0001",)


def test_a_reinstallation_shows_the_disks_that_it_would_erase_also_without_an_earlier_consent(node: Node, state: Path) -> None:
    code, text = node("reinstall", "node1")
    assert (code, "erases virtio-VIRT-0001" in text) == (0, True)
    assert entry_of(state).reinstall_disks == ("virtio-VIRT-0001",)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("rename", "node1", "db1"), 0, "node1 is now db1"),
        (("rename", "node1", "Bad_Name"), 1, "is no name"),
        (("rename", "node1", "admin"), 1, "admin is taken"),
        (("rename", "m-A2", "db1"), 1, "is no node yet"),
        (("group", "node1", "rack-3"), 0, "group rack-3"),
        (("roles", "node1", "base"), 0, "roles base"),
        (("roles", "node1", "nonsense"), 1, "no role is called nonsense"),
        (("reset", "node1"), 0, "disks are untouched"),
        (("retry", "node1"), 0, "tried again"),
        (("leave-out", "node1"), 0, "sits out"),
        (("delete", "node1"), 0, "forgotten"),
        (("reinstall", "m-A2"), 1, "is no node"),
        (("power", "node1", "on"), 2, "rackstrap serve"),
        (("identify", "node1"), 2, "rackstrap serve"),
    ],
)
def test_each_verb_says_what_it_did_or_why_not(node: Node, words: tuple[str, ...], code: int, says: str) -> None:
    found, text = node(*words)
    assert (found, says in text) == (code, True), text


def test_json_answers(node: Node) -> None:
    assert json.loads(node("retry", "node1", "--json")[1]) == {"ok": True, "message": "node1 is tried again"}


def test_without_a_site_there_is_nothing_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["node", "list"], ["status"]):
        assert run([*verb, "--state", str(tmp_path / "none")]) == 2
        assert "no site has been applied" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_status_shows_problems_waits_and_progress(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note(state, Happened.STEP_WAITED, "node1", name="allocate", **{"for": "node1 to be allocated"})
    note(state, Happened.STEP_WAITED, "bmc 10.0.0.1", name="discover", **{"for": "the machine to report itself"})
    note(state, Happened.NODE_STATE, "m-A2", state="problem", reason="install: no such disk")
    note(state, Happened.INSTALL_STARTED, "m-A1", epoch=1)
    with Journal(state / "store.db") as journal:
        journal.store.set_progress("m-A1", "unpack", 61, "of 1 GB")
    assert run(["status", "--state", str(state)]) == 0
    text = capsys.readouterr().out
    for part in (
        "installing unpack 61 %",
        "waits for node1 to be allocated",
        "bmc 10.0.0.1: waits for the machine",
        "no such disk",
    ):
        assert part in text
    assert run(["status", "--state", str(state), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    first = shown["status"]["nodes"][0]
    assert (first["name"], first["stage"], first["percent"], first["waits_for"]) == (
        "node1", "unpack", 61, ["allocate: node1 to be allocated"],
    )  # fmt: skip
    assert shown["last"][-1]["kind"] == "install_started"
