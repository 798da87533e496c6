"""The one thread beside the UI's: everything that can take time happens there, a job after the other."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from installer.model.problems import RackstrapError

if TYPE_CHECKING:
    from installer.wizard.guide import Guide, Reply  # this thread imports it, once the frame stands


@dataclass(frozen=True, slots=True)
class Seen:
    """A reply with what the frame needs to know of the guide at that moment."""

    reply: Reply
    position: tuple[int, int]
    depth: int
    site: str
    failed: str = ""


class Crew:
    """Runs jobs on the guide. `tell` is called in the worker's thread with a job's end: it has to hand that over."""

    def __init__(self, tell: Callable[[Callable[[], None]], object]) -> None:
        self._pool: Final = ThreadPoolExecutor(1, "guide")
        self._tell = tell
        self.waiting = 0

    def submit(self, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do the job, then call `then` with its result in the UI's thread. A job returns its errors: it does not raise."""
        self.waiting += 1

        def run() -> None:
            result = job()

            def end() -> None:
                self.waiting -= 1
                then(result)

            self._tell(end)

        self._pool.submit(run)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def see(guide: Guide, do: Callable[[], Reply]) -> Seen:
    """Do it and look. A page or an action that fails is told and logged: the work goes on without it."""
    from installer.wizard.guide import Reply

    try:
        reply, failed = do(), ""
    except RackstrapError as error:
        reply, failed = Reply(guide.page, message=error.message, hint=error.hint, is_refused=True), ""
    except Exception as error:  # noqa: BLE001 -- whatever a page does, the console must stay
        log_failure(guide, error)
        failed = f"this page failed: {describe(error)}"
        reply = Reply(guide.page, message=failed, hint="the work goes on; Esc goes back", is_refused=True)
    site = guide.view.draft.site
    here = guide.view.here
    words = (
        "(rehearsal)" if here.rehearsal else "(look only)" if here.only_looks else "",
        f"{site.name}  {site.domain}" if site is not None else "",
    )
    return Seen(reply, guide.position, guide.depth, "  ".join(filter(None, words)), failed)


def see_page(guide: Guide) -> Seen:
    """The page made anew."""
    from installer.wizard.guide import Reply

    return see(guide, lambda: Reply(guide.refresh()))


def look(guide: Guide) -> Seen | None:
    """The page made anew, where there is news. A fault is logged, and the page stays as it was."""
    try:
        has_news = guide.desk.has_news()
    except Exception as error:  # noqa: BLE001 -- as above
        log_failure(guide, error)
        return None
    return see_page(guide) if has_news else None


def describe(error: BaseException) -> str:
    """An exception in one line."""
    from installer.wizard.guide import make_safe

    return make_safe(" ".join(f"{type(error).__name__}: {error}".split()))[:300]


def log_failure(guide: Guide, error: BaseException) -> None:
    """Keep the traceback where `rackstrap` keeps its logs; where that cannot be, the message on the screen has to do.

    Its end is printed to a terminal, and it may quote a machine: it holds printable text only.
    """
    from installer.wizard.guide import make_safe

    run = Path(guide.view.here.state_dir or "/nonexistent") / "run"
    try:
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(run / "tui.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as log:
            log.writelines(f"{make_safe(line)}\n" for line in "".join(traceback.format_exception(error)).splitlines())
    except OSError:
        return
