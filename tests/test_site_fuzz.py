"""Hostile site files: whatever the bytes are, there is a Site or a problem with line and column, and never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from installer.model.problems import RackstrapError
from installer.site import check_site, edit_site, parse_site
from installer.site.core_schema import make_plain
from installer.site.save import REMOVED
from installer.site.tree import parse_tree

EXAMPLES = sorted((Path(__file__).parent.parent / "installer" / "site" / "examples").glob("*.yaml"))
TEXTS = [path.read_text() for path in EXAMPLES]
slow = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

NASTY = [
    "{", "}", "[", "]", ":", ": ", "- ", "? ", "&a ", "*a", "!x ", "!!int ", "|\n", ">-\n", "'", '"', "#", " #", "%", "@", "`",
    "\t", "\n", "\r", "\n\n", "  ", "---\n", "...\n", "<<: ", "~", "null", "\0", "\x1b[31m", "\ufeff", "\u2028", "é", "😀", "0x",
    "1e999", "-", ".", "9" * 50, "/33", "true", "\\", "$6$", "[]", "{}", ", ", "::", "-.5",
]  # fmt: skip


def look(content: bytes) -> None:
    """Everything that reads a site file, and what must hold of every problem."""
    loaded = parse_site(content, "x.yaml")
    problems = check_site(loaded, roles={"base"})
    assert loaded.site is not None or loaded.problems
    for problem in problems:
        assert problem.place.file == "x.yaml"
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert problem.message
        assert problem.message.isprintable()
        assert problem.hint.isprintable()
        assert len(problem.message) < 600


@quick
@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    look(content)


@quick
@given(st.text(max_size=400))
def test_any_text(text: str) -> None:
    look(text.encode("utf-8", "surrogatepass"))


@quick
@given(st.lists(st.sampled_from([*NASTY, "a", "b: ", "nodes: ", "admin: ", "rackstrap: 1\n"]), max_size=40).map("".join))
def test_any_yaml_like_text(text: str) -> None:
    look(text.encode())


@quick
@given(st.sampled_from(TEXTS), st.data())
def test_examples_with_something_nasty_put_in(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(st.sampled_from(NASTY)) + text[at + cut :]
    look(text.encode("utf-8", "surrogatepass"))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["192.168.124.0/24", ".1-.5", "1g1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def find_paths(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    paths = [path] if path else []
    if isinstance(data, dict):
        paths += [p for key, value in data.items() for p in find_paths(value, (*path, key))]
    if isinstance(data, list):
        paths += [p for index, value in enumerate(data) for p in find_paths(value, (*path, index))]
    return paths


@slow
@given(st.sampled_from(TEXTS), values, st.data())
def test_examples_with_any_value_in_any_place(text: str, value: object, data: st.DataObject) -> None:
    """An edit gives a file that reads as asked for, or is refused; what it gives is then checked without a stumble."""
    loaded = parse_site(text.encode(), "x.yaml")
    path = data.draw(st.sampled_from(find_paths(loaded.document.data)))
    try:
        after = edit_site(loaded, {path: value})  # type: ignore[dict-item]
    except RackstrapError:
        return
    look(after.encode("utf-8", "surrogatepass"))


@slow
@given(st.sampled_from(TEXTS), st.data())
def test_examples_with_anything_left_out(text: str, data: st.DataObject) -> None:
    loaded = parse_site(text.encode(), "x.yaml")
    path = data.draw(st.sampled_from(find_paths(loaded.document.data)))
    after = edit_site(loaded, {path: REMOVED})
    assert path not in parse_tree(after, "x")[0].values or isinstance(path[-1], int)
    look(after.encode())


@slow
@given(values)
def test_what_is_set_reads_back_the_same(value: object) -> None:
    loaded = parse_site(TEXTS[0].encode(), "x.yaml")
    try:
        after = edit_site(loaded, {("roles", "base"): value})  # type: ignore[dict-item]
    except RackstrapError:
        return
    assert repr(make_plain(parse_tree(after, "x")[0].data["roles"]["base"])) == repr(value)


@pytest.mark.parametrize("count", [1_000, 20_000])
def test_depth_and_length_cost_little(count: int) -> None:
    for text in (
        "[" * count,
        "{a: " * count,
        "- " * count,
        "a: [" + "x, " * count + "]",
        "a: " + "9" * count,
        "? " * count,
        "&a " * count,
    ):
        look(text.encode()[:400_000])
