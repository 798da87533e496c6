"""This machine's own installation where a session begins: what the welcome page says, and the program that does the work."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from installer import __version__
from installer.admin.find import Esp, Installation
from installer.admin.where import Where, Who
from installer.live.boot import Boot
from installer.model.problems import RackstrapError
from installer.wizard.around import make_on_disks
from installer.wizard.guide import Guide
from installer.wizard.here import find_version
from installer.wizard.launching import Installing
from installer.wizard.pages.disks import make_disks_page
from installer.wizard.pages.welcome import make_welcome_page
from installer.wizard.starting import find_running
from installer.wizard.view import OnDisk
from tests.own_views import DISK, ISO, LIVE, NOBODY, SSD, find_texts, make
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import NOW


def test_welcome_tells_of_an_installation_that_stopped_and_goes_on_with_it() -> None:
    found = (OnDisk("admin", "QEMU HARDDISK ..0002", finished=False, stage="unpack", at=NOW),)
    guide = Guide(ShelfDesk(make(here_changes={"on_disks": found})))
    assert "An installation of admin on QEMU HARDDISK ..0002 stopped while unpacking at " in find_texts(guide.page)
    action = next(action for action in guide.page.actions if action.key == "g")
    assert guide.take(action.does(guide.view, NOBODY)).page.name == "deploy"
    other = make_welcome_page(make(here_changes={"on_disks": (replace(found[0], ours=False),)}), "")
    assert "of another machine, is on" in find_texts(other)
    assert "g" not in {action.key for action in other.actions}
    done = make_disks_page(make(here_changes={"on_disks": (replace(found[0], finished=True),)}), "")
    assert "choosing that disk erases it" in find_texts(done)


@pytest.mark.parametrize(
    ("boot", "says"),
    [
        (ISO, "0.1.0 on the admin ISO; all is in memory until it is installed"),
        (LIVE, "0.1.0 on the admin ISO, live: no disk is touched unless you ask"),
        (DISK, "0.1.0, installed on this machine's own disk"),
    ],
)
def test_welcome_says_how_this_machine_was_started(boot: Boot, says: str) -> None:
    assert says in find_texts(make_welcome_page(make(boot), ""))


def test_the_version_is_the_medium_s(tmp_path: Path) -> None:
    assert find_version(tmp_path) == __version__
    for text, version in (('{"version": "1.2+abc"}', "1.2+abc"), ("[]", __version__), ("{", __version__)):
        (tmp_path / "manifest.json").write_text(text)
        assert find_version(tmp_path) == version


def test_disks_are_called_as_everywhere() -> None:
    where = Where("lab", "admin", 1, (SSD,), Who(), "format", NOW)
    ssd = next(disk for disk in make().here.machine.disks if disk.id == SSD)
    esps = (Esp("/dev/x1", ssd.name, ""), Esp("/dev/y1", "gone", ""))
    (found,) = make_on_disks((Installation("unfinished", where, esps, (), is_ours=True),), make().here.machine)
    assert found == OnDisk("admin", "QEMU HARDDISK ..0002 and gone", finished=False, stage="format", at=NOW)


INSTALL = """
import fcntl, json, os, sys, time
state = sys.argv[sys.argv.index("--state") + 1]
lock = os.open(state + "/install.lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
if "refuse" in open(sys.argv[1]).read():
    print(json.dumps({"problem": {"severity": "error", "message": "no consent", "hint": "ask"}}), flush=True)
    sys.exit(3)
print(json.dumps({"progress": {"stage": "partition", "percent": 0, "text": ""}}), flush=True)
while not os.path.exists(state + "/go"):
    time.sleep(0.01)
print(json.dumps({"result": {"code": 0, "text": "Installed."}}), flush=True)
"""


def test_the_installation_outlives_us_and_its_refusal_is_told(tmp_path: Path) -> None:
    launcher = Installing(tmp_path, [sys.executable, "-c", INSTALL], name="install")
    assert launcher.find_running() is None
    with pytest.raises(RackstrapError, match="no consent"):
        launcher.start("refuse\n")
    launcher.start("name: lab\n")
    running = find_running((launcher,))
    assert running is not None
    assert (running.pid, running.mode) == (0, "install")
    assert (tmp_path / "run/wanted/site.yaml").read_text() == "name: lab\n"
    (tmp_path / "go").touch()
    while launcher.find_running() is not None:
        pass
    assert launcher.find_last_end() == "Installed."
    launcher.close()
