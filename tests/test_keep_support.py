"""The support bundle: every kind of secret planted in every source, and none of them in what comes out."""

from __future__ import annotations

import base64
import io
import json
import lzma
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.keep.bundle import Bundle, make_bundle, make_target, save_bundle
from installer.keep.known import find_in_words, find_secrets
from installer.keep.redact import REMOVED, Redactor
from installer.keep.sources import Command, File, Made, Source, list_sources
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.power.adding import keep_bmc
from installer.serve.certificate import save_certificate
from tests.served_files import SITE, save_state

HASH: Final = "$y$j9T$uC4nAry0Salt/0123456789$CanaryHash.0123456789abcdefghijklmnopqrstuvwxyz"
ROOT_HASH: Final = "$6$rootsalt$CanaryRootHash0123456789abcdefghijklmnopqrstuvwxyz./ABCDEF"
BMC: Final = "bmc Canary\"9 \\ö'&<x"
LIVE: Final = "live-canary-4711"
URL_PASSWORD: Final = "url-canary-pw"
TOKEN: Final = "tok3nCanary0123456789abcdefghij"
SERIAL: Final = "SERIAL-STAYS-0001"
RANDOM: Final = base64.b64encode(bytes(range(7, 250))).decode()
PEM: Final = "\n".join(
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        *(RANDOM[i : i + 70] for i in range(0, len(RANDOM), 70)),
        "-----END OPENSSH PRIVATE KEY-----",
    ]
)
CMDLINE: Final = f"quiet rackstrap.site=https://ops:{URL_PASSWORD}@boot.example/s/{TOKEN}/x.yaml?key={TOKEN}x console=ttyS0"


def plant(text: str) -> str:
    """Text with every known secret in it, as logs, JSON, Python, YAML and command lines show them, and what stays."""
    secrets = (HASH, ROOT_HASH, BMC, LIVE, URL_PASSWORD)
    lines = [text, f"serial {SERIAL} mac 52:54:00:00:00:01 at 192.168.77.81", CMDLINE, PEM, json.dumps({"key": PEM})]
    lines += [f"Nov 21 16:00:00 admin rackstrap[1]: {line}" for line in PEM.splitlines()]
    for one in secrets:
        lines += [f"it said {one} and ended", json.dumps({"a": one}), json.dumps(json.dumps({"a": one})), repr({"b": one})]
        lines += [f"password: {one}", f"c: '{one.replace(chr(39), chr(39) * 2)}'", f"http://x:{quote(one, safe='')}@host/"]
        lines += [one.encode().hex(), base64.b64encode(one.encode()).decode(), base64.b64encode(f"u:{one}".encode()).decode()]
    return "\n".join(lines) + "\n"


def find_canaries() -> set[bytes]:
    """What may be nowhere: each secret and its parts, in some encodings."""
    secrets = (
        HASH,
        ROOT_HASH,
        "Canary",
        LIVE,
        URL_PASSWORD,
        TOKEN,
        "CanaryHash",
        "uC4nAry",
        "live-canary",
        "url-canary",
        "canary-pw",
    )
    whole = {text.encode() for text in secrets} | {text.encode().hex().encode() for text in secrets}
    whole |= {base64.b64encode(text.encode()).rstrip(b"=")[:-1] for text in secrets}
    return whole | {line[:40].encode() for line in PEM.splitlines() if "-----" not in line and len(line) > 40}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's /etc, /proc and /run with secrets in them, and a state folder at /state."""
    root, state = tmp_path / "root", tmp_path / "root/state"
    save_state(state, SITE.replace("$y$j9T$CANARY-password-hash$0123456789012345678901234567890123456789012", HASH))
    save_certificate(state)
    with Journal(state / "store.db") as journal:
        journal.append(keep_bmc(state, {}, "192.168.77.201", "S1", "ADMIN", BMC), durable=True)
        journal.append(
            Event(Happened.STEP_FAILED, "admin", {"name": "x", "id": "1", "attempt": 1, "reason": plant("said")}), durable=True
        )
    files = {
        "etc/shadow": f"root:{ROOT_HASH}:19000:0:99999:7:::\n",
        "etc/ssh/ssh_host_ed25519_key": PEM,
        "etc/os-release": plant("os"),
        "etc/systemd/network/10-rackstrap.network": plant("network"),
        "proc/cmdline": CMDLINE,
        "run/rackstrap/access/password": f"{LIVE}\n",
        "run/rackstrap/notice": plant("notice"),
        "state/run/serve.log": plant("log"),
        "state/run/leases": plant("leases"),
        "state/draft.yaml": plant("draft"),
        "state/network.log": plant("network"),
        "image/manifest.json": plant("manifest"),
        "image/packages.lock": plant("lock"),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def fail() -> str:
    raise ValueError(plant("this is broken"))


def unpack(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_no_secret_is_in_a_bundle_of_a_machine_that_is_full_of_them(root: Path) -> None:
    state = root / "state"
    (root / "said").write_text(plant("said"))
    files = [one for one in list_sources(state, root / "image", root) if not isinstance(one, Command)]
    said: list[Source] = [
        Command("journal/units.txt", ("cat", str(root / "said"))),
        Command("failed.txt", ("sh", "-c", f"cat {root}/said; cat {root}/said >&2; exit 3")),
        Made("made.txt", lambda: plant("made")),
        Made("broken.txt", fail),
    ]
    bundle = make_bundle([*files, *said], Redactor(find_secrets(state, root)))
    out = io.BytesIO()
    save_bundle(out, bundle, "stem", time.time())
    found = unpack(out.getvalue())
    for name in (
        "state/run/serve.log",
        "state/draft.yaml",
        "run/rackstrap/notice",
        "journal/units.txt",
        "failed.txt",
        "events.jsonl",
    ):
        assert SERIAL.encode() in found[name], name
        assert b"52:54:00:00:00:01" in found[name], name
        assert REMOVED in found[name], name
    raw = lzma.decompress(out.getvalue())
    leaks = {(canary, name) for canary in find_canaries() for name, text in {**found, "raw": raw}.items() if canary in text}
    assert leaks == set()
    assert b"broken.txt: ValueError: this is broken" in found["README.txt"]
    events = [json.loads(line) for line in found["events.jsonl"].splitlines()]
    assert [(event["kind"], event["data"].get("serial")) for event in events] == [("bmc_imported", "S1"), ("step_failed", None)]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("password: hunter2 and more", "password: [removed]"),
        ('{"password": "hun\\"ter2", "a": 1}', '{"password": "[removed]", "a": 1}'),
        ('{"password_hash": null, "a": 1}', '{"password_hash": null, "a": 1}'),
        ("{'token': 'x y', 'a': 1}", "{'token': '[removed]', 'a': 1}"),
        ('"{\\"secret\\": \\"x y\\", \\"a\\": 1}"', '"{\\"secret\\": \\"[removed]\\", \\"a\\": 1}"'),
        ("BMC_PASSWORD=hunter2 next", "BMC_PASSWORD=[removed] next"),
        ("SNMP Community String   : public", "SNMP Community String   : [removed]"),
        ("run ipmitool -I lanplus -U u -P hunter2 power", "run ipmitool -I lanplus -U u -P [removed] power"),
        ("curl --token abc https://u:p@h/x?sig=1#f", "curl --token [removed] https://[removed]@h/x?[removed]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [removed]"),
        ("root:$6$abc$0123456789abcdef:1:", "root:[removed]:1:"),
        ("get https://h/a/9f8e7d6c5b4a39281706f5e4d3/x.yaml", "get https://h/a/[removed]/x.yaml"),
        (
            "get https://h/0f3a1c2e-0000-4000-8000-0123456789ab/x.yaml",
            "get https://h/0f3a1c2e-0000-4000-8000-0123456789ab/x.yaml",
        ),
        ("AGE-SECRET-KEY-1QQQQQQQQ", "[removed]"),
        ("Accepted password for root from 1.2.3.4", "Accepted password for root from 1.2.3.4"),
        (f"Serial Number: {SERIAL}", f"Serial Number: {SERIAL}"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMV root@x", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMV root@x"),
    ],
)
def test_what_looks_like_a_secret(text: str, cleaned: str) -> None:
    assert Redactor(()).clean(text.encode()).decode() == cleaned


def test_a_short_secret_goes_where_it_stands_alone() -> None:
    assert Redactor({"root"}).clean(b"login root, rootfs, (root)") == b"login [removed], rootfs, ([removed])"


@pytest.mark.parametrize("cut", [slice(3, None), slice(None, 4)])
def test_a_private_key_that_was_cut_off(cut: slice) -> None:
    text = "before it\n" + "\n".join(PEM.splitlines()[cut]) + "\nafter it all\nend"
    cleaned = Redactor(()).clean(text.encode())
    assert [line for line in PEM.splitlines() if line.encode() in cleaned] == []
    assert cleaned.startswith(b"before it\n")
    assert cleaned.endswith(b"\nend")


def test_a_long_line_does_not_take_long() -> None:
    began = time.monotonic()
    for piece in ("a-", "A1", "password", "https://", "secret: '", "x.y+", "\\\\'", "{", "key=k_", " -"):
        Redactor({"known"}).clean(piece.encode() * (50_000 // len(piece)))
    assert time.monotonic() - began < 5


def test_a_kernel_lines_secrets_are_known() -> None:
    assert find_in_words(CMDLINE) == {URL_PASSWORD, f"{TOKEN}x"}


def test_without_a_state_there_is_a_bundle_that_says_what_is_missing(tmp_path: Path) -> None:
    files = [one for one in list_sources(tmp_path / "none", tmp_path / "no-image") if not isinstance(one, Command)]
    absent = [
        Command("a.txt", ("no-such-program",)),
        Command("b.txt", ("sleep", "9"), 0.1),
        Command("c.txt", ("sh", "-c", "echo x; exit 4")),
    ]
    bundle = make_bundle([*files, *absent, File("d", tmp_path)], Redactor(find_secrets(tmp_path / "none")))
    assert b"Linux" in bundle.members.get("system/version.txt", b"Linux")
    assert bundle.members["c.txt"] == b"x\n"
    missing = dict(bundle.missing)
    assert {missing[name] for name in ("a.txt", "b.txt", "d")} == {
        "no-such-program is not installed",
        "it did not end within 0 s",
        "Is a directory",
    }
    assert "there is no store" in missing["events.jsonl"]
    assert not (tmp_path / "none").exists()


def test_names_and_places(tmp_path: Path) -> None:
    assert make_target("", "stem") == "stem.tar.xz"
    assert make_target(str(tmp_path), "stem") == f"{tmp_path}/stem.tar.xz"
    assert make_target("volume:KEEP", "stem") == "volume:KEEP/stem.tar.xz"
    assert make_target("volume:KEEP/x.tar.xz", "stem") == "volume:KEEP/x.tar.xz"
    with pytest.raises(RackstrapError, match="no name"):
        make_target("bundle.zip", "stem")


def test_the_readme_names_what_is_there_and_what_is_not() -> None:
    out = io.BytesIO()
    save_bundle(out, Bundle({"a.txt": b"a"}, (("b.txt", "it is not installed"),)), "stem", 0.0)
    readme = unpack(out.getvalue())["README.txt"].decode()
    assert "  a.txt\n" in readme
    assert "  b.txt: it is not installed\n" in readme


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    path = tmp_path / "bundle.tar.xz"
    assert run(["support", str(path), "--state", str(tmp_path / "none")]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    told = capsys.readouterr().out
    assert "Taken out: passwords" in told
    assert "plan.json" in told
    listed = subprocess.run(
        ["/usr/bin/env", "-i", "/bin/tar", "tf", str(path)], check=True, capture_output=True, text=True
    ).stdout
    assert listed.splitlines()[0].startswith("rackstrap-support-")
    assert listed.splitlines()[0].endswith("/README.txt")
