"""The README's pictures say what the pages say."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.make_pictures import NAMES, PICTURES, draw, read_text

README: Final = PICTURES.parent.parent / "README.md"


@pytest.mark.parametrize("name", NAMES)
async def test_the_picture_is_what_the_page_looks_like(name: str) -> None:
    told = (PICTURES / f"{name}.svg").read_text()
    assert read_text(told) == read_text(await draw(name)), (
        "the pages have changed: `make pictures`, look at them, and commit them"
    )


def test_a_picture_fetches_nothing_and_the_readme_shows_each() -> None:
    named = set(re.findall(r"docs/screens/(\w+)\.svg", README.read_text()))
    assert named == set(NAMES)
    for name in NAMES:
        addresses = re.findall(r"https?://[^\s\"<]+", (PICTURES / f"{name}.svg").read_text())
        assert set(addresses) == {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
