"""Hugging Face's config.json: its numbers, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from initcore.errors import CheckpointError
from initcore.formats.json_files import read_json

__all__ = ["Config"]

MOST_LAYERS = 100_000


class Config:
    """A model's configuration.

    Parameters
    ----------
    path : Path
        What it is called in errors.
    table : mapping
        What is in it.
    """

    def __init__(self, path: Path, table: Mapping[str, Any]) -> None:
        self.path, self._table = path, table

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read a file.

        Raises
        ------
        CheckpointError
            If it is not what it should be.
        """
        return cls(path, read_json(path))

    def fail(self, what: str) -> NoReturn:
        """Raise an error that names the file."""
        raise CheckpointError(f"{self.path}: {what}")

    def has(self, key: str) -> bool:
        """Return whether a key is there and not null."""
        return self._table.get(key) is not None

    def size(self, key: str, default: int | None = None, *, most: int = 2**63 - 1) -> int:
        """Return an integer above 0."""
        value = self._table[key] if self.has(key) else default
        if value is None:
            self.fail(f"no {key}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            self.fail(f"{key} must be an integer from 1 to {most}, not {value!r}")
        return value

    def layers(self, key: str) -> range:
        """Return the numbers of the layers."""
        return range(self.size(key, most=MOST_LAYERS))

    def sides(self, key: str, default: int) -> tuple[int, int]:
        """Return height and width, of one number or two."""
        value = self._table.get(key)
        if isinstance(value, list) and len(value) == 2:
            both = [Config(self.path, {key: side}).size(key) for side in value]
            return both[0], both[1]
        side = self.size(key, default)
        return side, side

    def flag(self, key: str, *, default: bool) -> bool:
        """Return whether something is so."""
        value = self._table[key] if self.has(key) else default
        if not isinstance(value, bool):
            self.fail(f"{key} must be true or false, not {value!r}")
        return value

    def text(self, key: str) -> str | None:
        """Return a string, or None."""
        value = self._table.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(f"{key} must be a string, not {value!r}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of strings, empty if there is none."""
        value = self._table[key] if self.has(key) else []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.fail(f"{key} must be a list of strings, not {value!r}")
        return value

    def labels(self) -> int:
        """Return how many classes a classifier has."""
        labels = self._table.get("id2label")
        if labels is None:
            return self.size("num_labels", 2)
        if not isinstance(labels, dict) or not labels:
            self.fail("id2label must be a table of labels")
        return len(labels)

    def quotient(self, whole: str, part: str) -> int:
        """Return one number divided by another, which divides it."""
        numerator, denominator = self.size(whole), self.size(part)
        if numerator % denominator:
            self.fail(f"{whole} {numerator} is no multiple of {part} {denominator}")
        return numerator // denominator
