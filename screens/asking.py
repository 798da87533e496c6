"""A question being answered: keys into it, checks while the typing pauses, the answer taken or refused where it was typed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from installer.model.problems import Problem
from screens.prompt import Prompt
from screens.questions import find_words, try_check
from screens.worker import Seen, see

if TYPE_CHECKING:
    from screens.app import RackstrapApp

CHECK_AFTER_S: Final = 0.3  # typing pauses so long before what was typed is checked


class Asking:
    """Drives the prompt that the app shows."""

    def __init__(self, app: RackstrapApp) -> None:
        self._app: Final = app
        self._checking = 0

    def put(self, prompt: Prompt, text: str) -> None:
        """Text was pasted."""
        prompt.put(text)
        self.check_soon(prompt)
        self._app.paint()

    def press(self, prompt: Prompt, key: str, text: str) -> None:
        if key == "escape":
            self._app.shown = replace(self._app.shown, prompt=None)
        elif prompt.is_busy:
            return
        elif key == "enter":
            self._answer(prompt)
            return
        elif text:
            prompt.put(text)
            self.check_soon(prompt)
        elif prompt.press(key):
            self.check_soon(prompt)
        self._app.paint()

    def check_soon(self, prompt: Prompt) -> None:
        """Say what is wrong with it as soon as the typing pauses."""
        self._checking += 1
        number = self._checking
        self._app.set_timer(CHECK_AFTER_S, lambda: self._check(prompt, number))

    def _check(self, prompt: Prompt, number: int) -> None:
        if number != self._checking or prompt is not self._app.shown.prompt or not prompt.answer or prompt.is_busy:
            return
        text, check = prompt.answer, prompt.ask.asks.check

        def then(problem: Problem | None) -> None:
            if prompt is self._app.shown.prompt and prompt.answer == text:
                prompt.wrong = find_words(problem)
                self._app.paint()

        self._app.crew.submit(lambda: try_check(check, text), then)

    def _answer(self, prompt: Prompt) -> None:
        guide, text = self._app.guide, prompt.answer
        if guide is None:
            return
        prompt.is_busy, prompt.wrong = True, ()
        self._app.set_timer(0.3, self._app.paint)
        check, answer, selection = prompt.ask.asks.check, prompt.ask.then, replace(prompt.selection, text=text)

        def job() -> Seen | Problem:
            problem = try_check(check, text)
            return problem or see(guide, lambda: guide.take(answer(guide.view, selection)))

        def then(seen: Seen | Problem) -> None:
            prompt.is_busy = False
            if isinstance(seen, Problem) or seen.reply.is_refused:
                words = find_words(seen) if isinstance(seen, Problem) else (seen.reply.message, seen.reply.hint)
                prompt.wrong = tuple(word for word in words if word)
                self._app.paint()
                return
            if self._app.shown.page is not None and seen.reply.ask is None:
                self._app.shown.state.part(self._app.shown.state.focus).marked.clear()
            self._app.take(seen)

        self._app.crew.submit(job, then)
