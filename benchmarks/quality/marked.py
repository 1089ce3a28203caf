"""Parts of a page that are written by a program, each between two comments."""

from __future__ import annotations

from pathlib import Path

__all__ = ["fill"]


def fill(page: Path, name: str, text: str) -> None:
    """Put text between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If the page does not have these comments once, in this order.
    """
    before, start, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not start or not end or start in after:
        raise ValueError(f"{page} has no place for {name}, or two: <!-- {name} --> and <!-- /{name} -->")
    page.write_text(f"{before}{start}\n{text.strip()}\n{end}{after}", encoding="utf-8")
