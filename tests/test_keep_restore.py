"""What is refused as a backup, and into which folder one is restored: nothing is touched where it must not be."""

from __future__ import annotations

import fcntl
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from installer.engine.journal import Journal
from installer.engine.lock import hold_lock
from installer.keep.age import NotOpenedError
from installer.keep.manifest import Manifest, Member, dump_manifest
from installer.model.problems import RackstrapError
from installer.serve.certificate import load_pin
from tests.kept_state import PASSPHRASE, backup, make_kept_state, read_tree, restore, save_private, seal


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


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_kept_state(tmp_path)


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
