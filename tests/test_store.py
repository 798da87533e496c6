"""The store: what survives what, who sees what, and what is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.store import Store
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from installer.engine.store import Store
from installer.model.events import Event, Happened

host = sys.argv[2]
with Store(Path(sys.argv[1]), who=host) as store:
    for n in range(int(sys.argv[3])):
        for part in range(5):
            store.append(Event(Happened.STEP_WAITED, host, {"name": "count", "for": str(n * 6 + part)}))
        store.append(Event(Happened.STEP_WAITED, host, {"name": "count", "for": str(n * 6 + 5)}), durable=True)
        print(n * 6 + 5, flush=True)
"""


def _event(host: str = "node1", text: str = "x") -> Event:
    return Event(Happened.STEP_WAITED, host, {"name": "boot", "for": text})


def _writer(path: Path, host: str, rounds: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITE_FOR_EVER, str(path), host, str(rounds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _numbers(store: Store, host: str) -> list[int]:
    return [int(event.data["for"]) for event in store.read() if event.host == host]


def test_durable_append_is_stamped_and_numbered(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db", who="root@test") as store:
        first, second = store.append(_event(text="a"), _event(text="b"), durable=True)
        assert (first.id, second.id) == (1, 2)
        assert first.who == "root@test"
        assert abs(first.at - time.time()) < 5
        assert store.read() == [first, second]
        assert store.read(1) == [second]


def test_other_events_are_committed_within_50_ms(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store, Store(tmp_path / "store.db") as other:
        store.append(_event())
        time.sleep(0.05 + 0.2)  # the promise, and room for a busy machine
        assert len(other.read()) == 1


def test_close_commits_what_is_queued(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    store.append(*[_event(text=str(n)) for n in range(100)])
    store.close()
    with Store(tmp_path / "store.db") as again:
        assert _numbers(again, "node1") == list(range(100))


def test_a_durable_event_takes_those_before_it_along(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.append(_event(text="0"))
        store.append(_event(text="1"), durable=True)
        assert _numbers(store, "node1") == [0, 1]


def test_sigkill_loses_no_durable_event_and_leaves_a_prefix(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for attempt in range(3):
        host = f"killed{attempt}"
        process = _writer(path, host, 1_000_000)
        assert process.stdout is not None
        lines = [int(process.stdout.readline()) for _ in range(20 + attempt * 37)]
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().splitlines()]
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        promised = (lines + rest)[-1]
        with Store(path) as store:
            found = _numbers(store, host)
        assert found == list(range(len(found)))
        assert len(found) > promised


def test_two_processes_append_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    processes = [_writer(path, host, 100) for host in ("left", "right")]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with Store(path) as store:
        events = store.read()
        assert [event.id for event in events] == list(range(1, 1201))
        assert _numbers(store, "left") == list(range(600))
        assert _numbers(store, "right") == list(range(600))


def test_threads_share_a_store(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        threads = [
            threading.Thread(target=lambda n=n: [store.append(_event(f"t{n}", str(i)), durable=i % 10 == 0) for i in range(50)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.flush()
        for n in range(8):
            assert _numbers(store, f"t{n}") == list(range(50))


def test_data_version_shows_that_someone_wrote(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store, Store(tmp_path / "store.db") as other:
        before = store.data_version()
        assert store.data_version() == before
        other.append(_event(), durable=True)
        assert store.data_version() != before


def test_file_and_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "store.db"
    with Store(path) as store:
        store.append(_event(), durable=True)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_blobs_are_kept_once_and_compressed(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        content = b"0123456789" * 100_000
        key = store.put_blob(content)
        assert store.put_blob(content) == key
        assert store.blob(key) == content
        assert (tmp_path / "store.db-wal").stat().st_size < len(content) / 4
        with pytest.raises(RackstrapError, match="holds no blob"):
            store.blob("0" * 64)


def test_progress_is_one_row_per_host(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        for percent in (1, 30, 61):
            store.set_progress("node1", "unpack", percent, "of 900 MB")
        store.set_progress("node2", "format", 5)
        store.flush()
        rows = store.progress()
        assert [(row.stage, row.percent, row.text) for row in rows.values()] == [("unpack", 61, "of 900 MB"), ("format", 5, "")]
        assert store.read() == []


def test_what_is_not_json_is_refused_where_it_was_written(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        with pytest.raises(TypeError):
            store.append(Event(Happened.STEP_WAITED, "a", {"for": object()}))
        with pytest.raises(ValueError, match="Out of range"):
            store.append(Event(Happened.STEP_DONE, "a", {"seconds": float("nan")}))
        store.append(_event(), durable=True)
        assert len(store.read()) == 1


def test_an_event_kind_of_a_later_release_is_passed_over(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.append(_event(text="0"), durable=True)
        with sqlite3.connect(tmp_path / "store.db") as raw:
            raw.execute("INSERT INTO events VALUES (2, 1.0, 'x', 'moon_landed', 'a', '{}')")
        raw.close()
        store.append(_event(text="1"), durable=True)
        assert [event.id for event in store.read()] == [1, 3]


def test_a_foreign_or_damaged_or_newer_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is longer than a header of one hundred bytes" * 4)
    with pytest.raises(RackstrapError, match="is not a store, or is damaged"):
        Store(tmp_path / "text.db")
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE songs (id INTEGER)")
    foreign.close()
    with pytest.raises(RackstrapError, match="another program's database"):
        Store(tmp_path / "foreign.db")
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(0o755)
    content = (tmp_path / "foreign.db").rename(other / "store.db").read_bytes()
    (other / "store.db").chmod(0o644)
    with pytest.raises(RackstrapError, match="another program's database"):
        Store(other / "store.db")
    assert (other / "store.db").read_bytes() == content
    assert [stat.S_IMODE(path.stat().st_mode) for path in (other, other / "store.db")] == [0o755, 0o644]
    Store(tmp_path / "new.db").close()
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(RackstrapError, match="schema 99"):
        Store(tmp_path / "new.db")


def test_a_shared_folder_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(RackstrapError, match="belongs to others"):
        Store(shared / "store.db")


def test_a_folder_with_something_else_in_it_is_not_closed_to_others(tmp_path: Path) -> None:
    shared = tmp_path / "srv"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "letters").mkdir()
    with pytest.raises(RackstrapError, match="belongs to others"):
        Store(shared / "store.db")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert [path.name for path in shared.iterdir()] == ["letters"]
    (shared / "letters").rename(shared / "run")
    Store(shared / "store.db").close()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700


def test_opening_at_once_from_many_processes_makes_one_store(tmp_path: Path) -> None:
    processes = [_writer(tmp_path / "store.db", f"p{n}", 3) for n in range(6)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with Store(tmp_path / "store.db") as store:
        assert len(store.read()) == 6 * 18


def test_journal_follows_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Journal(path) as journal, Store(path) as other:
        assert journal.refresh() is False
        other.append(Event(Happened.SITE_APPLIED, "admin", {"sha256": "abc", "name": "lab"}), durable=True)
        assert journal.refresh() is True
        assert journal.ledger.site_sha256 == "abc"
        assert [event.kind for event in journal.recent] == [Happened.SITE_APPLIED]


@pytest.mark.parametrize("content", [b'"nonsense"', b"[" * 200_000, b"\xff"])
def test_a_recording_that_cannot_be_read_is_no_machine(tmp_path: Path, content: bytes) -> None:
    with Journal(tmp_path / "store.db") as journal:
        key = journal.store.put_blob(content)
        data = {"recording": key, "code": "ABCD-EFGH", "key": "ff"}
        journal.append(Event(Happened.MACHINE_DISCOVERED, "m1", data), durable=True)
        journal.refresh()
        assert journal.ledger.machines["m1"].recording == key
        assert journal.machines() == {}


def test_a_full_disk_stops_the_process_that_cannot_journal(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.append(_event(), durable=True)
    script = WRITE_FOR_EVER.replace("import sys\n", "import resource, signal, sys\n", 1)
    limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    script = script.replace("host = ", limit + "host = ", 1)
    argv = [sys.executable, "-c", script, str(tmp_path / "store.db"), "full", "1000000"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    with Store(tmp_path / "store.db") as store:
        found = _numbers(store, "full")
        assert found[: len(done.stdout.splitlines()) * 6] == list(range(len(done.stdout.splitlines()) * 6))
