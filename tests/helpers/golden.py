"""What fills gave when they were first released: ``python tests/helpers/golden.py`` writes golden.json.

A hash that changes is another stream version; new rows may be added at any time. Written once the values had been
compared with the reference, ref.py.
"""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import initcore
from initcore import _core
from initcore.dtypes import as_dtype

PATH = pathlib.Path(__file__).with_name("golden.json")
FLOATS = ("float64", "float32", "float16", "bfloat16")

#: Parameters of every distribution in _core.DISTS, the plainest first: other tests use the table too
PARAMS: dict[str, list[tuple[float, ...]]] = {
    "bits": [()],
    "uniform": [(0.0, 1.0), (-0.25, 0.5), (1.0, 1.0078125), (-30000.0, 30000.0), (2.5, 2.5), (1.003, 2.0)],
    "normal": [(0.0, 1.0), (0.0, 0.02), (-3.0, 0.5), (100.0, 1e-3), (1.5, 0.0)],
    "trunc_normal": [
        *[(0.0, 1.0, -2.0, 2.0), (0.0, 0.02, -0.04, 0.04), (1.0, 2.0, 0.0, math.inf), (0.0, 1.0, -9.0, 9.0)],
        *[(0.0, 1.0, 4.0, 5.0), (0.0, 1.0, -math.inf, -8.0), (0.0, 1.0, -0.125, 0.25), (0.0, 1.0, 1.0, 1.0625)],
    ],
}
DTYPES = {name: ("uint32",) if name == "bits" else FLOATS for name in PARAMS}

STREAMS: list[tuple[int, tuple[str | int, ...], int]] = [
    (0, (), 1),
    (0, (), 2**32 - 1),
    (2**70 + 1, (), 0),
    (1, ("layers", 3, "weight"), 0),
    (1, ("layers", 3, "weight"), 5),
]

NAMED: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("xavier_uniform_", (48, 64), {}),
    ("xavier_uniform_", (8, 4, 3, 3), {"gain": 2.0}),
    ("xavier_normal_", (48, 64), {"gain": 0.5}),
    ("kaiming_uniform_", (48, 64), {}),
    ("kaiming_uniform_", (8, 4, 5), {"mode": "fan_out", "a": 0.25}),
    ("kaiming_normal_", (48, 64), {"nonlinearity": "relu"}),
    ("kaiming_normal_", (8, 4, 3, 3), {"fans": (10, 30), "mode": "fan_out"}),
    ("lecun_uniform_", (48, 64), {}),
    ("glorot_uniform_", (48, 64), {}),
    ("he_uniform_", (48, 64), {}),
    ("lecun_normal_", (48, 64), {}),
    ("glorot_normal_", (48, 64), {}),
    ("he_normal_", (48, 64), {}),
    ("variance_scaling_", (48, 64), {"mode": "fan_geo_avg"}),
    ("trunc_normal_", (48, 64), {"std": 0.5, "a": -1.5, "b": 3.0, "bounds": "sigma", "correct_std": True}),
    ("trunc_normal_", (48, 64), {"mean": 0.5, "std": 0.5, "a": 0.0, "b": 2.0, "correct_std": True}),
    ("variance_scaling_", (48, 64), {"scale": 3.0, "mode": "fan_avg", "distribution": "uniform"}),
    ("sparse_", (48, 64), {"sparsity": 0.3}),
    ("sparse_", (1500, 7), {"sparsity": 0.9, "std": 2.0}),
    ("orthogonal_", (48, 64), {"gain": 0.5}),
    ("orthogonal_", (301, 70), {}),
    ("orthogonal_", (5, 9, 3, 3), {"batch_axis": 1}),
    ("delta_orthogonal_", (20, 17, 3, 4), {}),
    ("eye_", (7, 5), {}),
    ("dirac_", (6, 2, 3, 4), {"groups": 3}),
    ("hadamard_", (7, 5), {"gain": 3.0}),
    ("hadamard_", (6, 2, 3, 4), {}),
    ("constant_", (3, 4), {"val": 0.3}),
]


class Case(NamedTuple):
    name: str
    params: tuple[float, ...] | dict[str, Any]
    dtype: str
    shape: tuple[int, ...]
    seed: int = 0
    path: tuple[str | int, ...] = ()
    draw: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.params} {self.dtype} {self.shape} of {self.seed} {self.path} draw {self.draw}"


def cases() -> Iterator[Case]:
    for name, all_params in PARAMS.items():
        for dtype in DTYPES[name]:
            for params in all_params:
                yield Case(name, params, dtype, (1000,))
            for shape in [(), (1,), (63,), (257, 255), (3, 5, 7, 11)]:
                yield Case(name, all_params[0], dtype, shape)
            for seed, path, draw in STREAMS:
                yield Case(name, all_params[0], dtype, (130,), seed, path, draw)
    for name, shape, arguments in NAMED:
        for dtype in FLOATS:
            yield Case(name, arguments, dtype, shape)


def filled(case: Case) -> NDArray[Any]:
    out = np.empty(case.shape, as_dtype(case.dtype))
    rng = initcore.Generator(initcore.Stream(case.seed, *case.path))
    rng.state = {**rng.state, "draw": case.draw}
    if isinstance(case.params, tuple):
        return _core.fill(out, _core.DISTS[case.name][0], case.params, rng)
    fill = getattr(initcore, case.name)
    fill(out, **case.params, **({} if case.name in ("eye_", "dirac_", "hadamard_", "constant_") else {"rng": rng}))
    return out


def digest(values: NDArray[Any]) -> str:
    words = values.view(f"u{values.itemsize}")
    return hashlib.sha256(words.astype(words.dtype.newbyteorder("<")).tobytes()).hexdigest()


if __name__ == "__main__":
    PATH.write_text(json.dumps({str(case): digest(filled(case)) for case in cases()}, indent=1) + "\n")
