"""randomgen: more bit generators under NumPy's Generator.

Philox4x32 has this library's rounds and words. The other three were the fastest of its 24 bit generators at uniform and
normal fills in float32 and float64 (randomgen 2.5, Zen 5), SFC64 apart, which NumPy has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peers.numpy import NumPy


@dataclass
class RandomGen(NumPy):
    """All that NumPy does, with another source of words.

    Attributes
    ----------
    options : mapping
        Of the bit generator.
    """

    options: Mapping[str, Any] = field(default_factory=dict)

    def generator(self, seed: np.random.SeedSequence) -> np.random.Generator:
        """Return a Generator of its own for each thread."""
        import randomgen

        return np.random.Generator(getattr(randomgen, self.bit_generator)(seed, **self.options))


PEERS = [
    RandomGen("randomgen Philox4x32", "randomgen", bit_generator="Philox", options={"number": 4, "width": 32}),
    *(RandomGen(f"randomgen {name}", "randomgen", bit_generator=name) for name in ("Romu", "Xoroshiro128", "MWC128X")),
]
