"""A scan that is asked of the running service: bounded before anything is sent, remembered when somebody answers."""

from __future__ import annotations

from typing import Any

import pytest

from installer.model.problems import RackstrapError
from installer.power.scan import MOST_ADDRESSES, MOST_ASKED, parse_ranges
from installer.serve.requests import Scan, parse_wish


def test_a_scan_names_every_address_once() -> None:
    wish = parse_wish({"host": "admin", "verb": "scan", "ranges": ["10.0.0.1-10.0.0.3", "10.0.0.2"]})
    assert isinstance(wish, Scan)
    assert [str(address) for address in wish.addresses] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        (["10.0.0.0/8"], "too large to scan"),
        (["10.0.0.0/20", "10.1.0.0/20"], "too large to scan"),
        (["::/0"], "too large to scan"),
        (["nonsense"], "nonsense"),
        ([], "does not know the request"),
        ("10.0.0.1", "does not know the request"),
        (["10.0.0.1"] * 65, "does not know the request"),
        (None, "does not know the request"),
        ([{"a": 1}], "address"),
    ],
)
def test_a_scan_that_is_too_large_or_no_scan_is_refused(ranges: Any, says: str) -> None:
    with pytest.raises(RackstrapError) as caught:
        parse_wish({"host": "admin", "verb": "scan", "ranges": ranges})
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_the_command_may_scan_more_than_a_request() -> None:
    assert MOST_ASKED < MOST_ADDRESSES
    assert len(parse_ranges(["10.0.0.0/17"])) == 2**15 - 2
