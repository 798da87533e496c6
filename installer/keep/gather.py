"""What of a state folder, and of an installed admin node, goes into a backup. Reading changes nothing."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.keep.manifest import is_admitted
from installer.model.problems import RackstrapError

if TYPE_CHECKING:
    from installer.model.ledger import Ledger

STORE: Final = "store.db"
BESIDE: Final = "applied/beside.d"  # the CSV of BMCs, where a restored site file finds it
MOST_FILE_BYTES: Final = 64 * 2**20
# Of this machine and this moment only, or made again: locks, logs, sockets, loaders, the change of a network that waits.
LEFT_OUT: Final = frozenset({
    "apply.lock", "serve.lock", "install.lock", "network.lock", "network.json", "network.log", "log", "run", "tftp", "host",
    STORE, f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal",
})  # fmt: skip
# … but what is served from there, until the next apply has written it again.
TAKEN: Final = ("run/dnsmasq.conf", "run/nginx.conf", "run/hosts", "run/wanted/site.yaml", "tftp/grub/grub.cfg")
HOST_FILES: Final = (
    "etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_*_key.pub", "etc/rackstrap/*.json", "etc/hostname",
    "etc/systemd/network/*", "root/.ssh/authorized_keys",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gathered:
    """`files`: member name -> content; `store`: a copy of the store that no running process tears, None without one.

    `left_out`: what looked like part of the state and could not be taken, with the reason.
    """

    files: dict[str, bytes]
    store: Path | None
    left_out: tuple[str, ...]


def gather_state(state: Path, scratch: Path, root: Path | None = None) -> Gathered:
    """Everything that a backup of this folder holds. The store is copied into `scratch`, before all else.

    `root`: the filesystem of an installed admin node, whose own files are taken too. Raises RackstrapError.
    """
    store = copy_store(state / STORE, scratch / STORE) if (state / STORE).exists() else None
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    places = [(f"state/{path.relative_to(state)}", path) for path in find_files(state)]
    places += [(f"host/{path.relative_to(root)}", path) for path in find_host_files(root)] if root else []
    for name, path in places:
        try:
            content = read_plain(path)
        except FileNotFoundError:
            continue  # replaced or gone since it was listed
        except OSError as error:
            raise RackstrapError(f"cannot read {path}: {error.strerror}", "run as root") from error
        if content is None or not is_admitted(name):
            left_out.append(f"{path}: not a plain file with a plain name, or larger than {MOST_FILE_BYTES // 2**20} MiB")
        else:
            files[name] = content
    if store is not None:
        add_outside(files, left_out, state, store)
    return Gathered(files, store, tuple(left_out))


def copy_store(source: Path, target: Path) -> Path:
    """The store at one moment, by SQLite's backup API: whoever writes to it meanwhile neither waits nor tears it."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            target.chmod(0o600)
            old.backup(new)
            found = new.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise RackstrapError(f"the store {source} cannot be copied: {error}", "is it damaged, or its disk full?") from error
    if found != ("ok",):
        raise RackstrapError(f"the store {source} is damaged: {found[0]}", "`rackstrap support` helps whoever looks at it")
    return target


def find_files(state: Path) -> Iterator[Path]:
    """The files of a state folder that are kept, in order; links are given as they are, not followed."""
    for folder, folders, names in os.walk(state):
        here = Path(folder)
        if here == state:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / n for n in sorted(names) if not n.startswith(".") and (here != state or n not in LEFT_OUT))
    yield from (state / name for name in TAKEN if (state / name).is_file())


def find_host_files(root: Path) -> Iterator[Path]:
    """The installed admin node's own: SSH host keys, name and network."""
    for pattern in HOST_FILES:
        yield from (path for path in sorted(root.glob(pattern)) if path.is_file())


def read_plain(path: Path) -> bytes | None:
    """The content of a plain file; None for anything else, and for one that is too large. Raises OSError."""
    if path.is_symlink():
        return None
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        content = file.read(MOST_FILE_BYTES + 1)
    return content if len(content) <= MOST_FILE_BYTES else None


def add_outside(files: dict[str, bytes], left_out: list[str], state: Path, store: Path) -> None:
    """Passwords of BMCs that lie outside of the state folder, and the CSV that names them.

    They go to where `rackstrap bmc import` would have kept them; the restored store and CSV name them there.
    """
    for address, path in find_outside(load_ledger(store), state):
        try:
            content = read_plain(path)
        except OSError as error:
            left_out.append(f"{path}: {error.strerror}; `rackstrap bmc import` it again after a restore")
            continue
        if content is not None:
            files[f"state/{make_secret_name(address)}"] = content
    add_csv(files, left_out)


def add_csv(files: dict[str, bytes], left_out: list[str]) -> None:
    """The CSV that the applied site file names, with the passwords' new places."""
    from installer.power.credentials import load_credentials
    from installer.site.load import parse_site

    text, beside = files.get("state/applied/site.yaml"), files.get("state/applied/beside", b"").decode(errors="replace").strip()
    site = parse_site(text, "site.yaml").site if text else None
    name = str(site.discovery.credentials or "") if site is not None else ""
    member = f"state/{BESIDE}/{name}"
    if not name or member in files:
        return
    try:
        rows, _ = load_credentials(Path(beside) / name, needs_secrets=False)
    except RackstrapError as error:
        left_out.append(error.message)
        return
    if not is_admitted(member):
        left_out.append(f"{name}: put it there again after a restore, before the site file is applied")
        return
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("serial", "address", "user", "secret", "uefi"))
    up = "../" * (member.count("/") - 1)
    for row in rows:
        secret = f"{up}{make_secret_name(row.address)}" if row.secret else ""
        table.writerow((row.serial, row.address, row.user, secret, "yes" if row.uefi else "no"))
    files[member] = out.getvalue().encode()


def load_ledger(store: Path) -> Ledger:
    """The ledger of a store that nobody else uses."""
    from installer.engine.journal import Journal

    with Journal(store) as journal:
        return journal.ledger


def find_outside(ledger: Ledger, state: Path) -> Iterator[tuple[str, Path]]:
    """(BMC's address, password file) of those that do not lie in the folder."""
    for address, entry in sorted(ledger.bmcs.items()):
        path = Path(entry.secret)
        if entry.secret and not path.is_relative_to(state):
            yield address, path


def make_secret_name(address: str) -> str:
    """Where the password of the BMC at this address is kept, from the state folder: as `rackstrap bmc` names it."""
    return f"secrets/bmc-{address.replace(':', '_')}"
