"""A parser of the headers of safetensors files, and of no other JSON.

JSON in general lets a text of 100 MB grow to gigabytes, or nest without end; what this accepts is as large as the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from initcore.errors import CheckpointError
from initcore.shards import as_shape

__all__ = ["DTYPES", "Parser", "Tensor", "is_text"]

#: NumPy's names of the format's dtypes, and their sizes
DTYPES = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "U16": ("uint16", 2),
    "I16": ("int16", 2),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "U32": ("uint32", 4),
    "I32": ("int32", 4),
    "F32": ("float32", 4),
    "U64": ("uint64", 8),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
}


@dataclass(frozen=True)
class Tensor:
    """What a header says of a tensor: `start` and `stop` count from the first byte after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


_SPACE = re.compile(r"[ \t\n\r]*")
_NATURAL = re.compile(r"(?:0|[1-9][0-9]{0,19})(?![0-9.eE])")
_decode = json.JSONDecoder().raw_decode


class Parser:
    """Reads the header, and no other JSON."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.at, self.tensor = text, file, 0, ""

    def header(self) -> tuple[list[Tensor], dict[str, str]]:
        if not self.text.startswith("{"):
            self.fail(f"the header must begin with {{, found {self.here()}")
        tensors, metadata = [], {}
        for name in self.keys():
            if name == "__metadata__":
                metadata = {key: self.string() for key in self.keys()}
            else:
                self.tensor = name
                tensors.append(self.entry(name))
                self.tensor = ""
        self.space()
        if self.at != len(self.text):
            self.fail("something follows the header's last }")
        return tensors, metadata

    def entry(self, name: str) -> Tensor:
        if not is_text(name):
            self.fail("the name is no text")
        found: dict[str, Any] = {}
        for key in self.keys():
            if key == "dtype":
                found[key] = self.string()
            elif key in ("shape", "data_offsets"):
                found[key] = list(self.naturals(key))
            else:
                self.fail(f"unknown key {key!r}")
        for key in ("dtype", "shape", "data_offsets"):
            if key not in found:
                self.fail(f"no {key}")
        return self.tensor_of(name, **found)

    def tensor_of(self, name: str, dtype: str, shape: Sequence[int], data_offsets: Sequence[int]) -> Tensor:
        if dtype not in DTYPES:
            self.fail(f"unknown dtype {dtype!r}; known are {', '.join(DTYPES)}")
        try:
            whole = as_shape(shape)
        except ValueError as error:
            self.fail(str(error))
        if len(data_offsets) != 2 or data_offsets[0] > data_offsets[1]:
            self.fail(f"data_offsets must be start and stop, not {data_offsets}")
        start, stop = data_offsets
        known, size = DTYPES[dtype]
        if stop - start != math.prod(whole) * size:
            self.fail(
                f"shape {list(whole)} of {dtype} takes {math.prod(whole) * size} bytes, "
                f"but data_offsets {data_offsets} are {stop - start}"
            )
        return Tensor(name, known, whole, start, stop)

    def keys(self) -> Iterator[str]:
        """Yield the keys of an object; whoever asks for the next has read the value."""
        self.expect("{")
        if self.skip("}"):
            return
        seen: set[str] = set()
        while True:
            key = self.string()
            if key in seen:
                self.fail(f"{key!r} is there twice")
            seen.add(key)
            self.expect(":")
            yield key
            if self.skip("}"):
                return
            self.expect(",")

    def naturals(self, key: str) -> Iterator[int]:
        self.expect("[")
        if self.skip("]"):
            return
        for _ in range(65):  # NumPy's dimensions, and one more for the error to be that of the shape
            self.space()
            found = _NATURAL.match(self.text, self.at)
            if not found:
                self.fail(f"{key}: expected an integer from 0 to 2**63 - 1, found {self.here()}")
            self.at = found.end()
            yield int(found.group())
            if self.skip("]"):
                return
            self.expect(",")
        self.fail(f"{key} has more than 64 numbers")

    def string(self) -> str:
        self.space()
        if not self.text.startswith('"', self.at):
            self.fail(f"expected a string, found {self.here()}")
        try:
            value, self.at = _decode(self.text, self.at)
        except ValueError as error:
            self.fail(f"not valid JSON: {getattr(error, 'msg', error)}")
        return str(value)

    def space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def skip(self, char: str) -> bool:
        self.space()
        found = self.text.startswith(char, self.at)
        self.at += found
        return found

    def expect(self, char: str) -> None:
        if not self.skip(char):
            self.fail(f"expected {char}, found {self.here()}")

    def here(self) -> str:
        return repr(self.text[self.at : self.at + 10]) if self.at < len(self.text) else "the end"

    def fail(self, what: str) -> NoReturn:
        whom = f"tensor {self.tensor!r}: " if self.tensor else ""
        raise CheckpointError(f"{self.file}: {whom}{what} (at character {self.at} of the header)")


def is_text(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)
