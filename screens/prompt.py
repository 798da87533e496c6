"""A question at the foot of a page: what it means, the answer being typed or chosen, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from installer.wizard.page import Ask, Selection
from screens.edit import Edit
from screens.lines import Line, cut_line, fit, make_line, wrap

CHOICES: Final = 10  # in sight at once
FLAG: Final = (("yes", ""), ("no", ""))


@dataclass(slots=True)
class Prompt:
    """`at`: the choice under the cursor, -1 while typing. `wrong`: lines that say why not. `number`: of this question."""

    ask: Ask
    selection: Selection
    edit: Edit = field(default_factory=Edit)
    at: int = -1
    offset: int = 0
    wrong: tuple[str, ...] = ()
    is_busy: bool = False
    is_checked: bool = False

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        return self.ask.asks.choices or (FLAG if self.ask.asks.kind == "flag" else ())

    @property
    def is_choice(self) -> bool:
        """Whether one of the choices has to be taken: then nothing is typed."""
        return self.ask.asks.kind in {"choice", "flag"} and bool(self.choices)

    @property
    def answer(self) -> str:
        if self.at >= 0 and self.choices:
            return self.choices[self.at][0]
        return self.edit.text

    def put(self, text: str) -> None:
        """Typed or pasted. Among choices, a letter goes to the next that begins with it."""
        if not self.is_choice:
            self.edit, self.at, self.wrong = self.edit.put(text), -1, ()
            return
        for step in range(1, len(self.choices) + 1):
            index = (self.at + step) % len(self.choices)
            if self.choices[index][0].lower().startswith(text[:1].lower()):
                self.at = index
                return

    def press(self, key: str) -> bool:
        """Whether this key was the prompt's own. Enter and Esc are its owner's."""
        if key in {"up", "down"} and self.choices:
            low = 0 if self.is_choice else -1
            self.at = min(max(self.at + (1 if key == "down" else -1), low), len(self.choices) - 1)
            if not self.is_choice and self.at >= 0:
                text = self.choices[self.at][0]
                self.edit = Edit(text, len(text))
            return True
        if key in {"pageup", "pagedown", "up", "down"}:
            self.offset = max(0, self.offset + {"pageup": -5, "up": -1, "pagedown": 5, "down": 1}[key])
            return True
        edited = None if self.is_choice else self.edit.press(key)
        if edited is not None:
            self.edit, self.at, self.wrong = edited, -1, ()
        return edited is not None


def make_prompt(ask: Ask, selection: Selection) -> Prompt:
    start = "" if ask.asks.kind == "secret" else ask.asks.start
    prompt = Prompt(ask, selection, Edit(start, len(start)))
    if prompt.is_choice:
        values = [value for value, _ in prompt.choices]
        prompt.at = values.index(start) if start in values else 0
    return prompt


def render_prompt(prompt: Prompt, width: int, height: int, clean: Callable[[str], str]) -> tuple[list[Line], tuple[int, int]]:
    """Its lines, at most `height` where that is possible, and where the cursor is among them."""
    asked = prompt.ask.asks
    below = _render_choices(prompt, width, clean)
    below += [make_line(line, "FAIL") for text in prompt.wrong for line in wrap(clean(text), width, "  ", 4)]
    if prompt.is_busy:
        below.append(make_line("  working on it ..."))
    if asked.help and not prompt.wrong:
        below += [make_line(line) for line in wrap(clean(asked.help), width, "  ", 2)]
    says = [make_line(line) for text in prompt.ask.says for line in wrap(clean(text), width)]
    room = max(height - len(below) - 1, 1)
    if len(says) > room:
        prompt.offset = min(prompt.offset, len(says) - room + 1)
        shown = says[prompt.offset : prompt.offset + room - 1]
        more = f"  lines {prompt.offset + 1}-{prompt.offset + len(shown)} of {len(says)}; PgUp and PgDn show the rest"
        says = [*shown, make_line(more)]
    label = f"{clean(asked.label)} " if asked.label.endswith("?") else f"{clean(asked.label)}: "
    typed, x = prompt.edit.window(max(width - len(label) - 1, 8))
    if asked.kind == "secret":
        typed = "*" * len(typed)
    line = make_line(label if prompt.is_choice else label + clean(typed))
    y = len(says)
    cursor = (min(len(label) + x, width - 1), y)
    if prompt.is_choice:
        first = _find_first(prompt)
        cursor = (0, y + 1 + prompt.at - first)
    return [*says, cut_line(line, width), *below], cursor


def _find_first(prompt: Prompt) -> int:
    return max(0, min(max(prompt.at, 0) - CHOICES // 2, len(prompt.choices) - CHOICES))


def _render_choices(prompt: Prompt, width: int, clean: Callable[[str], str]) -> list[Line]:
    choices, first = prompt.choices, _find_first(prompt)
    names = min(max((len(value) for value, _ in choices), default=0), width // 2)
    lines = []
    for index in range(first, min(first + CHOICES, len(choices))):
        value, means = choices[index]
        mark = ">" if index == prompt.at else " "
        lines.append(cut_line(make_line(f"{mark} {fit(clean(value), names)}  {clean(means)}".rstrip()), width))
    if len(choices) > CHOICES:
        lines.append(make_line(f"  {first + 1}-{min(first + CHOICES, len(choices))} of {len(choices)}"))
    return lines
