"""Where an apply tells what it does: a progress bar on a terminal, plain lines, or JSON lines. Chosen once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from installer.engine.status import NodeStatus, SiteStatus, dump_event, dump_status, render_status
from installer.engine.telling import render_event
from installer.model.events import Event, Happened
from installer.model.problems import Problem
from installer.site.verbs import make_row, render_problem

QUIET: Final = frozenset({Happened.STEP_STARTED, Happened.MACHINE_REPORTED, Happened.SITE_APPLIED})


class Outlet(Protocol):
    """The only way out of an apply."""

    def tell_problems(self, problems: Sequence[Problem]) -> None: ...

    def tell(self, text: str) -> None: ...

    def tell_event(self, event: Event, names: Mapping[str, str]) -> None:
        """`names`: machine id -> node's name."""
        ...

    def show(self, status: SiteStatus, done: int, total: int) -> None:
        """The state of things, a few times a second."""
        ...

    def end(self, code: int, text: str, status: SiteStatus) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out: Final = out or sys.stdout

    def tell_problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.tell(render_problem(problem))

    def tell(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def tell_event(self, event: Event, names: Mapping[str, str]) -> None:
        if event.kind not in QUIET:
            self.tell(f"{time.strftime('%H:%M:%S', time.localtime(event.at))} {render_event(event, names)}")

    def show(self, status: SiteStatus, done: int, total: int) -> None: ...

    def end(self, code: int, text: str, status: SiteStatus) -> None:
        del code
        for line in (*render_status(status), text):
            self.tell(line)

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line: `event`, `problem`, `told`, `progress`, at last `result`."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out: Final = out or sys.stdout
        self._shown: dict[str, tuple[str, int]] = {}

    def tell_problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self._put({"problem": make_row(problem)})

    def tell(self, text: str) -> None:
        self._put({"told": text})

    def tell_event(self, event: Event, names: Mapping[str, str]) -> None:
        self._put({"event": dump_event(event), "node": names.get(event.host, "")})

    def show(self, status: SiteStatus, done: int, total: int) -> None:
        for node in status.nodes:
            now = (node.stage, node.percent)
            if node.stage and self._shown.get(node.machine) != now:
                self._shown[node.machine] = now
                row = {"node": node.name, "machine": node.machine, "stage": node.stage, "percent": node.percent}
                self._put({"progress": {**row, "text": node.text, "steps_done": done, "steps": total}})

    def end(self, code: int, text: str, status: SiteStatus) -> None:
        self._put({"result": {"code": code, "text": text, "status": dump_status(status)}})

    def close(self) -> None: ...

    def _put(self, value: Mapping[str, Any]) -> None:
        print(json.dumps(value, separators=(",", ":")), file=self._out, flush=True)


class SafeBar(ProgressColumn):
    """A bar of the two glyphs that every console's font has: rich's own are missing on a bare VGA console."""

    WIDTH: Final = 30

    def render(self, task: Task) -> Text:
        filled = int(task.percentage * self.WIDTH / 100) if task.total else 0
        return Text("█" * filled + "░" * (self.WIDTH - filled))


class Bars:
    """A bar for the whole and one for each node at work, with what happens above them."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), SafeBar(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
        self._progress: Final = Progress(*columns, console=Console(highlight=False), transient=True)
        self._all: Final = self._progress.add_task("steps", total=None)
        self._tasks: dict[str, TaskID] = {}
        self._lines: Final = Lines()
        self._progress.start()

    def tell_problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.tell(render_problem(problem))

    def tell(self, text: str) -> None:
        self._progress.console.print(text, markup=False)

    def tell_event(self, event: Event, names: Mapping[str, str]) -> None:
        if event.kind not in QUIET:
            self.tell(f"{time.strftime('%H:%M:%S', time.localtime(event.at))} {render_event(event, names)}")

    def show(self, status: SiteStatus, done: int, total: int) -> None:
        self._progress.update(self._all, completed=done, total=total, description=f"{done} of {total} steps")
        for node in status.nodes:
            self._show_node(node)

    def _show_node(self, node: NodeStatus) -> None:
        task = self._tasks.get(node.machine)
        if not node.stage:
            if task is not None:
                self._progress.remove_task(self._tasks.pop(node.machine))
            return
        if task is None:
            task = self._tasks[node.machine] = self._progress.add_task(node.title, total=100)
        self._progress.update(task, completed=node.percent, description=f"{node.title} {node.stage}")

    def end(self, code: int, text: str, status: SiteStatus) -> None:
        self.close()
        self._lines.end(code, text, status)

    def close(self) -> None:
        self._progress.stop()


def make_outlet(*, is_json: bool) -> Outlet:
    if is_json:
        return JsonLines()
    return Bars() if sys.stdout.isatty() else Lines()
