"""Whole site files: those that must pass, those that must not with what is said about each, and the examples."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from installer.cli import run
from installer.model.problems import RackstrapError
from installer.model.site import DiskChoice, EraseEntry, Match, Range
from installer.plan.roles import load_roles
from installer.site import check_site, edit_site, load_site
from installer.site.core_schema import make_plain
from installer.site.load import MAX_BYTES
from installer.site.schema import make_schema
from installer.site.verbs import render_problem

HERE = Path(__file__).parent / "sites"
EXAMPLES = sorted((Path(__file__).parent.parent / "installer" / "site" / "examples").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))
WARNED = {
    "demo": ["nobody will be able to log in: no SSH key and no password"],
    "proxy": ["proxy DHCP does not serve machines with Secure Boot"],
    "external": ["your own DHCP server must send machines to this admin node"],
}


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", [*EXAMPLES, *GOOD], ids=name_of)
def test_good_files_pass_with_nothing_but_known_warnings(path: Path) -> None:
    roles = {*load_roles()[0], "swift-proxy", "swift-storage"}
    problems = check_site(load_site(path), roles=roles)
    assert [p.message for p in problems] == WARNED.get(path.stem, [])
    assert {p.severity for p in problems} <= {"warning"}


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_bad_files_say_what_is_wrong_and_what_to_write(path: Path) -> None:
    loaded = load_site(path)
    text = "".join(render_problem(p) + "\n" for p in check_site(loaded, roles=load_roles()[0]))
    assert text.replace(str(path), path.name) == path.with_suffix(".expected").read_text()


def test_there_are_many_bad_files() -> None:
    assert len(BAD) >= 60
    assert {p.stem for p in BAD} == {p.stem for p in (HERE / "bad").glob("*.expected")}


def test_no_message_shows_a_secret() -> None:
    shown = [p.name for p in (HERE / "bad").glob("*.expected") if "CANARY" in p.read_text()]
    holding = [p.name for p in BAD if b"CANARY" in p.read_bytes()]
    assert (shown, len(holding)) == ([], 7)
    assert "CANARY" not in "".join(repr(load_site(p)) for p in BAD)


@pytest.mark.parametrize("path", [*EXAMPLES, *GOOD], ids=name_of)
def test_good_files_fit_the_published_schema(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(make_schema())
    data = make_plain(load_site(path).document.data)
    assert [error.message for error in validator.iter_errors(data)] == []


def test_the_schema_is_valid_and_refuses_what_we_refuse() -> None:
    schema = make_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in ("shape-unknown-keys", "shape-missing", "shape-types", "shape-choices", "shape-numbers", "network-range-name"):
        data = make_plain(load_site(HERE / "bad" / f"{name}.yaml").document.data)
        assert not validator.is_valid(data), name


def find_undescribed(schema: dict[str, Any]) -> list[str]:
    models = {"site": schema, **schema["$defs"]}
    return [f"{m}.{k}" for m, model in models.items() for k, part in model["properties"].items() if not part.get("description")]


def test_every_key_of_the_schema_is_described() -> None:
    assert find_undescribed(make_schema()) == []


@pytest.mark.parametrize("path", [*EXAMPLES, *GOOD], ids=name_of)
def test_a_file_that_is_not_changed_stays_the_same_bytes(path: Path) -> None:
    loaded = load_site(path)
    assert loaded.site is not None
    assert loaded.document.text.encode() == path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert edit_site(loaded, {("name",): loaded.site.name}) == loaded.document.text


@pytest.mark.parametrize("path", [*EXAMPLES, *(p for p in GOOD if p.stem != "json")], ids=name_of)
def test_our_reading_is_that_of_ruamel(path: Path) -> None:
    """But for 1_000, which YAML 1.2's core schema takes as text."""
    ours = make_plain(load_site(path).document.data)
    theirs = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    assert ours == json.loads(json.dumps(theirs).replace('"serial": 1000}', '"serial": "1_000"}'))


def test_the_design_example_means_what_it_says() -> None:
    site = load_site(HERE / "good" / "design.yaml").site
    assert site is not None
    assert (site.name, site.domain, site.erase, site.interactive) == ("lab", "lab.example", "no", ())
    assert (site.admin.hostname, site.admin.address) == ("admin", IPv4Address("192.168.124.10"))
    assert site.admin.disk == DiskChoice(smallest=True, min_gb=20)
    assert [(n.name, str(n.subnet), n.vlan, n.conduit) for n in site.networks] == [
        ("admin", "192.168.124.0/24", None, "intf0"),
        ("storage", "192.168.125.0/24", 200, "intf1"),
    ]
    assert site.network("admin").range("dhcp") == Range("dhcp", IPv4Address("192.168.124.21"), IPv4Address("192.168.124.80"))
    assert site.discovery.bmc == ((IPv4Address("192.168.124.162"), IPv4Address("192.168.124.240")),)
    assert [(r.name, r.match, r.expect, r.roles) for r in site.nodes] == [
        ("node1", Match(serial="ABC123"), 1, ("swift-proxy", "swift-storage")),
        ("", Match(any=True), 2, ("swift-storage",)),
    ]
    assert site.roles == {"swift": {"replicas": 3}}


def test_words_that_older_yaml_takes_for_numbers_stay_words() -> None:
    site = load_site(HERE / "good" / "words.yaml").site
    assert site is not None
    assert (site.name, site.domain, site.admin.hostname, site.erase) == ("no", "on.example", "off", "no")
    assert [(r.name, r.match.serial, r.group) for r in site.nodes] == [
        ("y", "0123", "007"),
        ("n", "12E45", ""),
        ("null1", "", ""),
    ]
    assert site.nodes[1].disk == DiskChoice(serial=("1_000",), smallest=False)
    assert site.nodes[2].disk == DiskChoice(wwn=("0x5000c500a1b2c3d4",), smallest=False)


def test_networks_left_out_are_the_white_papers() -> None:
    minimal, written = (load_site(next(p for p in EXAMPLES if p.stem == stem)).site for stem in ("minimal", "white-paper"))
    assert minimal is not None
    assert written is not None
    assert minimal.networks == written.networks
    assert minimal.conduits == written.conduits
    assert [(n.name, n.vlan) for n in minimal.networks if n.vlan] == [
        ("storage", 200),
        ("public", 300),
        ("floating", 300),
        ("sdn", 400),
        ("fixed", 500),
    ]


def test_short_addresses_work_in_both_versions() -> None:
    site = load_site(HERE / "good" / "ipv6.yaml").site
    assert site is not None
    expected = Range("host", IPv6Address("fd00:125::10"), IPv6Address("fd00:125::ff"))
    assert site.network("storage").range("host") == expected
    bonds = load_site(next(p for p in EXAMPLES if p.stem == "vlans-bonds")).site
    assert bonds is not None
    assert bonds.network("admin").range("dhcp") == Range("dhcp", IPv4Address("10.20.1.1"), IPv4Address("10.20.1.254"))


def test_consent_names_machine_and_disks() -> None:
    site = load_site(next(p for p in EXAMPLES if p.stem == "mirror")).site
    assert site is not None
    assert site.erase == (
        EraseEntry("ABC123", ("wwn-0x5000c500a1b2c3d4", "wwn-0x5000c500a1b2c3d5")),
        EraseEntry("ABC124", ("ata-SAMSUNG_MZ7LH480_S45NNA0M1", "ata-SAMSUNG_MZ7LH480_S45NNA0M2")),
    )


@pytest.mark.parametrize("what", ["absent", "folder", "huge", "nul"])
def test_what_cannot_be_read_is_refused_with_exit_code_2(tmp_path: Path, what: str) -> None:
    path = {"absent": tmp_path / "no", "folder": tmp_path, "huge": tmp_path / "huge", "nul": Path("a\0b")}[what]
    if what == "huge":
        path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RackstrapError) as caught:
        load_site(path)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_the_verb_prints_problems_and_says_so_by_its_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad = next(p for p in EXAMPLES if p.stem == "minimal"), HERE / "bad" / "shape-version.yaml"
    assert run(["check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: no problems found\n"
    assert run(["check", str(bad)]) == 1
    out = capsys.readouterr().out
    assert out == f"{bad}:1:12: rackstrap is `2`: this release reads format 1; write rackstrap: 1, without quotes\n"
    assert run(["check", str(tmp_path / "absent")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_the_verb_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    bad = HERE / "bad" / "timezone.yaml"
    assert run(["check", "--json", str(bad)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "file": str(bad),
        "line": 4,
        "column": 11,
        "path": ["timezone"],
        "severity": "error",
        "message": "there is no time zone `Europe/Berln`",
        "hint": "did you mean Europe/Berlin?",
    }


def test_the_verb_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == make_schema()


def test_the_verb_looks_at_the_credentials_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, table, secret = tmp_path / "site.yaml", tmp_path / "bmc.csv", tmp_path / "secret"
    site.write_text(next(p for p in EXAMPLES if p.stem == "minimal").read_text() + "discovery: {credentials: bmc.csv}\n")
    assert run(["check", str(site)]) == 0
    assert capsys.readouterr().out.startswith(f"{site}:18:26: warning: cannot read {table}: No such file or directory; ")
    table.write_text("serial,address,user,secret\nABC123,192.168.124.170,admin,secret\n")
    secret.write_text("CANARY\n")
    secret.chmod(0o644)
    assert run(["check", str(site)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{table}:2:")
    assert "open to other users" in out
    assert "CANARY" not in out
    secret.chmod(0o600)
    assert run(["check", str(site)]) == 0
