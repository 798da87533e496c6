"""An operator at the consoles of an admin machine: its menu, its root shell, its login, and what its boot did in which order."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pexpect

from tests.rack.iso_rack import ADMIN, BANNER, HOST, MENU, IsoRack
from tests.rack.pace import stretch
from tests.rack.rack import RACKSTRAP
from tests.terminal import Terminal

PASSWORD_LINE: Final = r"password  ([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})"


def start(made: IsoRack, entry: str = "install") -> Terminal:
    """Switch on, and choose this entry of the menu (`install` or `unattended`) at a serial line; the line at the banner."""
    made.leave()
    mark = made.mark()
    made.power("on")
    console = made.sit_down()
    made.wait_said(MENU, 60, after=mark)
    console.press("home", *(["down"] if entry == "unattended" else []), "enter")
    console.wait_for(BANNER, stretch(200))
    return console


def ask_shell(console: Terminal, command: str) -> str:
    """What a command says in the root shell of a serial line's banner; back at the banner afterwards."""
    console.wait_for(BANNER, stretch(60))
    console.press("s")
    console.wait_for(r"(?s)Back to Rackstrap.*#", stretch(60))
    console.settle(0.5)
    begin = len(console.written)
    console.press(f"stty -echo; clear; echo be''gin; {{ {command}; }} 2>&1; echo e''nd\r")
    console.wait("its end", lambda _: b"\nend\r" in console.written[begin:], stretch(60))
    said = re.search(rb"begin\r\n(.*?)\r?\n?end\r", bytes(console.written[begin:]), re.DOTALL)
    assert said is not None, console.text()
    console.press("exit\r")
    console.wait_for(BANNER, stretch(60))
    return said[1].decode(errors="replace").replace("\r", "").strip()


@contextmanager
def plug_in(made: IsoRack, name: str) -> Iterator[Terminal]:
    """A terminal at a console beside the first serial line."""
    words = ["lab", "console", "admin", "--at", name, "--dir", str(made.rack.lab)]
    with Terminal([*RACKSTRAP, *words], term="vt220") as console:
        console.child.delaybeforesend = None
        console.wait("the plug", lambda _: b"attached" in console.written, stretch(20))
        yield console


@contextmanager
def serve_dhcp(made: IsoRack) -> Iterator[None]:
    """On the rack's host: a DHCP server whose option 224 names a site file, and what serves the folder `www` there."""
    url, folder = f"http://{HOST}:8000/site.yaml", made.folder
    dhcp = ["dnsmasq", "-k", "--port=0", "--interface=br0", "--bind-interfaces", "--user=root", "--conf-file=/dev/null"]
    dhcp += ["--no-ping", "--dhcp-range=192.168.124.50,192.168.124.59,1h", f"--dhcp-leasefile={folder}/leases"]
    dhcp += [f"--log-facility={folder}/dnsmasq.log", f"--dhcp-option=224,{url}"]
    www = [sys.executable, "-m", "http.server", "8000", "--bind", HOST, "--directory", str(folder / "www")]
    with (
        subprocess.Popen([*RACKSTRAP, *made.inside(*dhcp)]) as server,
        subprocess.Popen([*RACKSTRAP, *made.inside(*www)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as files,
    ):
        try:
            yield
        finally:
            server.terminate()
            files.terminate()


def try_password(made: IsoRack, password: str, address: str = ADMIN) -> bool:
    """Whether SSH lets root in with this password, no key being offered."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PubkeyAuthentication=no", "NumberOfPasswordPrompts=1")
    ssh = ["ssh", *(word for option in options for word in ("-o", option)), f"root@{address}", "echo we are in"]
    child = pexpect.spawn(RACKSTRAP[0], [*RACKSTRAP[1:], *made.inside(*ssh)], timeout=stretch(30), encoding="utf-8")
    try:
        if child.expect(["assword:", pexpect.EOF]) == 1:
            assert "Permission denied" in (child.before or ""), child.before
            return False
        child.sendline(password)
        return child.expect(["we are in", "Permission denied"]) == 0
    finally:
        child.close(force=True)


def wait_password(console: Terminal, deadline_s: float) -> str:
    """The password of this boot that the banner shows."""
    text = console.wait_for(PASSWORD_LINE, stretch(deadline_s))
    found = re.search(PASSWORD_LINE, text)
    assert found is not None
    return found[1]


def say_since(began: float, what: str) -> None:
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
