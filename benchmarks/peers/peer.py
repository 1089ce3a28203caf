"""What a peer is: another way to fill an array with the same distribution."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from operations import Operation

from initcore.cli.benchmark.peers import Array, Run

__all__ = ["Array", "Package", "Peer", "Run", "cast", "import_error"]


class Peer(Protocol):
    """One library, or one of its generators.

    Attributes
    ----------
    package : str
        What must be installed.
    in_place : bool
        False if it makes a new array each time.
    """

    name: str
    package: str
    in_place: bool

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return one complete fill, with fresh numbers at each call, or None if it has no such operation or dtype."""


@dataclass
class Package:
    """A peer that needs a package which can be imported."""

    name: str
    package: str
    in_place: bool = True

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        return import_error(self.package)


def import_error(package: str) -> str | None:
    """Return why a package cannot be imported, if it cannot."""
    try:
        importlib.import_module(package)
    except Exception as error:  # a package that is broken, or built for another NumPy, raises anything
        return f"{package} cannot be imported: {error}"
    return None


def cast(made: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array in the dtype that was asked for."""
    return made.astype(dtype, copy=False)
