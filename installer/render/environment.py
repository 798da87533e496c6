"""The jinja2 environment of every file that is rendered: nothing is printed that no filter has admitted.

DHCP lines, boot scripts and kernel lines have no quoting that can be trusted, so values are not escaped: each
`{{ value|filter }}` admits one grammar and refuses everything else. A plain string that passed no filter, or
that was changed after its filter, is refused as well. There is no filter for free text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined

from installer.render.grammar import GRAMMARS
from installer.render.refused import RenderRefused

TEMPLATES: Final = Path(__file__).parent / "templates"


class Admitted(str):
    """Text that a filter has admitted. Any operation on it gives a plain str, which is refused again."""

    __slots__ = ()


def make_environment(*folders: Path) -> Environment:
    """An environment that loads templates from `folders` (installer/render/templates without any).

    Rendering raises RenderRefused for a value that is not admitted, jinja2's UndefinedError for a missing one.
    Filters: see installer.render.grammar.GRAMMARS. Ints (not bools) may be printed without one.
    """
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in folders or (TEMPLATES,)]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 -- not HTML; admission replaces escaping
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.filters.update({name: _make_filter(name, parse) for name, parse in GRAMMARS.items()})
    return environment


def _make_filter(name: str, parse: Callable[[str], str]) -> Callable[[object], Admitted]:
    def admit(value: object) -> Admitted:
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()
        if isinstance(value, bool) or value is None:
            raise RenderRefused(name, value)
        try:
            return Admitted(parse(str(value)))
        except ValueError as error:
            raise RenderRefused(name, value) from error

    admit.__name__ = f"admit_{name}"
    return admit


def _finalize(value: object) -> object:
    if isinstance(value, Admitted | Undefined) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise RenderRefused("", value)
