"""Words of Philox4x32: Random123's known answers, and any of a draw by the reference."""

from __future__ import annotations

import ref
from support import TESTS

#: Name, rounds, four words of the counter, two of the key, and four of what is made of them
ROWS = [line.split() for line in (TESTS / "helpers" / "philox4x32.txt").read_text().splitlines()]


def hexadecimal(words: list[str]) -> list[int]:
    return [int(word, 16) for word in words]


BUFFER = 4 * 384  # words that are made at once
KEY = ref.key_of(0)


def words_at(key: tuple[int, int], position: int, count: int, plane: int = 0, draw: int = 0) -> ref.Words:
    """So many words of a draw from any of its 2**66 on, of the reference."""
    blocks = [(position // 4 + i) % 2**64 for i in range(count // 4 + 2)]
    counters = [(block & 0xFFFFFFFF, block >> 32, plane, draw) for block in blocks]
    return ref.philox4x32(counters, key).reshape(-1)[position % 4 :][:count]
