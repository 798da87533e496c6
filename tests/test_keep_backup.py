"""A state into a backup and back: whole, readable by the verbs, and accepted by the nodes."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pexpect
import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.keep.backup import run_backup
from installer.keep.place import open_in, open_out
from installer.live.volumes import Volume
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.render.services import render_dnsmasq, render_nginx
from installer.serve.certificate import load_pin
from installer.serve.place import make_place
from tests.fat_volumes import make_fat
from tests.kept_state import PASSPHRASE, QUICK, backup, make_kept_state, read_tree, restore, save_private
from tests.served_files import make_recording, save_files, save_image, save_state
from tests.serving import NODES, make_agent, make_segment, serve_argv, wait_for


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_kept_state(tmp_path)


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
    image = make_fat(tmp_path / "stick.img", "KEEP", size_bytes=4 << 20)
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
