"""Plain mode: the wizard as numbered lines, for screen readers, slow lines and terminals that can only print.

A front-end of the same Guide and Pages as the TUI. It writes printable ASCII and newlines, never an escape sequence, and never
goes back over what it wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from typing import Final, TypeVar

from installer.model.problems import RackstrapError
from installer.wizard.guide import Guide, Reply, make_save
from installer.wizard.page import Ask, Fields, Go, Outcome, Refused, Selection
from installer.wizard.plain_ask import put_question, refuse
from installer.wizard.plain_help import render_help, render_keys
from installer.wizard.plain_line import BreakError, HungUpError, Line, TooLongError
from installer.wizard.plain_sheet import make_ascii, wrap
from installer.wizard.plain_state import find_unread, is_live, make_told, render_changes, render_more, render_page, take_news
from installer.wizard.plain_target import find_action, find_field, find_reason
from installer.wizard.plain_words import Command, parse_command

PROMPT: Final = "> "
_PATIENCE_S: Final = 2.0  # after this long, a line says that something is under way
_T = TypeVar("_T")


def run_plain(make_guide: Callable[[], Guide], source: int = 0, target: int = 1) -> int:
    """Lead through the pages until the operator quits or the line ends. Returns 0: what was decided is kept in either case."""
    worker = ThreadPoolExecutor(1, "plain")
    try:
        with Line(source, target) as line:
            Plain(make_guide, line, worker).run()
    except HungUpError:
        return 0
    finally:
        worker.shutdown(wait=False, cancel_futures=True)
    return 0


class Plain:
    """One operator on one line. One worker does all that may take a while; this waits for it, and says when it takes long."""

    def __init__(self, make_guide: Callable[[], Guide], line: Line, worker: ThreadPoolExecutor) -> None:
        self._line: Final = line
        self._worker: Final = worker
        self._guide: Final = self._do(make_guide)
        self._told = make_told(self._guide.page)
        self._is_over = False

    def run(self) -> None:
        """Until it is over. Raises HungUpError."""
        rehearsal = self._guide.view.here.rehearsal
        self._line.write(wrap(f"{rehearsal[:1].upper()}{rehearsal[1:]}.") if rehearsal else [])
        self._say_page()
        while not self._is_over:
            try:
                self._serve_one_line()
            except BreakError:
                continue
            except TooLongError:
                self._line.echo("...")
                self._line.write(refuse("that line is far too long", "type ? for what can be typed here"))
            except RackstrapError as error:
                self._line.write(refuse(error.message, error.hint))
        self._line.write(["Nothing is lost: `rackstrap tui` goes on from here."])

    def _serve_one_line(self) -> None:
        typed = self._line.read(PROMPT, self._take_news if is_live(self._told.page) else None)
        self._line.echo(make_ascii(typed)[:70])
        letters = {action.key for action in self._told.page.actions}
        command = parse_command(typed, letters, len(self._told.numbers))
        if isinstance(command, Refused):
            self._line.write(refuse(command.message, command.hint))
        else:
            self._obey(command)

    def _obey(self, command: Command) -> None:
        match command.name:
            case "changes":
                changes = self._look()
                self._line.write(changes or ["Nothing has changed. = prints the page, ? explains."])
            case "page":
                self._look()
                self._say_page()
            case "next":
                self._follow(self._do(self._guide.next))
            case "back":
                self._follow(self._do(self._guide.back))
            case "quit":
                self._take(Go("quit"))
            case "more":
                block = find_unread(self._told)
                self._line.write(render_more(self._told, block) if block else ["That was all."])
            case "help":
                self._line.write(render_help(self._told.page))
            case "save":
                self._look()
                self._take(make_save(self._guide.view))
            case "filter":
                self._told.filter = command.text
                self._say_page()
            case "open" | "action":
                self._act(command)

    def _act(self, command: Command) -> None:
        """Do what a number or a letter means. What changed since it was told is said first: nobody decides on old news."""
        self._line.write(self._look())
        if command.name == "open" and (found := find_field(self._told, command.numbers[0])):
            self._edit(*found)
            return
        aim = find_action(self._told, command)
        if isinstance(aim, Refused):
            self._take(aim)
            return
        action, selection = aim
        reason = find_reason(self._told, action, selection)
        self._take(reason or action.does(self._guide.view, selection), selection)

    def _edit(self, fields: Fields, name: str) -> None:
        row = next(row for row in fields.rows if row.field.name == name)
        if row.field.kind == "action":
            self._take(fields.set(self._guide.view, name, ""))
            return
        ask = Ask(row.field, lambda view, chosen: fields.set(view, name, chosen.text))
        self._ask(ask, Selection(name), row.shown.strip() or "it empty")

    def _ask(self, ask: Ask, selection: Selection, now: str = "") -> None:
        """Put a question and hand on what is answered; a refusal puts it again. The view stays the one that was told."""
        is_again = False
        while (answer := put_question(self._line, ask.asks, ask.says, now, is_again=is_again)) is not None:
            given = Selection(selection.row, selection.marked, answer)
            reply = self._do(partial(self._guide.take, ask.then(self._guide.view, given)))
            if not reply.is_refused:
                self._follow(reply, selection)
                return
            self._line.write(refuse(reply.message, reply.hint))
            is_again = True
        self._line.write(["Left as it was."])

    def _take(self, outcome: Outcome, selection: Selection | None = None) -> None:
        self._follow(self._do(partial(self._guide.take, outcome)), selection or Selection())

    def _follow(self, reply: Reply, selection: Selection | None = None) -> None:
        """Say what came of it: a refusal, a sentence, a question, another page, or what is different on this one."""
        if reply.is_refused:
            self._line.write(refuse(reply.message, reply.hint))
            return
        self._line.write([*(wrap(reply.message) if reply.message else []), *(wrap(reply.hint) if reply.hint else [])])
        if reply.switch:
            self._line.write(["This is plain mode already."])
        elif reply.is_over:
            self._is_over = True
        elif reply.ask is not None:
            self._ask(reply.ask, selection or Selection())
        elif self._told.is_of(self._guide.page):
            changes = render_changes(self._told, self._told.take(self._guide.page))
            self._line.write(changes if changes or reply.message else ["Done."])
        else:
            self._told = make_told(self._guide.page)
            self._say_page()

    def _look(self) -> list[str]:
        """Look at the world, and return the lines that say what is new on this page."""
        page = self._do(self._guide.refresh)
        return render_changes(self._told, self._told.take(page))

    def _take_news(self) -> list[str]:
        """At most one line about what happened; nothing while nothing did."""
        if not self._do(self._guide.desk.has_news, is_quiet=True):
            return []
        return take_news(self._told, self._do(self._guide.refresh, is_quiet=True))

    def _say_page(self) -> None:
        at, of = self._guide.position
        view = self._guide.view
        site = view.draft.site
        stage = f" in {self._guide.stages[at - 1].name}," if self._guide.depth > 1 else ""
        head = f"{self._told.page.title},{stage} {at} of {of}."
        named = f" Site {site.name}." if site is not None and site.name else ""
        lines = wrap(f"{head}{named}{' Rehearsal.' if view.here.rehearsal else ''}")
        self._line.write([*render_page(self._told, lines), *render_keys(self._told.page)])

    def _do(self, work: Callable[[], _T], *, is_quiet: bool = False) -> _T:
        """What the worker returns. Raises what it raises; HungUpError when nobody waits any more."""
        future = self._worker.submit(work)
        try:
            return future.result(_PATIENCE_S)
        except NotYet:
            if future.done():
                raise
        if not is_quiet:
            self._line.write(["wait: this takes a moment."])
        while not future.done():
            self._line.check()
            try:
                return future.result(1.0)
            except NotYet:
                continue
        return future.result()
