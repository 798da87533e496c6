"""Role folders: loading, their problems with places, options, placement and its reasons."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.model.facts import Cpu
from installer.model.ledger import MachineEntry
from installer.model.site import Match, NodeRule, Value
from installer.plan.files import BaseFiles
from installer.plan.links import make_node_network
from installer.plan.options import check_options, check_value, find_given
from installer.plan.placement import Candidate, place_roles
from installer.plan.role_file import parse_role
from installer.plan.roles import BUILT_IN, Count, Hardware, Option, Role, load_roles, sort_roles
from installer.site.load import parse_site
from tests.plan_samples import ROLES, make_disk, make_machine, make_site


def parse(text: str) -> Role:
    role, problems = parse_role(text, "x")
    assert role is not None, problems
    return role


def test_the_built_in_roles_have_no_problems() -> None:
    roles, problems = load_roles()
    assert problems == ()
    assert roles["base"].everywhere
    assert roles["base"].networks == ("admin",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: [", "r/role.yaml:1:9: is no YAML: expected the node content, but found '<stream end>'"),
        ("", "r/role.yaml:1:1: holds no keys"),
        ("- a\n", "r/role.yaml:1:1: holds no keys"),
        ("needs: []\n", "r/role.yaml:1:1: title: field required"),
        ("title: T\nned: 1\n", "r/role.yaml:2:1: ned: extra inputs are not permitted"),
        ("title: T\ncount:\n  min: x\n", "r/role.yaml:3:3: count.min: input should be a valid integer"),
        ("title: T\ncount: {min: 3, max: 2}\n", "r/role.yaml:2:1: count: max 2 is below min 3"),
        ("title: T\nneeds: [a, 1]\n", "r/role.yaml:2:12: needs.1: input should be a valid string"),
        ("title: T\noptions:\n  a:\n    type: text\n", "r/role.yaml:4:5: options.a.type: input should be 'string'"),
        ("title: T\noptions:\n  a: {type: integer, default: b}\n", "r/role.yaml:3:22: a: is text, not a whole number"),
        ("title: T\noptions:\n  a: {type: integer, default: 9, max: 3}\n", "r/role.yaml:3:22: a: is above 3"),
        ("title: T\ntitle: U\n", "r/role.yaml:2:1: is no YAML: found duplicate key"),
    ],
)
def test_a_broken_role_says_where(text: str, problem: str) -> None:
    role, problems = parse_role(text, "r", "r/role.yaml")
    assert role is None
    assert str(problems[0]).startswith(problem), str(problems[0])


@given(st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    role, problems = parse_role(text, "r")
    assert (role is None) == bool(problems)


def test_roles_of_ones_own_are_found_and_checked(tmp_path: Path) -> None:
    for name, text in (
        ("db", "title: Database\nneeds: [base, ghost]\n"),
        ("a", "title: A\nneeds: [b]\n"),
        ("b", "title: B\nneeds: [a]\n"),
        ("broken", "title: 1\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "role.yaml").write_text(text)
    roles, problems = load_roles([tmp_path, tmp_path / "none"])
    assert sorted(roles) == ["a", "b", "base", "db"]
    assert [(problem.message, Path(problem.place.file).parent.name) for problem in problems] == [
        ("title: input should be a valid string", "broken"),
        ("is no folder of roles", tmp_path.name),
        ("role a needs itself in the end", "a"),
        ("role b needs itself in the end", "b"),
        ("role db names ghost, which is no role", "db"),
    ]


def test_roles_are_sorted_after_what_they_need() -> None:
    roles = {name: parse(f"title: T\nneeds: [{needs}]\n") for name, needs in (("a", "c"), ("b", ""), ("c", "b"), ("d", "a"))}
    assert sort_roles(roles) == ("b", "c", "a", "d")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (Option("o", "integer", min=1, max=3), 2, ""),
        (Option("o", "integer", min=1, max=3), 0, "is below 1"),
        (Option("o", "integer", min=1, max=3), 4, "is above 3"),
        (Option("o", "integer"), True, "is true or false, not a whole number"),
        (Option("o", "integer"), 1.5, "is a number, not a whole number"),
        (Option("o", "number"), 1, ""),
        (Option("o", "string"), 1, "is a whole number, not text"),
        (Option("o", "string", choices=("a", "b")), "c", "is 'c'"),
        (Option("o", "list", max=1), ["a", "b"], "is above 1"),
        (Option("o", "list", items={"name": "string"}), [{"name": "a"}], ""),
        (Option("o", "list", items={"name": "string"}), [{"nome": "a"}], "has the key nome at 1"),
        (Option("o", "list", items={"name": "string"}), [{"name": 1}], "has name at 1 as a whole number"),
        (Option("o", "list", items={"name": "string"}), ["a"], "has text at 1"),
        (Option("o", "boolean"), None, ""),
    ],
)
def test_values_of_options(option: Option, value: Value, message: str) -> None:
    assert [text for text, _ in check_value(option, value)] == ([message] if message else [])


def test_options_stand_under_a_role_or_its_family() -> None:
    option = "options: {replicas: {type: integer, default: 3}}\n"
    roles = {name: Role(name, "T", options=parse(f"title: T\n{option}").options) for name in ("swift-proxy", "swift-storage")}
    assert find_given("swift-proxy", {"swift": {"replicas": 2}, "swift-proxy": {"replicas": 1}}) == {"replicas": 1}
    assert find_given("swift-storage", {"swift": {"replicas": 2}}) == {"replicas": 2}
    wrong = check_options({"swift": {"replicas": "x", "replica": 1}, "ghost": {"a": 1}}, roles)
    assert [(problem.message, problem.hint) for problem in wrong] == [
        ("replicas is text, not a whole number", "write a whole number"),
        ("role swift has no option replica", "did you mean replicas?"),
    ]


DB = Role("db", "Database", needs=("base",), count=Count(3, odd=True))
WEB = Role("web", "Web", needs=("db",))
STORE = Role("store", "Store", hardware=Hardware(min_disks=2, prefers="disks"), conflicts=("web",))
ONE = Role("one", "One", unique=True)
ALL = {"base": ROLES["base"], "db": DB, "web": WEB, "store": STORE, "one": ONE}


def candidate(number: int, *roles: str, ledger: tuple[str, ...] | None = None, disks: int = 1, cores: int = 16) -> Candidate:
    machine = make_machine(number, [make_disk(f"sd{n}") for n in range(disks)], cpu=Cpu("X", 1, cores, cores))
    return f"n{number}", NodeRule(Match(serial=f"S{number}"), roles=roles), MachineEntry("m", roles=ledger), machine


def test_what_is_needed_is_proposed_with_reasons() -> None:
    placed, why, problems = place_roles(make_site(""), ALL, [candidate(1, "web"), *(candidate(n) for n in (2, 3, 4))])
    assert problems == []
    assert placed == {"n1": ("base", "web"), "n2": ("base", "db"), "n3": ("base", "db"), "n4": ("base", "db")}
    assert why["n1"] == {"web": "named in the site file", "base": "every node has it"}
    assert why["n2"]["db"] == "web needs it; fewest roles so far"


def test_what_a_proposed_role_needs_is_proposed_too() -> None:
    roles = replace(make_site(""), roles={"web": {}})
    placed, why, problems = place_roles(roles, ALL, [candidate(n) for n in (1, 2, 3)])
    assert problems == []
    assert {name for name, held in placed.items() if "db" in held} == {"n1", "n2", "n3"}
    assert [reasons["web"] for reasons in why.values() if "web" in reasons] == [
        "the site file sets its options; fewest roles so far"
    ]


def test_the_hardware_decides_and_says_so() -> None:
    nodes = [candidate(1, disks=2), candidate(2, disks=5), candidate(3)]
    _, why, _ = place_roles(replace(make_site(""), roles={"store": {}}), ALL, nodes)
    assert {name: reasons.get("store") for name, reasons in why.items()} == {
        "n1": None,
        "n2": "the site file sets its options; most disks (5)",
        "n3": None,
    }


def test_the_operators_own_choice_wins() -> None:
    placed, why, _ = place_roles(make_site(""), ALL, [candidate(1, "web", ledger=("one",)), candidate(2)])
    assert placed == {"n1": ("base", "one"), "n2": ("base",)}
    assert why["n1"]["one"] == "chosen by the operator"


@pytest.mark.parametrize(
    ("roles", "messages"),
    [
        ([("db",), ("db",), ("db",)], []),
        ([("db",), ("db",), ("db",), ("db",)], ["role db is on 4 nodes, a quorum needs an odd number"]),
        ([("one",), ("one",)], ["role one is on 2 nodes (n1, n2), at most 1 may have it"]),
        ([("store", "web"), ("db",), ("db",), ("db",)], ["n1 has the roles store and web, which do not go together"]),
        ([("ghost",)], ["there is no role ghost"]),
    ],
)
def test_constraints(roles: list[tuple[str, ...]], messages: list[str]) -> None:
    nodes = [candidate(number, *given) for number, given in enumerate(roles, 1)]
    assert [problem.message for problem in place_roles(make_site(""), ALL, nodes)[2]] == messages


def test_too_few_nodes_for_a_count_is_a_problem() -> None:
    messages = [problem.message for problem in place_roles(make_site(""), ALL, [candidate(1, "web")])[2]]
    assert messages == ["role db is on 1 nodes, it needs 3"]


CASES = sorted((BUILT_IN / "base" / "cases").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases_of_role_base(case: Path) -> None:
    """cases/NAME/site.yaml → cases/NAME/files/…, each with its mode in cases/NAME/modes.json."""
    text = (case / "site.yaml").read_text()
    loaded = parse_site(text.encode(), "site.yaml")
    assert loaded.site is not None
    base = BaseFiles(loaded.site, ROLES["base"])
    network = make_node_network("node1", loaded.site, make_machine(1), {"admin": "192.168.124.81/24"})[0]
    files = {file.path: file for file in base.render(network) if not file.path.startswith("/etc/systemd/network/")}
    expected = {
        f"/{path.relative_to(case / 'files')}": path.read_text() for path in (case / "files").rglob("*") if path.is_file()
    }
    assert {path: file.text for path, file in files.items()} == expected
    assert {path: oct(file.mode) for path, file in files.items()} == json.loads((case / "modes.json").read_text())


def test_the_files_of_role_base_are_read_by_their_programs(tmp_path: Path) -> None:
    case = BUILT_IN / "base" / "cases" / "users" / "files"
    keys = subprocess.run(
        ["ssh-keygen", "-lf", case / "home/alice/.ssh/authorized_keys"], capture_output=True, text=True, check=True
    )
    assert keys.stdout.split()[2:] == ["alice@lab", "(ED25519)"]
    sudoers = subprocess.run(
        ["visudo", "-cf", case / "etc/sudoers.d/rackstrap-alice"], capture_output=True, text=True, check=False
    )
    assert sudoers.stdout.endswith("parsed OK\n"), sudoers.stderr
    shutil.copytree(case, tmp_path, dirs_exist_ok=True)
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", "rackstrap-timezone.conf"], check=True)
    assert (tmp_path / "etc/localtime").readlink() == Path("../usr/share/zoneinfo/Europe/Berlin")
