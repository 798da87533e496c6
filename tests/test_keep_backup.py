"""A state into a backup and back: whole, encrypted as age does it, and nothing touched where anything is wrong."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pexpect
import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.lock import hold_lock
from installer.keep.age import CHUNK, NotOpenedError, Opener, Sealer
from installer.keep.backup import Made, run_backup
from installer.keep.manifest import Manifest, Member, dump_manifest
from installer.keep.place import open_in, open_out
from installer.keep.restore import Restored, run_restore
from installer.live.volumes import Volume
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.power.adding import keep_bmc
from installer.serve.certificate import load_pin, save_certificate
from tests.served_files import SITE, make_recording, save_image, save_state
from tests.serving import find_program, make_agent, make_segment, serve_argv

PASSPHRASE: Final = "correct horse battery"
QUICK: Final = 4  # log2 of scrypt's cost: nobody attacks these files


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with a site, a certificate, two BMCs' passwords, one of which lies elsewhere, and what is not kept."""
    folder, beside = tmp_path / "state", tmp_path / "beside"
    save_state(folder, SITE + "discovery: {credentials: bmcs.csv}\n")
    save_certificate(folder)
    beside.mkdir()
    save_private(beside / "bmc2.secret", "outside-password\n")
    (beside / "bmcs.csv").write_text("serial,address,user,secret\nS2,192.168.77.202,ADMIN,bmc2.secret\n")
    save_private(folder / "applied/site.yaml", (folder / "site.yaml").read_text())
    save_private(folder / "applied/beside", f"{beside}\n")
    for name in ("run/serve.log", "run/nginx.pid", "apply.lock", "network.json", "log/old", ".draft.new", "tftp/undionly.kpxe"):
        save_private(folder / name, "not kept")
    save_private(folder / "run/nginx.conf", f"ssl_certificate {folder}/tls/cert.pem;\n")
    save_private(folder / "draft.yaml", "draft: 1\n")
    with Journal(folder / "store.db") as journal:
        bmc = keep_bmc(folder, {}, "192.168.77.201", "S1", "ADMIN", "inside-password")
        outside = {
            "address": "192.168.77.202",
            "serial": "S2",
            "user": "ADMIN",
            "secret": str(beside / "bmc2.secret"),
            "uefi": True,
        }
        journal.append(bmc, Event(Happened.BMC_IMPORTED, "bmc 192.168.77.202", outside), durable=True)
        journal.store.put_blob(json.dumps(make_recording()).encode())
    return folder


def save_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def backup(state: Path) -> tuple[bytes, Made]:
    out = io.BytesIO()
    made = run_backup(state, out, PASSPHRASE, work=QUICK)
    return out.getvalue(), made


def restore(content: bytes, state: Path, passphrase: str = PASSPHRASE, *, is_forced: bool = False) -> Restored:
    return run_restore(io.BytesIO(content), passphrase, state, is_forced=is_forced)


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def seal(content: bytes, passphrase: str = PASSPHRASE, work: int = QUICK) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, passphrase, work)
    sealer.write(content)
    sealer.finish()
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200_000])
def test_what_is_sealed_opens_at_every_length(size: int) -> None:
    content = os.urandom(size)
    assert Opener(io.BytesIO(seal(content)), PASSPHRASE).read() == content


def test_age_opens_our_files(tmp_path: Path) -> None:
    content = os.urandom(150_000)
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    ours.write_bytes(seal(content, work=10))
    words = ["-d", "-o", str(plain), str(ours)]
    with closing(pexpect.spawn(find_program("age"), words, timeout=20)) as age:
        age.expect("passphrase: ")
        age.sendline(PASSPHRASE)
        age.expect(pexpect.EOF)
    assert plain.read_bytes() == content


def test_no_bit_can_be_changed_and_no_byte_be_missing() -> None:
    whole = seal(os.urandom(CHUNK + 300))
    head = whole.index(b"---")
    for at in (*range(0, head + 60, 3), head + 61, CHUNK, len(whole) - 1):
        broken = bytearray(whole)
        broken[at] ^= 4
        with pytest.raises(NotOpenedError):
            Opener(io.BytesIO(broken), PASSPHRASE).read()
    for length in (0, 5, head, head + 50, head + 60, head + 100, CHUNK, len(whole) - 300, len(whole) - 317, len(whole) - 1):
        with pytest.raises(NotOpenedError):
            Opener(io.BytesIO(whole[:length]), PASSPHRASE).read()
    with pytest.raises(NotOpenedError):
        Opener(io.BytesIO(whole + b"x"), PASSPHRASE).read()


def test_a_file_that_asks_for_too_much_memory_is_refused() -> None:
    head, _, rest = seal(b"x").partition(b" 4\n")
    with pytest.raises(NotOpenedError, match="1024 MiB of memory"):
        Opener(io.BytesIO(head + b" 20\n" + rest), PASSPHRASE)


def test_the_state_comes_back_whole(state: Path, tmp_path: Path) -> None:
    content, made = backup(state)
    assert made.left_out == ()
    assert (made.manifest.site, made.manifest.address) == ("lab", "192.168.77.10")
    assert b"inside-password" not in content
    new = tmp_path / "other" / "state"
    assert restore(content, new).aside is None
    before, after = read_tree(state), read_tree(new)
    for name in ("site.yaml", "draft.yaml", "applied/site.yaml", "tls/cert.pem", "tls/key.pem", "secrets/bmc-192.168.77.201"):
        assert after[name] == before[name], name
    gone = {"run/serve.log", "run/nginx.pid", "network.json", "log/old", ".draft.new", "tftp/undionly.kpxe"}
    assert gone & after.keys() == set()
    assert after["run/nginx.conf"] == f"ssl_certificate {new}/tls/cert.pem;\n".encode()
    assert {path.stat().st_mode & 0o777 for path in new.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (new, *new.rglob("*")) if path.is_dir()} == {0o700}
    assert [path.name for path in new.parent.iterdir()] == ["state"]
    assert sorted(state.glob(".*")) == [state / ".draft.new"]


def test_passwords_are_found_where_they_are_now(state: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    restore(backup(state)[0], new)
    with Journal(new / "store.db") as journal:
        bmcs = journal.ledger.bmcs
        assert {a: Path(b.secret).read_text().strip() for a, b in bmcs.items()} == {
            "192.168.77.201": "inside-password",
            "192.168.77.202": "outside-password",
        }
        assert {Path(b.secret).parent for b in bmcs.values()} == {new / "secrets"}
        assert (bmcs["192.168.77.202"].serial, bmcs["192.168.77.202"].uefi) == ("S2", True)
    from installer.engine.prepare import load_input

    beside = Path((new / "applied/beside").read_text().strip())
    found = load_input(new / "site.yaml", beside)
    assert [event.data["secret"] for event in found.bmcs] == [str(beside / "../../secrets/bmc-192.168.77.202")]
    assert not [problem for problem in found.problems if "secret" in problem.message or "csv" in str(problem.place)]


def test_a_store_that_is_written_to_meanwhile_is_not_torn(state: Path, tmp_path: Path) -> None:
    is_over = threading.Event()
    with Journal(state / "store.db") as journal:

        def write() -> None:
            number = 0
            while not is_over.is_set():
                number += 1
                journal.append(
                    Event(Happened.SERVICE_STARTED, "admin", {"name": f"s{number}", "digest": "d" * 4000}), durable=True
                )

        writer = threading.Thread(target=write)
        writer.start()
        try:
            contents = [backup(state)[0] for _ in range(3)]
        finally:
            is_over.set()
            writer.join()
        whole = [event.data for event in journal.store.read()]
    for number, content in enumerate(contents):
        restore(content, tmp_path / str(number))
        with Journal(tmp_path / str(number) / "store.db") as journal:
            kept = [event.data for event in journal.store.read() if event.kind == Happened.SERVICE_STARTED]
        assert kept == [data for data in whole if "digest" in data][: len(kept)]


def test_a_link_in_the_state_is_told_and_not_followed(state: Path) -> None:
    (state / "link.yaml").symlink_to("/etc/shadow")
    made = backup(state)[1]
    assert len(made.left_out) == 1
    assert "link.yaml" in made.left_out[0]
    assert "state/link.yaml" not in {member.name for member in made.manifest.members}


def test_an_installed_admin_nodes_own_files_are_a_part_by_themselves(state: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc/ssh").mkdir(parents=True)
    save_private(root / "etc/ssh/ssh_host_ed25519_key", "host key")
    save_private(root / "etc/ssh/sshd_config", "not ours")
    out = io.BytesIO()
    run_backup(state, out, PASSPHRASE, root, work=QUICK)
    restore(out.getvalue(), tmp_path / "new")
    assert read_tree(tmp_path / "new/host") == {"etc/ssh/ssh_host_ed25519_key": b"host key"}


def make_tar(change: Callable[[tarfile.TarFile, Manifest], None], **manifest: Any) -> bytes:
    """A sealed tar with the manifest of one file, and whatever `change` adds behind it."""
    out = io.BytesIO()
    member = Member("state/site.yaml", 4, sha256(b"text").hexdigest())
    made = replace(Manifest("0.0.1", "lab", "192.168.77.10", "/var/lib/rackstrap", "2026-11-21", (member,)), **manifest)
    with tarfile.open(fileobj=out, mode="w|gz") as tar:
        add(tar, "manifest.json", dump_manifest(made))
        change(tar, made)
    return seal(out.getvalue())


def add(tar: tarfile.TarFile, name: str, content: bytes = b"text", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content) if kind == tarfile.REGTYPE else 0, kind, link
    tar.addfile(info, io.BytesIO(content))


def nothing(_tar: tarfile.TarFile, _manifest: Manifest) -> None:
    pass


def add_two(tar: tarfile.TarFile, _manifest: Manifest) -> None:
    add(tar, "state/site.yaml")
    add(tar, "state/more")


HOSTILE: Final[dict[str, tuple[bytes, str]]] = {
    "a link": (make_tar(lambda t, _: add(t, "state/site.yaml", kind=tarfile.SYMTYPE, link="/etc/shadow")), "no plain file"),
    "a hard link": (make_tar(lambda t, _: add(t, "state/site.yaml", kind=tarfile.LNKTYPE, link="/etc/shadow")), "no plain file"),
    "a device": (make_tar(lambda t, _: add(t, "state/site.yaml", kind=tarfile.BLKTYPE)), "no plain file"),
    "a long name's header": (make_tar(lambda t, _: add(t, "state/" + "x" * 300)), "no plain file"),
    "another name": (make_tar(lambda t, _: add(t, "../site.yaml")), "does not hold"),
    "another content": (make_tar(lambda t, _: add(t, "state/site.yaml", b"tex_")), "site.yaml in it is damaged"),
    "another size": (make_tar(lambda t, _: add(t, "state/site.yaml", b"texts")), "does not hold"),
    "a file less": (make_tar(nothing), "does not hold"),
    "a file more": (make_tar(add_two), "holds more"),
    "a name that climbs": (make_tar(nothing, members=(Member("state/../x", 1, "0" * 64),)), "manifest is damaged"),
    "an absolute name": (make_tar(nothing, members=(Member("/etc/x", 1, "0" * 64),)), "manifest is damaged"),
    "a name twice": (make_tar(nothing, members=(Member("state/x", 1, "0" * 64),) * 2), "manifest is damaged"),
    "a file as a folder": (
        make_tar(nothing, members=(Member("state/x", 1, "0" * 64), Member("state/x/y", 1, "0" * 64))),
        "manifest is damaged",
    ),
    "too much": (make_tar(nothing, members=tuple(Member(f"state/{n}", 2**36, "0" * 64) for n in range(999))), "has room for"),
    "a negative size": (make_tar(nothing, members=(Member("state/x", -1, "0" * 64),)), "manifest is damaged"),
    "a later release": (make_tar(nothing, release="999.1"), "release 999.1 wrote it"),
    "no backup": (seal(b"anything else"), "damaged"),
    "no age file": (b"PK\x03\x04 something else", "not a file that age"),
    "an empty file": (b"", "not a file that age"),
    "a file for a key": (b"age-encryption.org/v1\n-> X25519 abc\n", "not encrypted with a passphrase"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_backup_changes_nothing(name: str, state: Path) -> None:
    content, words = HOSTILE[name]
    before = read_tree(state.parent)
    with pytest.raises(RackstrapError, match=words) as caught:
        restore(content, state, is_forced=True)
    assert caught.value.exit_code == 2
    assert read_tree(state.parent) == before


def test_a_wrong_passphrase_or_a_cut_file_changes_nothing(state: Path) -> None:
    content, _ = backup(state)
    before = read_tree(state.parent)
    for bad, passphrase, words in (
        (content, "another passphrase", "passphrase is not the one"),
        (content[:-1], PASSPHRASE, "damaged"),
        (content[: len(content) // 2], PASSPHRASE, "damaged"),
        (content[:-40] + bytes([content[-40] ^ 1]) + content[-39:], PASSPHRASE, "damaged"),
    ):
        with pytest.raises(NotOpenedError, match=words):
            restore(bad, state, passphrase, is_forced=True)
        assert read_tree(state.parent) == before


def test_a_folder_in_use_or_with_a_site_is_refused(state: Path) -> None:
    content, _ = backup(state)
    with pytest.raises(RackstrapError, match="holds a site already"):
        restore(content, state)
    with hold_lock(state), pytest.raises(RackstrapError, match="applies a site"):
        restore(content, state, is_forced=True)
    with (state / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        with pytest.raises(RackstrapError, match="process 4711 serves"):
            restore(content, state, is_forced=True)
    with (state / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RackstrapError, match="is in use"):
            restore(content, state, is_forced=True)


def test_force_keeps_what_was_there(state: Path) -> None:
    content, _ = backup(state)
    (state / "site.yaml").write_text("something newer")
    aside = restore(content, state, is_forced=True).aside
    assert aside is not None
    assert aside.parent == state.parent
    assert (aside / "site.yaml").read_text() == "something newer"
    assert load_pin(state) == load_pin(aside)
    assert (state / "network.json").read_text() == "not kept"  # this machine's own


def test_a_live_boots_empty_state_needs_no_force(state: Path, tmp_path: Path) -> None:
    live = tmp_path / "live"
    Journal(live / "store.db").close()
    save_private(live / "run/tui.log", "a session has begun")
    assert restore(backup(state)[0], live).aside is not None
    assert (live / "site.yaml").exists()


def test_the_verbs_on_files(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, file, new = tmp_path / "words", tmp_path / "b.age", tmp_path / "new"
    save_private(words, f"{PASSPHRASE}\n")
    named = ["--passphrase-file", str(words)]
    assert run(["backup", str(file), "--state", str(state), *named]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    file.write_bytes(backup(state)[0])  # as good, and opened sooner
    assert run(["restore", str(file), "--state", str(new), *named]) == 0
    told = capsys.readouterr()
    assert "rackstrap serve --detach" in told.out
    assert PASSPHRASE not in told.out + told.err
    save_private(words, "wrong passphrase\n")
    assert run(["restore", str(file), "--state", str(tmp_path / "third"), *named]) == 2
    assert "nothing was changed" in capsys.readouterr().err
    words.chmod(0o644)
    assert run(["restore", str(file), "--state", str(tmp_path / "third"), *named]) == 2
    assert run(["restore", str(tmp_path), "--state", str(tmp_path / "third"), *named]) == 2
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize(
    ("words", "target", "told"),
    [
        ("short", "b.age", "fewer than 8"),
        (PASSPHRASE, "no/folder/b.age", "no folder"),
        (PASSPHRASE, "state/b.age", "in the folder that is kept"),
        (PASSPHRASE, "/dev/null", "no plain file"),
    ],
)
def test_a_refused_backup_leaves_no_file(
    words: str, target: str, told: str, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_private(tmp_path / "words", words)
    before = sorted(tmp_path.rglob("*"))
    assert run(["backup", str(tmp_path / target), "--state", str(state), "--passphrase-file", str(tmp_path / "words")]) == 2
    assert told in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_too_little_room_is_told_before_anything_is_written(state: Path) -> None:
    out = io.BytesIO()
    with pytest.raises(RackstrapError, match=r"may take .* there is room for 50 kB"):
        run_backup(state, out, PASSPHRASE, room=50_000, work=QUICK)
    assert out.getvalue() == b""


def test_an_old_backup_stays_when_a_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "b.age"
    path.write_bytes(b"the old one")

    def write_half() -> None:
        with open_out(str(path)) as (out, _):
            out.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(RackstrapError, match="No space"):
        write_half()
    assert read_tree(tmp_path) == {"b.age": b"the old one"}


def test_a_terminal_is_asked_twice_without_echo(state: Path, tmp_path: Path) -> None:
    import sys

    words = ["-m", "installer.cli", "backup", str(tmp_path / "b.age"), "--state", str(state)]
    with closing(pexpect.spawn(sys.executable, words, timeout=20)) as asked:
        asked.expect("passphrase .8 characters or more.: ")
        asked.sendline(PASSPHRASE)
        asked.expect("the same again: ")
        asked.sendline("another passphrase")
        asked.expect(pexpect.EOF)
        asked.wait()
        said = asked.before or b""
        assert b"differ" in said
        assert PASSPHRASE.encode() not in said
        assert asked.exitstatus == 2
    assert not (tmp_path / "b.age").exists()


def test_a_volume_is_written_and_read_without_mounting(tmp_path: Path) -> None:
    image = tmp_path / "stick.img"
    subprocess.run(["truncate", "--size=4M", str(image)], check=True)
    subprocess.run(["mkfs.vfat", "-n", "KEEP", str(image)], check=True, capture_output=True)
    volumes = (Volume(str(image), "a stick", "vfat", "KEEP"),)
    for content in (b"first" * 1000, b"second" * 1000):
        with open_out("volume:keep/backup-of-lab.age", find=lambda: volumes) as (out, room):
            assert 3_000_000 < room < 4_200_000
            out.write(content)
        with open_in("volume:KEEP/backup-of-lab.age", find=lambda: volumes) as file:
            assert file.read() == content
    listed = subprocess.run(["mdir", "-b", "-i", str(image), "::/"], check=True, capture_output=True, text=True).stdout
    assert listed.split() == ["::/backup-of-lab.age"]
    with pytest.raises(RackstrapError, match="too little room"), open_out("volume:KEEP/c.age", find=lambda: volumes) as (out, _):
        out.write(bytes(5_000_000))
    with pytest.raises(RackstrapError, match="more than one"), open_out("volume:KEEP/c", find=lambda: volumes * 2):
        pass


def test_a_node_that_was_enrolled_is_accepted_after_the_move(tmp_path: Path) -> None:
    from installer.render.services import render_dnsmasq, render_nginx
    from installer.serve.place import make_place
    from tests.served_files import save_files
    from tests.serving import NODES, wait_for

    old, new, image = tmp_path / "old", tmp_path / "new", tmp_path / "image"
    save_image(image)
    site = save_state(old)
    place = make_place(old, image, "adm0")
    save_files({**render_dnsmasq(site, place, NODES), **render_nginx(site, place)})

    def serve(folder: Path, word: str) -> None:
        words = [*serve_argv(segment, folder, image, "--interface", "adm0"), word]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def is_up(folder: Path) -> bool:
        with Journal(folder / "store.db") as journal:
            return set(journal.ledger.services) == {"dnsmasq", "nginx"}

    with make_segment() as segment:
        agent = make_agent(segment, tmp_path / "agent")
        stranger = make_agent(segment, tmp_path / "stranger")
        serve(old, "--detach")
        try:
            wait_for(lambda: is_up(old), "both services")
            body = {"recording": make_recording(), "mac": "52:54:00:00:00:01", "boot_id": "boot-1"}
            machine = agent.ask("POST", "/agent/enrol", body).json()["machine"]
            content, _ = backup(old)  # while it serves
        finally:
            serve(old, "--stop")
        subprocess.run(["rm", "-rf", str(old)], check=True)
        restore(content, new)
        assert load_pin(new) == place.pin
        serve(new, "--detach")
        try:
            wait_for(lambda: is_reachable(agent), "the restored node to serve")
            assert agent.ask("GET", "/agent/order?wait=0").status == 200
            assert stranger.ask("GET", "/agent/order?wait=0").status != 200
            with Journal(new / "store.db") as journal:
                assert journal.ledger.machines[machine].key == agent.fingerprint
        finally:
            serve(new, "--stop")


def is_reachable(agent: Any) -> bool:
    try:
        return bool(agent.ask("GET", "/agent/order?wait=0").status)
    except OSError:
        return False
