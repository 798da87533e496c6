"""BMCs' passwords: the list in which they are given, the files in which they are kept, and that they show nowhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.cli import run
from installer.engine.journal import Journal
from installer.model.ledger import BmcEntry
from installer.model.problems import RackstrapError
from installer.power import make_power
from installer.power.credentials import Credential, make_imported, parse_credentials
from installer.power.ipmi import Ipmi
from installer.power.secrets import load_secret, save_secret


def test_secret_files(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "one"
    save_secret(path, "correct horse")
    assert load_secret(path) == "correct horse"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o640)
    with pytest.raises(RackstrapError, match="is open to other users") as caught:
        load_secret(path)
    assert "horse" not in str(caught.value)
    for content in (b"", b"two\nlines\n", b"\xff\xfe", b"x" * 2000):
        path.chmod(0o600)
        path.write_bytes(content)
        with pytest.raises(RackstrapError):
            load_secret(path)
    with pytest.raises(RackstrapError, match="cannot read the password file"):
        load_secret(tmp_path / "missing")
    os.mkfifo(tmp_path / "fifo", 0o600)
    for place in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(RackstrapError, match="is not a plain file"):
            load_secret(place)


CSV = """serial,address,user,secret,uefi
ABC123,192.168.124.162,admin,secrets/one,yes
"DEF,456",192.168.124.163,admin,secrets/two,no
,192.168.124.162,ad min,x,maybe
GHI,not-an-address,admin,x,
JKL,192.168.124.162,root,/etc/three,
"""


def test_credentials_with_every_problem_on_its_line(tmp_path: Path) -> None:
    found, problems = parse_credentials(CSV, tmp_path / "bmc.csv")
    assert found == (
        Credential("ABC123", "192.168.124.162", "admin", str(tmp_path / "secrets/one"), True, 2),
        Credential("JKL", "192.168.124.162", "root", "/etc/three", False, 6),
    )
    assert [(problem.place.line, problem.message) for problem in problems] == [
        (3, "`DEF,456` is not a serial number"),
        (4, "`ad min` is not a BMC's user name"),
        (4, "`maybe` is not yes or no"),
        (5, "`not-an-address` is not an address"),
        (6, "192.168.124.162 is already on line 2"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the header has no serial, address, user, secret"),
        ("serial,address,user,secret,color\n", 1, "the header's `color` is unknown or there twice"),
        ("serial,address,user,secret\na,192.0.2.1,b\n", 2, "this line has more or fewer fields than the header"),
        ("serial,address,user,secret\na,192.0.2.1,b,c,d,e\n", 2, "this line has more or fewer fields than the header"),
        ("serial,address,user,secret\na,manual:,b,c\n", 2, "`manual:` does not name a machine"),
    ],
)
def test_credentials_that_are_no_table(text: str, line: int, message: str) -> None:
    found, problems = parse_credentials(text, Path("/x/bmc.csv"))
    assert (found, [(one.place.line, one.message) for one in problems]) == ((), [(line, message)])


@given(st.text())
def test_any_text_is_safe_to_parse(text: str) -> None:
    parse_credentials("serial,address,user,secret\n" + text, Path("/x/bmc.csv"))


def test_import_is_all_or_nothing_and_keeps_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "bmc.csv"
    table.write_text("serial,address,user,secret,uefi\nA1,192.0.2.1,admin,pw,yes\nA2,192.0.2.2,admin,missing,no\n")
    save_secret(tmp_path / "pw", "canary-7f3a")
    argv = ["bmc", "import", str(table), "--state", str(tmp_path / "state")]
    assert run(argv) == 1
    assert f"{table}:3:1: cannot read the password file" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    save_secret(tmp_path / "missing", "canary-7f3a")
    assert run(argv) == 0
    assert capsys.readouterr().out == "2 BMCs, 2 new or changed\n"
    assert run(argv) == 0
    assert capsys.readouterr().out == "2 BMCs, 0 new or changed\n"
    with Journal(tmp_path / "state" / "store.db") as journal:
        entry = journal.ledger.bmcs["192.0.2.1"]
        assert entry == BmcEntry("192.0.2.1", "A1", "admin", str(tmp_path / "pw"), uefi=True)
        assert make_power(entry, tmp_path) == Ipmi("192.0.2.1", "admin", tmp_path / "pw")
    for path in (tmp_path / "state").iterdir():
        assert b"canary-7f3a" not in path.read_bytes()


def test_an_imported_event_names_the_file_only() -> None:
    event = make_imported(Credential("A1", "192.0.2.1", "admin", "/s/pw", True, 2))
    data = {"address": "192.0.2.1", "serial": "A1", "user": "admin", "secret": "/s/pw", "uefi": True}
    assert (event.host, dict(event.data)) == ("bmc 192.0.2.1", data)
