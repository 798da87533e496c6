"""Draws the README's pictures: the pages of a demo at one moment, as the TUI shows them at 80x24. `make pictures` runs it.

The moment is made of the demo's machines, and its clock stands still: the same code draws the same bytes.

usage: python -m tests.make_pictures [--png DIR]     (PNG, to look at them: needs rsvg-convert of Debian's librsvg2-bin)
"""

from __future__ import annotations

import argparse
import asyncio
import html
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from installer.lab.fleet_recordings import load_rack, make_admin, make_grown, make_rack
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.probe.identity import make_machine_id
from installer.probe.parse import parse_recording
from installer.wizard.guide import Guide
from installer.wizard.page import Go
from installer.wizard.stages import STAGES
from installer.wizard.view import Running, View
from screens.app import RackstrapApp
from tests.shelf_desk import ShelfDesk
from tests.site_head import HEAD
from tests.wizard_views import FOLDER, make_view

PICTURES: Final = Path(__file__).parent.parent / "docs/screens"
NAMES: Final = ("network", "nodes", "roles", "review", "deploy", "rack")
SIZE: Final = (80, 24)
CELL: Final = 12.2  # how wide Rich draws a cell
LOOKING: Final = "looking"  # what the TUI says before its first page
# Machines as nodes: (recording's serial, name). Others of the rack stay unnamed.
# Serials of recorded machines, in the order of their names node1, node2, …; the others have none, or the serial of another.
NODES: Final = ("BV0001", "SB0003", "BM0012", "FK0007", "OR0009", "SS0005")
SITE: Final = HEAD + "  nics: [enp0s6]\nnodes:\n"
_TEXT: Final = re.compile(r'(<text class="[^"]*") x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"([^>]*)>([^<]*)</text>')
_FONT: Final = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@cache
def load_demo() -> tuple[Machine, dict[str, Machine]]:
    """The machine that stands for the admin node, and those of the rack by id, as `rackstrap tui --demo` has them."""
    recordings = load_rack([str(path) for path in sorted(FOLDER.glob("*.json"))])
    rack = [parse_recording(recording) for recording in make_rack(recordings, len(recordings))]
    return parse_recording(make_grown(make_admin(recordings))), {make_machine_id(machine): machine for machine in rack}


def make_moment(name: str, stage: str) -> ShelfDesk:
    """The demo when it has come to this page of this stage: every machine admitted, for deploy and rack half-way through."""
    admin, machines = load_demo()
    rules = "".join(f"  - {{name: node{n}, match: {{serial: {serial}}}, roles: [base]}}\n" for n, serial in enumerate(NODES, 1))
    is_under_way = name in ("deploy", "rack")
    here = {"machine": admin, "rehearsal": "a demo: recorded machines, a simulated rack; nothing real is touched"}
    view = make_view(machines=machines, text=SITE + rules, named=True, deploying=is_under_way, here_changes=here)
    desk = ShelfDesk(view, stage)
    if is_under_way:
        desk.show(running=Running(4711, "apply", view.now - 300))
        desk.push(*make_ready(view))
    else:
        desk.push(*(Event(Happened.MACHINE_ADMITTED, machine, {}, "operator@tui", view.now - 300) for machine in machines))
    return desk


def make_ready(view: View) -> list[Event]:
    """Nothing is left to do for the nodes that are ready."""
    assert view.plan is not None
    ready = {node.name for node in view.plan.nodes if view.ledger.machines[node.machine].state == "ready"}
    return [
        Event(
            Happened.STEP_DONE,
            step.key.host,
            {"name": step.key.name, "id": step.id, "seconds": 40.0},
            "root@apply",
            view.now - 50,
        )
        for step in view.plan.steps
        if step.key.host in ready
    ]


def make_guide(name: str) -> Guide:
    """A guide that shows this page: a stage, or one that was opened from the last stage."""
    is_stage = any(stage.name == name for stage in STAGES)
    guide = Guide(make_moment(name, name if is_stage else STAGES[-1].name))
    if not is_stage:
        guide.take(Go(name))
    return guide


async def draw(name: str) -> str:
    """The page as SVG."""
    app = RackstrapApp(lambda: make_guide(name))
    async with app.run_test(size=SIZE) as pilot:
        earlier, svg = "", ""
        while not earlier or svg != earlier or LOOKING in svg:
            await pilot.pause(0.03)
            earlier, svg = svg, clean(app.export_screenshot(title="rackstrap tui --demo"))
        return svg


def clean(svg: str) -> str:
    """The picture without fonts from elsewhere, and without blanks around a text: not every viewer keeps them.

    Every text says where it stands and how wide it is, so any monospaced font will do.
    """
    drawn = _TEXT.sub(_strip, _FONT.sub("", svg).replace("Fira Code", "DejaVu Sans Mono"))
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines() if line.strip())


def _strip(found: re.Match[str]) -> str:
    start, x, y, length, rest, text = found.groups()
    words = html.unescape(text).rstrip()
    blanks = len(words) - len(words.lstrip())
    if not words.strip():
        return ""
    x, length = f"{float(x) + blanks * CELL:.1f}", f"{len(words.strip()) * CELL:.1f}"
    inside = html.escape(words.strip(), quote=False).replace("\xa0", "&#160;")
    return f'{start} x="{x}" y="{y}" textLength="{length}"{rest}>{inside}</text>\n'


def read_text(svg: str) -> list[str]:
    """What stands in the picture, line by line, each as wide as on the screen."""
    lines: dict[float, str] = {}
    for _, x, y, _, _, text in sorted(_TEXT.findall(svg), key=lambda found: float(found[1])):
        before = lines.get(float(y), "")
        lines[float(y)] = f"{before:{round(float(x) / CELL)}}{html.unescape(text)}".replace("\xa0", " ")
    return [lines[y] for y in sorted(lines)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make_pictures", description=__doc__)
    parser.add_argument("--png", type=Path, metavar="DIR", help="put them there as PNG too")
    args = parser.parse_args(argv)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        picture = PICTURES / f"{name}.svg"
        picture.write_text(asyncio.run(draw(name)))
        print(picture)
        if args.png:
            args.png.mkdir(parents=True, exist_ok=True)
            subprocess.run(["rsvg-convert", "-z", "1", "-o", args.png / f"{name}.png", picture], check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
