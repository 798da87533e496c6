"""One line being typed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Edit:
    """`at`: the cursor, from 0 to the text's length."""

    text: str = ""
    at: int = 0

    def put(self, typed: str) -> Edit:
        """With this typed or pasted: its first line, without control characters."""
        line = typed.strip("\r\n").split("\n", 1)[0].replace("\t", " ")
        clean = "".join(char for char in line if char.isprintable())[: LONGEST - len(self.text)]
        return Edit(self.text[: self.at] + clean + self.text[self.at :], self.at + len(clean))

    def press(self, key: str) -> Edit | None:
        """What a key makes of it; None for a key that does not edit."""
        before, after = self.text[: self.at], self.text[self.at :]
        edited: Edit | None
        match key:
            case "backspace" | "ctrl+h":
                edited = Edit(before[:-1] + after, max(self.at - 1, 0))
            case "delete" | "ctrl+d":
                edited = Edit(before + after[1:], self.at)
            case "ctrl+u":
                edited = Edit(after, 0)
            case "ctrl+k":
                edited = Edit(before, self.at)
            case "ctrl+w":
                kept = before.rstrip().rpartition(" ")[0]
                kept = f"{kept} " if kept else ""
                edited = Edit(kept + after, len(kept))
            case _:
                at = self._find_step(key)
                edited = None if at is None else replace(self, at=at)
        return edited

    def _find_step(self, key: str) -> int | None:
        """Where a key moves the cursor; None for a key that does not."""
        steps = {"left": self.at - 1, "ctrl+b": self.at - 1, "right": self.at + 1, "ctrl+f": self.at + 1}
        steps |= {"home": 0, "ctrl+a": 0, "end": len(self.text), "ctrl+e": len(self.text)}
        return min(max(steps[key], 0), len(self.text)) if key in steps else None

    def window(self, width: int) -> tuple[str, int]:
        """The part of the text in sight, and where the cursor is in it."""
        first = max(0, self.at - width + 1)
        return self.text[first : first + width], self.at - first
