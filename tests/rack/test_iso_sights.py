"""What an operator sees of the ISO beside the straight way: few starts, each of which carries many sights."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from installer.lab.qmp import run_qmp
from tests.rack.iso_console import ask_shell, plug_in, say_since, serve_dhcp, start, try_password, wait_password
from tests.rack.iso_rack import (
    ADMIN,
    BANNER,
    CONTROL,
    HOST,
    INSTALLED,
    IsoRack,
    customize,
    iso_rack,
    make_admin_machine,
    make_iso_site,
    make_volume,
    render_site,
    save_volume,
)
from tests.rack.iso_wizard import answer
from tests.rack.pace import stretch
from tests.rack.screen_dump import press
from tests.rack.test_iso_scenarios import count_blocks, wait_written
from tests.terminal import Terminal

pytestmark = pytest.mark.prove
PASSWORD: Final = "look behind the rack"
ESP: Final = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
STATE: Final = "::/EFI/rackstrap/state.tar"


def find_esp(made: IsoRack) -> str:
    """The EFI system partition of the admin machine's chosen disk, as mtools are told of it (UEFI 2.10, section 5.3.3)."""
    disk = min((made.rack.lab / "admin").glob("disk*.raw"))
    with disk.open("rb") as image:
        table = image.read(34 * 512)
    entries = [table[at : at + 128] for at in range(1024, len(table), 128)]
    esp = next(one for one in entries if one[:16] == ESP.bytes_le)
    return f"{disk}@@{int.from_bytes(esp[32:40], 'little') * 512}"


def use_mtools(*argv: str | Path, given: bytes | None = None) -> bytes:
    return subprocess.run([str(word) for word in argv], input=given, check=True, capture_output=True).stdout


def check_order(console: Terminal, ended: str) -> None:
    """The TUI's session was started once, by a process that is younger than the end of the taking back; that ended so.

    Times since the start: systemd's in microseconds, the process's own in hundredths of a second (proc_pid_stat(5), field 22).
    """
    said = ask_shell(
        console,
        "export SYSTEMD_PAGER=; until [ $(systemctl show -P MainPID rackstrap-tui) != 0 ]; do sleep 1; done;"
        "systemctl show -P Result rackstrap-recover; systemctl show -P ExecMainExitTimestampMonotonic rackstrap-recover;"
        "sed 's/.*) //' /proc/$(systemctl show -P MainPID rackstrap-tui)/stat | cut -d ' ' -f 20;"
        "journalctl -b --no-pager -o cat --grep 'Started rackstrap-tui' | wc -l",
    ).split()
    assert (said[0], said[3]) == (ended, "1"), said
    assert 0 < int(said[1]) <= int(said[2]) * 10_000, f"the TUI was there before the state: {said}"


def make_hash(password: str) -> str:
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_installation_that_lost_its_power_goes_on_in_the_tui(folder: Path, iso: Path) -> None:
    """Begun with nobody there, gone on with by a person; once the state on the disk is not readable. Then its login."""
    own, volume = customize(iso, folder / "unattended.iso", "--unattended"), folder / "volume"
    machine = make_admin_machine(own)
    machine["disks"] = [*machine["disks"], make_volume(volume)]
    with iso_rack(folder, own, [machine]) as made:
        access = {"ssh_keys": [made.public], "password_hash": make_hash(PASSWORD)}
        save_volume(volume, {"site.yaml": render_site(make_iso_site(made.public, access=access))})
        made.power("on")
        wait_written(made, 300 * 2**20, 300)
        made.power("pull")
        save_volume(volume, {}, label="EMPTY")
        state = use_mtools("mcopy", "-n", "-i", find_esp(made), STATE, "-")
        use_mtools("mcopy", "-o", "-i", find_esp(made), "-", STATE, given=b"no tar\n" * 1000)
        check_unreadable_state(made)
        use_mtools("mcopy", "-o", "-i", find_esp(made), "-", STATE, given=state)
        go_on(made)
        check_login(made)


def check_unreadable_state(made: IsoRack) -> None:
    """The TUI comes all the same, after the attempt, and says where the installation was."""
    began = time.monotonic()
    console = start(made)
    check_order(console, "exit-code")
    console.press("enter")
    console.wait_for(r"(?s)Welcome 1/9.*An installation of admin on .* stopped", stretch(120))
    say_since(began, "the first page, with a state that cannot be read")
    made.leave()
    made.power("pull")


def go_on(made: IsoRack) -> None:
    """With its state: the first page says where it was; g and c end in the installed admin node."""
    began = time.monotonic()
    console = start(made)
    check_order(console, "success")
    console.press("enter")
    console.wait_for(r"(?s)Welcome 1/9.*installation of admin on .* stopped while\s+unpacking.*g goes on with it", stretch(120))
    say_since(began, "the first page, with the state taken back")
    console.press("g")
    console.wait_for(r"(?s)Deploy \d/\d.*c goes on", stretch(30))
    press_when_planned(console, "c")
    made.wait_ssh(420, command=INSTALLED)
    say_since(began, "installed")


def press_when_planned(console: Terminal, key: str) -> None:
    """Again as long as the page answers that the plan is still being made."""
    give_up_at = time.monotonic() + stretch(60)
    console.press(key)
    while "wait a moment, and try again" in console.settle(2):
        assert time.monotonic() < give_up_at, console.text()
        console.press(key)


def check_login(made: IsoRack) -> None:
    """A login on the serial line takes the site's password and no other; behind Enter is the rack, to be looked at."""
    console = made.console
    assert console is not None
    for password, after in (("not this one", "(?i)login incorrect"), (PASSWORD, r"root@admin:~#")):
        console.wait_for("Enter  watch the rack", stretch(120))
        console.press("L")
        console.wait_for("(?m)login: ?$", stretch(60))
        console.press("root\r")
        console.wait_for("(?im)password: ?$", stretch(60))
        console.press(f"{password}\r")
        console.wait_for(after, stretch(60))
        console.settle(1)
        console.press("\x04")  # ends the next question for a name, or the shell
    console.wait_for("Enter  watch the rack", stretch(60))
    console.press("enter")
    console.wait_for(r"\(look only\) +isorack", stretch(120))


def test_dhcp_names_the_site_file(folder: Path, iso: Path) -> None:
    """To somebody who sits there it is an offer, on every console at once; with nobody there it goes as far as the gate."""
    own = customize(iso, folder / "unattended.iso", "--unattended")
    (folder / "www").mkdir()
    machine = make_admin_machine(own, consoles=["hvc0", "ttyS1"])
    with iso_rack(folder, own, [machine]) as made, serve_dhcp(made):
        site = make_iso_site(made.public, services={"dhcp": "external"})
        (folder / "www/site.yaml").write_bytes(render_site(site))
        check_offer(made)
        check_keyboard(made)
        made.power("pull")
        check_gate(made)
        assert count_blocks(made) == 0


def check_offer(made: IsoRack) -> None:
    """The banner is on the hypervisor's console and on the one of the firmware's table; Enter there joins the one session."""
    began = time.monotonic()
    console = start(made)
    console.press("enter")
    console.wait_for(rf"(?s)Welcome 1/9.*Go on from.*given +http://{HOST}:8000/site\.yaml \(named by DHCP\)", stretch(120))
    say_since(began, "the offer on the first page")
    for name in ("hvc0", "ttyS1"):
        said = CONTROL.sub("", (made.rack.lab / "admin" / f"{name}.log").read_text(errors="replace"))
        assert re.search(BANNER, said), said[-2000:]
        with plug_in(made, name) as other:
            other.press("enter")
            other.wait_for("Welcome 1/9", stretch(60))
            other.press("n")
            other.wait_for("Network 2/9", stretch(30))
            console.wait_for("Network 2/9", stretch(30))
            other.press("esc")
            console.wait_for("Welcome 1/9", stretch(30))
            other.press("\x02d")
            other.wait_for(BANNER, stretch(30))


def check_keyboard(made: IsoRack) -> None:
    """The screen's keyboard becomes a German one on the first page: the key that was z then writes y."""
    console, machine = made.console, made.rack.lab / "admin"
    assert console is not None
    console.press("k")
    console.wait_for("Keyboard layout", stretch(30))
    while not re.search(r"(?m)^> de\b", console.settle(0.5)):
        console.press("d")
    console.press("enter")
    console.wait_for("keyboard is de now|keyboard +de: press k", stretch(60))
    for _ in range(3):
        console.press("n")
        console.settle(1)
    console.wait_for("Site 4/9", stretch(30))
    console.press("enter")
    console.wait_for("Time zone", stretch(30))
    console.press("enter")
    console.wait_for("Name: lab", stretch(30))
    console.press("\x15")
    press(machine, "ret")
    time.sleep(stretch(2))
    press(machine, "z", "y")
    console.wait_for("Name: yz", stretch(30))


def check_gate(made: IsoRack) -> None:
    """What came by plain HTTP may erase nothing and lets nobody in; the consoles say so."""
    began = time.monotonic()
    console, mark = start(made, "unattended"), made.mark()
    said = made.wait_said(r"\(exit code 3\)", 300, after=mark)
    say_since(began, "the gate")
    words = " ".join(said.split())
    assert f"http://{HOST}:8000/site.yaml (named by DHCP)" in words
    assert "Nobody vouches for this file: it came by plain HTTP" in words
    assert "its erase: counts as no" in words
    assert made.ssh("true").returncode != 0
    assert try_password(made, wait_password(console, 30))


def test_the_file_leaves_a_section_to_a_person(folder: Path, iso: Path) -> None:
    """The volume is plugged in late: until then this boot's password counts, from then on the file's key alone."""
    own = customize(iso, folder / "unattended.iso", "--unattended", "--kernel-words", f"rackstrap.ip={ADMIN}/24")
    machine, spare, late = make_admin_machine(own), folder / "spare", folder / "late"
    machine["disks"] = [*machine["disks"], {**make_volume(spare), "serial": "SPARE"}]
    save_volume(spare, {}, label="SPARE")
    with iso_rack(folder, own, [machine]) as made:
        save_volume(late, {"site.yaml": render_site(make_iso_site(made.public, interactive=["timezone"]))})
        console = start(made, "unattended")
        password = wait_password(console, 60)
        wait_refused(made, 120)
        assert try_password(made, password)
        plug_volume(made, late)
        console.wait_for("The site file leaves to you: timezone", stretch(120))
        console.wait_for("with a key of the site file", stretch(30))
        assert password not in console.settle(3)
        assert not try_password(made, password)
        assert made.ask("id -u") == "0"
        answer_timezone(made)
        made.wait_ssh(420, command=INSTALLED)
        assert made.ask("timedatectl show -P Timezone") == "Europe/Berlin"


def wait_refused(made: IsoRack, deadline_s: float) -> None:
    """Until the SSH server answers, and does not know the operator's key."""
    give_up_at = time.monotonic() + stretch(deadline_s)
    while "Permission denied" not in (done := made.ssh("true")).stderr:
        assert done.returncode, "the key opens a login before anybody brought it"
        assert time.monotonic() < give_up_at, done.stderr + made.find_last_words()
        time.sleep(1)


def plug_volume(made: IsoRack, file: Path) -> None:
    """A USB stick is put into the running machine."""
    plug = made.rack.lab / "admin/qmp.sock"
    backing = {"driver": "file", "filename": str(file), "read-only": True}
    run_qmp(plug, "blockdev-add", driver="raw", file=backing, **{"node-name": "late", "read-only": True})
    run_qmp(plug, "device_add", driver="usb-storage", bus="xhci.0", drive="late", removable=True, serial="LATE", id="late")


def answer_timezone(made: IsoRack) -> None:
    """Four pages and one value: nothing else is asked, and nobody says that the work may begin but who has answered."""
    began, console = time.monotonic(), made.console
    assert console is not None
    console.press("enter")
    console.wait_for("(?s)Welcome 1/5.*the site file leaves to you: timezone", stretch(120))
    console.press("n")
    console.wait_for(r"(?s)Site 2/5.*Fixed by the site file", stretch(30))
    console.press("enter")
    console.wait_for("Time zone", stretch(30))
    assert "Domain" not in console.text()
    console.press("enter")
    console.wait_for("Enter take it", stretch(30))
    answer(made, "Europe/Berlin")
    console.wait_for(r"Europe/Berlin +\(typed\)", stretch(30))
    console.press("esc")
    console.wait_for("Site 2/5", stretch(30))
    console.press("n")
    console.wait_for(r"(?s)Review 3/5.*OSEN", stretch(60))
    press_when_planned(console, "i")
    console.wait_for("> no ", stretch(30))
    console.press("y", "enter")
    console.wait_for("Deploy 4/5", stretch(60))
    say_since(began, "answered")
