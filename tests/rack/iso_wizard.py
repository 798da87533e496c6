"""What an operator types on the ISO's console, page by page, and what is waited for in between."""

from __future__ import annotations

from tests.rack.iso_rack import ADMIN, CHOSEN, IsoRack
from tests.rack.pace import stretch


def answer(made: IsoRack, text: str) -> None:
    """Put this in the place of what the question begins with."""
    assert made.console is not None
    made.console.press("\x15", text, "enter")


def type_network_and_disk(made: IsoRack) -> None:
    """The one port faces the rack, the address is set and kept; the disk is chosen among decoys."""
    console = made.console
    assert console is not None
    console.press("n")
    console.wait_for("Network 2/9", stretch(20))
    if "not chosen" in console.settle(1):  # the only one with a link is proposed, once the link is seen
        console.press("enter")
    console.wait("a port is chosen", lambda text: "Network 2/9" in text and "not chosen" not in text, stretch(20))
    console.press("u")
    console.wait_for("goes back by itself", stretch(40))
    console.press("k")
    console.wait("nothing counts down any more", lambda text: "goes back by itself" not in text, stretch(40))
    console.wait_for(rf"52:54:00:4e:00:10 .* {ADMIN}\b", stretch(20))  # kept, and not gone back because we were slow
    console.press("n")
    console.wait_for("Disks 3/9", stretch(20))
    choose_disk(made, str(CHOSEN["serial"]))


def choose_disk(made: IsoRack, serial: str) -> None:
    """Move the cursor onto this disk, which is called by the end of its serial, and choose it; the next stage comes by itself."""
    console = made.console
    assert console is not None
    console.press("home")
    for _ in range(8):
        row = next((line for line in console.settle(0.3).splitlines() if line.startswith(">")), "")
        if f"..{serial[-4:]} " in row:
            break
        console.press("down")
    console.press("enter")
    console.wait_for("Site 4/9", stretch(20))


def type_site(made: IsoRack) -> None:
    """Name, domain and SSH key."""
    console = made.console
    assert console is not None
    console.press("enter")
    console.wait_for("Time zone", stretch(20))
    console.press("enter")
    console.wait_for("Name: lab", stretch(20))
    answer(made, "isorack")
    console.wait_for(r"isorack +\(typed\)", stretch(20))
    console.press("down", "enter")
    console.wait_for("Domain", stretch(20))
    answer(made, "iso.example")
    console.wait_for(r"iso\.example +\(typed\)", stretch(20))
    console.press("esc")
    console.wait_for("Site 4/9", stretch(20))
    console.press("down", "enter")
    console.wait_for("Who may log in", stretch(20))
    console.press("enter")
    console.wait_for("Enter take it", stretch(20))
    answer(made, made.public)
    console.wait_for(r"1 key +\(typed\)", stretch(20))
    console.press("esc")
    console.wait_for("Site 4/9", stretch(20))


def type_consent(made: IsoRack) -> None:
    """On to the review, where a wrong name is no consent and the right one starts the work."""
    console, disk = made.console, made.rack.lab / "admin"
    assert console is not None
    console.wait_for("Site 4/9", stretch(30))
    for page in ("Nodes 5/9", "Roles 6/9", "Review 7/9"):
        console.press("n")
        console.wait_for(page, stretch(30))
    console.wait_for(r"admin +virtio disk \.\.OSEN", stretch(30))
    console.press("i")
    console.wait_for("Enter take it", stretch(20))
    answer(made, "isorac")
    console.settle(1)
    chosen = max(disk.glob("disk*.raw"))
    assert chosen.stat().st_blocks == 0, "written before there was consent"
    answer(made, "isorack")
    console.wait_for("Deploy 8/9", stretch(40))
