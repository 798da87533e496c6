"""dnsmasq and nginx under `rackstrap serve`: started again, changed, refused, and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from installer.model.events import Event, Happened
from installer.model.network import NamedAddress
from installer.render.services import make_digest, render_dnsmasq, render_nginx
from installer.serve.verbs import find_serving
from tests.served_files import save_files, save_image, save_state
from tests.serving import NODES, Admin, ask_plain, make_admin, make_segment, serve_argv, wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with make_admin(tmp_path_factory.mktemp("daemons")) as admin:
        yield admin


@pytest.fixture
def admin(running: Admin) -> Admin:
    """Serving, both programs up, on the first configuration; started anew when the test before has stopped it."""
    save_files({**render_dnsmasq(running.site, running.place, NODES), **render_nginx(running.site, running.place)})
    started = running.serve("--interface", "adm0", "--detach")
    assert started.returncode == 0, started.stderr
    digests = {
        "dnsmasq": make_digest(render_dnsmasq(running.site, running.place, NODES)),
        "nginx": make_digest(render_nginx(running.site, running.place)),
    }
    running.has(lambda: running.journal.ledger.services == digests, "both on their first configuration")
    return running


def load_pid(admin: Admin, name: str) -> int:
    """0 while it starts anew."""
    path = admin.state / f"run/{name}.pid"
    return int(path.read_text().strip() or 0) if path.exists() else 0


def list_reasons(admin: Admin, name: str, since: int) -> list[str]:
    """Why the program stopped, after the event with this id."""
    events = admin.journal.store.read(since)
    return [e.data["reason"] for e in events if e.kind is Happened.SERVICE_STOPPED and e.data["name"] == name]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("name", ["dnsmasq", "nginx"])
def test_a_program_that_dies_is_started_again_and_told(admin: Admin, name: str) -> None:
    pid, since = load_pid(admin, name), admin.journal.ledger.seq
    os.kill(pid, signal.SIGKILL)
    admin.has(lambda: bool(list_reasons(admin, name, since)) and load_pid(admin, name) not in {0, pid}, f"{name} again")
    admin.has(lambda: name in admin.journal.ledger.services, f"{name} told")
    assert [reason.partition(":")[0] for reason in list_reasons(admin, name, since)] == ["it ended with -9"]
    assert ask_plain(admin.segment, "/image/vmlinuz").status == 200


def test_changed_files_reach_the_program_they_belong_to(admin: Admin) -> None:
    since = admin.journal.ledger.seq
    dnsmasq, nginx = load_pid(admin, "dnsmasq"), load_pid(admin, "nginx")
    more = [*NODES, NamedAddress("node2", "192.168.77.82", "")]
    files = render_dnsmasq(admin.site, admin.place, more)
    save_files(files)
    admin.has(lambda: admin.journal.ledger.services.get("dnsmasq") == make_digest(files), "the new names")
    assert load_pid(admin, "dnsmasq") == dnsmasq  # read again, without a new start
    ask = ["busybox", "nslookup", "node2.lab.example", str(admin.site.admin.address)]
    answer = subprocess.run(
        admin.segment.inside(admin.segment.rack, *ask), capture_output=True, text=True, check=False, timeout=20
    )
    assert "192.168.77.82" in answer.stdout

    site = replace(admin.site, domain="other.example")
    files = render_dnsmasq(site, admin.place, more)
    save_files(files)
    admin.has(lambda: admin.journal.ledger.services.get("dnsmasq") == make_digest(files), "the new domain")
    assert load_pid(admin, "dnsmasq") != dnsmasq
    assert load_pid(admin, "nginx") == nginx
    assert list_reasons(admin, "dnsmasq", since) == []


def test_a_configuration_that_its_program_refuses_changes_nothing(admin: Admin) -> None:
    pid, since = load_pid(admin, "nginx"), admin.journal.ledger.seq
    good = render_nginx(admin.site, admin.place)
    path = next(iter(good))
    save_files({path: good[path] + "nonsense;\n"})
    admin.has(lambda: bool(list_reasons(admin, "nginx", since)), "the refusal")
    reason = list_reasons(admin, "nginx", since)[0]
    assert reason.startswith("it refuses its configuration: ")
    assert reason.endswith("; it still runs on the one before")
    admin.has(lambda: admin.journal.ledger.services.get("nginx") == make_digest(good), "the old digest")
    assert (load_pid(admin, "nginx"), ask_plain(admin.segment, "/image/vmlinuz").status) == (pid, 200)
    save_files({path: good[path] + "# another\n"})
    admin.has(lambda: load_pid(admin, "nginx") not in {0, pid}, "the next one")


def test_its_programs_end_with_it_however_it_ends(admin: Admin) -> None:
    serving = find_serving(admin.state)
    programs = [load_pid(admin, "dnsmasq"), load_pid(admin, "nginx")]
    os.kill(serving, signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, programs)), "the end of its programs")
    wait_for(lambda: find_serving(admin.state) == 0, "the end of its last thread, which holds the lock")
    again = admin.serve("--interface", "adm0", "--detach")
    assert again.returncode == 0, again.stderr
    assert find_serving(admin.state) not in {0, serving}
    admin.has(lambda: not any(load_pid(admin, name) in {0, *programs} for name in ("dnsmasq", "nginx")), "new programs")


def test_a_second_one_is_refused_and_detaching_twice_is_one(admin: Admin) -> None:
    serving = find_serving(admin.state)
    second = admin.serve("--interface", "adm0")
    assert (second.returncode, second.stderr.splitlines()[0]) == (2, "rackstrap: another process serves this already")
    assert admin.serve("--interface", "adm0", "--detach").returncode == 0
    assert find_serving(admin.state) == serving


def test_stopping_tells_and_leaves_nothing(admin: Admin) -> None:
    programs = [load_pid(admin, "dnsmasq"), load_pid(admin, "nginx")]
    assert admin.serve("--stop").returncode == 0
    assert not any(map(is_alive, programs))
    admin.journal.refresh()
    assert admin.journal.ledger.services == {}
    assert not (admin.state / "run/serve.ready").exists()
    shown = subprocess.run(
        ["ip", "-n", admin.segment.admin, "-6", "addr", "show", "dev", "adm0"], capture_output=True, text=True, check=True
    )
    assert "inet6 fd" not in shown.stdout
    assert admin.serve("--stop").returncode == 0


def test_its_files_are_for_root_alone(admin: Admin) -> None:
    modes = {name: (admin.state / name).stat().st_mode & 0o777 for name in ("tls", "tls/key.pem", "run", "site.yaml", ".")}
    assert modes == {"tls": 0o700, "tls/key.pem": 0o600, "run": 0o700, "site.yaml": 0o600, ".": 0o700}


def test_without_a_site_it_says_what_to_do(tmp_path: Path) -> None:
    save_image(tmp_path / "image")
    with make_segment() as segment:
        argv = serve_argv(segment, tmp_path / "state", tmp_path / "image", "--detach")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no site is applied in" in done.stderr
    assert "rackstrap apply SITE" in done.stderr


def test_without_an_image_it_says_what_to_do(tmp_path: Path) -> None:
    save_state(tmp_path / "state")
    argv = [sys.executable, "-m", "installer.cli", "serve", "--state", str(tmp_path / "state"), "--image", str(tmp_path / "none")]
    done = subprocess.run([*argv, "--interface", "lo"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].strip().startswith("build it: ./build_iso.sh --image")


def ask(admin: Admin, host: str, asked_at: float = 0.0, **wish: object) -> tuple[bool, str]:
    request = f"r-{host}-{len(wish)}-{asked_at}"
    admin.journal.append(Event(Happened.ASKED, host, {"request": request, **wish}, at=asked_at), durable=True)
    admin.has(lambda: request not in admin.journal.ledger.asked, "an answer")
    answers = [e.data for e in admin.journal.store.read() if e.kind is Happened.ANSWERED and e.data["request"] == request]
    assert len(answers) == 1
    return answers[0]["ok"], answers[0]["message"]


def test_requests_are_carried_out_and_answered(admin: Admin) -> None:
    data = {"recording": "", "code": "ABCD-EFGH", "key": "k", "boot_id": "b"}
    admin.journal.append(Event(Happened.MACHINE_DISCOVERED, "m-9", data), durable=True)
    is_ok, message = ask(admin, "m-9", verb="power", power="cycle", boot="pxe")
    assert is_ok
    assert "ABCD-EFGH" in message  # nobody but a person can switch a machine without a BMC
    assert admin.journal.ledger.machines["m-9"].boot_expected is True
    assert ask(admin, "m-9", verb="explode")[0] is False
    assert ask(admin, "nobody", verb="power", power="on") == (False, "no machine and no BMC is known as nobody")
    assert ask(admin, "m-9", 1000.0, verb="power", power="on", boot="") == (False, "it was asked too long ago")
