"""Check that objects of other packages have the attributes that are read here; the packages are never imported.

A module lists the attributes that it reads, so that an object of another version of a package is refused by name.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Attributes", "check_attributes"]


class Attributes(NamedTuple):
    """An object of another package, in words, and those of its attributes that are read here."""

    what: str
    attributes: tuple[str, ...]


def check_attributes(row: Attributes, of: object, name: str) -> None:
    """Raise ValueError if an object lacks attributes that are read here."""
    lacking = [attribute for attribute in row.attributes if not hasattr(of, attribute)]
    if lacking:
        raise ValueError(
            f"{name}: it lacks {', '.join(lacking)}, which {row.what} has: initcore does not know this version of it"
        )
