"""The refusal to render a value."""

from __future__ import annotations

from installer.model.problems import RackstrapError


class RenderRefused(RackstrapError):  # noqa: N818 -- named for what happened
    """A value that the grammar does not admit, or that no filter has seen (`grammar` is "" then)."""

    exit_code = 1

    def __init__(self, grammar: str, value: object) -> None:
        kind = type(value).__name__
        shown = ascii(value)[:80] if isinstance(value, str) else kind
        what = f"not a valid {grammar.replace('_', ' ')}" if grammar else "not checked by any grammar"
        super().__init__(f"refused to write {shown} into a file: {what}", "correct this value where it was given")
        self.grammar = grammar
