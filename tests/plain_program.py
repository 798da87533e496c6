"""Plain mode on pages of its own, for tests: stages that use every kind of part, field and outcome.

usage: python -m tests.plain_program [SECONDS]    (after so long, the log of the second page grows, twice a second)
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

from installer.model.problems import Place, Problem
from installer.wizard.guide import Guide
from installer.wizard.page import (
    Action,
    Ask,
    Bar,
    Column,
    Edited,
    Field,
    FieldRow,
    Fields,
    Go,
    Line,
    Lines,
    Outcome,
    Page,
    Refused,
    Row,
    Selection,
    Table,
    Told,
    Wished,
)
from installer.wizard.plain import run_plain
from installer.wizard.stages import PAGES
from installer.wizard.view import View
from installer.wizard.wishes import AddBmc, CheckAgain
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import make_view

MINE: Final = {
    "welcome": "tests.plain_program:make_first_page",
    "network": "tests.plain_program:make_second_page",
    "rules": "tests.plain_program:make_third_page",
}
WAYS: Final = (("own", "we serve"), ("proxy", "beside another"), ("external", "another serves"))
LOUD: Final = "\x1b[2J\x1b]0;owned\x07[bold]evil[/]\u202e " + "\U0001f50e" + "y" * 300


def check_name(text: str) -> Problem | None:
    is_right = text.isalnum() and text.islower() and len(text) < 20
    return None if is_right else Problem(Place(), f"{text[:20]!r} is no name", "write small letters and figures, as lab1")


def set_value(_: View, name: str, text: str) -> Outcome:
    if name == "go":
        return Wished((CheckAgain(),), "It was pressed.")
    if text == "taken":
        return Refused("that name is taken", "choose another one")
    path = {"name": ("name",), "dhcp": ("services", "dhcp")}[name]
    return Edited(((path, text),), f"The {name} is {text} now.")


def ask_password(_view: View, _: Selection) -> Outcome:
    field = Field("password", "Its password", "secret")
    return Ask(
        field, lambda _, answer: Wished((AddBmc("192.0.2.1", answer.row, "root", answer.text),), "Kept."), ("It is kept.",)
    )


def tell(_: View, chosen: Selection) -> Outcome:
    return Told(f"Light on {', '.join(chosen.rows)}.")


def make_first_page(view: View, _: str) -> Page:
    site = view.draft.site
    assert site is not None
    rows = (
        Row("a", ("alpha", "4")),
        Row("b", ("beta", "8"), ("no disk: put one in",), "FAIL", offered=False),
        Row("c", (LOUD, LOUD)),
    )
    fields = (
        FieldRow(Field("name", "Name", check=check_name, start=site.name), site.name, "file"),
        FieldRow(
            Field("dhcp", "DHCP", "choice", "Who hands out addresses.", WAYS, start="own"), str(site.services.dhcp), "default"
        ),
        FieldRow(Field("go", "Press me", "action"), ""),
    )
    parts = (Table("machines", (Column("name", 9), Column("disks", 3)), rows, marks=True), Fields("site", fields, set_value))
    actions = (
        Action("enter", "Open", lambda _, chosen: Go("rules", chosen.row), "machines"),
        Action("l", "light", tell, "machines"),
        Action("p", "password", ask_password, "machines"),
        Action("x", "plain mode", lambda *_: Go("plain")),
    )
    return Page("welcome", "Welcome", "What is here?", parts, actions, ("You should see three machines.",))


def make_second_page(view: View, _: str) -> Page:
    log = Lines("log", tuple(Line(text) for text in view.logs.get("x", ())), "Log", follows=True)
    return Page("network", "Network", "How far is it?", (Bar("bar", "install", int(view.ui.get("done", "0")), ""), log))


def make_third_page(_: View, subject: str) -> Page:
    return Page("rules", f"Machine {subject}", "What is it?", (Lines("all", (Line("nothing more", "ok"),)),))


def tick(desk: ShelfDesk, after_s: float) -> None:
    time.sleep(after_s)
    lines: tuple[str, ...] = ()
    for number in range(100):
        lines = (*lines, f"line {number}")[-50:]
        desk.show(logs={"x": lines}, ui={"done": str(number)})
        time.sleep(0.2)


def main() -> None:
    PAGES.update(MINE)
    desk = ShelfDesk(make_view(planned=False))
    if len(sys.argv) > 1:
        threading.Thread(target=tick, args=(desk, float(sys.argv[1])), daemon=True).start()
    code = run_plain(lambda: Guide(desk))
    secrets = [wish.password for wish in desk.wishes if isinstance(wish, AddBmc)]
    loaded = sorted(name for name in ("textual", "screens", "rich.console") if name in sys.modules)
    print(f"ended {code} with {len(secrets)} {' '.join(map(str, map(len, secrets)))} {loaded}")


if __name__ == "__main__":
    main()
