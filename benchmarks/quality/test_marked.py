"""Blocks of a page are replaced, the rest is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from marked import fill


def test_block_is_replaced_each_time(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\n<!-- b -->\nkept\n<!-- /b -->\n")
    for text in ("first", "second\n"):
        fill(page, "a", text)
        assert page.read_text() == (f"before\n<!-- a -->\n{text.strip()}\n<!-- /a -->\n<!-- b -->\nkept\n<!-- /b -->\n")


@pytest.mark.parametrize("text", ["", "<!-- a -->", "<!-- /a --> <!-- a -->", "<!-- a --> <!-- /a --> <!-- a -->"])
def test_page_without_one_block_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="no place for a"):
        fill(page, "a", "new")
    assert page.read_text() == text
