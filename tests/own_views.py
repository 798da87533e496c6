"""Views of a machine that may install Rackstrap on its own disk, for their tests."""

from __future__ import annotations

from typing import Any

from installer.live.boot import Boot
from installer.model.events import Event, Happened
from installer.wizard import own
from installer.wizard.page import Lines, Page, Row, Selection
from installer.wizard.view import View
from tests.page_parts import find_table
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import SITE, load_machines, make_view

ISO, LIVE, DISK = Boot("medium", "install"), Boot("medium", "live"), Boot("disk")
TEXT = SITE.replace("  hostname: admin", "  hostname: admin\n  nics: [enp0s6]")
SSD = "wwn-0x5002538d40000002"
NOBODY = Selection()


def make(boot: Boot = ISO, text: str = TEXT, **changes: Any) -> View:
    here = {"boot": boot, "version": "0.1.0", **changes.pop("here_changes", {})}
    machines = load_machines("bios-virtio") if "machines" not in changes else changes.pop("machines")
    return make_view(here="secure-boot-sata", text=text, named=True, machines=machines, here_changes=here, **changes)


def find_rows(page: Page) -> tuple[Row, ...]:
    return find_table(page).rows


def find_texts(page: Page) -> str:
    lines = [line for part in page.parts if isinstance(part, Lines) for line in part.lines]
    return "\n".join(text for line in lines for text in (line.text, *line.notes))


def consent(view: View) -> ShelfDesk:
    """The desk after this machine's consent was given on it."""
    desk = ShelfDesk(view, "deploy")
    (loss,) = own.find_own_losses(view, "asks")
    desk.push(own.make_own_consent(view, loss))
    return desk


def begin(view: View) -> ShelfDesk:
    desk = consent(view)
    desk.push(Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1}))
    return desk
