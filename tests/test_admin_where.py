"""Where a state is and which machine it was, as the ESP's small file says it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.admin.where import Who, parse_where, render_where
from installer.model.problems import RackstrapError
from tests.admin_marks import WHERE_NOW


def test_where_reads_what_it_wrote() -> None:
    assert parse_where(render_where(WHERE_NOW)) == WHERE_NOW


@settings(max_examples=60)
@given(st.binary(max_size=200) | st.builds(lambda cut: render_where(WHERE_NOW)[:cut], st.integers(0, 280)))
def test_anything_else_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(RackstrapError, match="damaged"):
        parse_where(raw)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Who("u", "s"), Who("u", "s"), True),
        (Who("u", "s"), Who("u", "t"), False),
        (Who("u", ""), Who("u", "t"), True),
        (Who("", "", ("a", "b")), Who("", "", ("b",)), True),
        (Who("", "", ("a",)), Who("", "", ("b",)), False),
        (Who(), Who(), False),
        (Who("u", "", ("a",)), Who("v", "", ("a",)), False),
    ],
)
def test_which_machine_it_was(one: Who, other: Who, same: bool) -> None:
    assert (one.is_same(other), other.is_same(one)) == (same, same)
