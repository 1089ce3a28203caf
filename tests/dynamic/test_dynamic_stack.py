"""LSUV over NumPy: every layer within the tolerance, or skipped and left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import FLOATS, Run, dtype_of

import initcore
from initcore import Stream
from initcore.dynamic import lsuv_

pytestmark = pytest.mark.any_isa


def dense(x: Any, weight: Any) -> Any:
    return x @ weight.T.astype(x.dtype)


class Dense:
    def __init__(self, name: str, weight: Any) -> None:
        self.name, self.weight = name, weight

    def __call__(self, x: Any) -> Any:
        return dense(x, self.weight)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("orthogonal", [True, False])
def test_stacks_over_numpy(dtype: str, orthogonal: bool) -> None:
    weights = [initcore.normal((32, 32), std=0.5, dtype=dtype_of(dtype), rng=i) for i in range(8)]
    layers = [step for i, w in enumerate(weights) for step in (Dense(f"d{i}", w), np.tanh)]
    x = initcore.normal((256, 32), rng=9)
    report = lsuv_(layers, x, rng=0, orthogonal=orthogonal)
    assert [(row.name, row.status) for row in report] == [(f"d{i}", "ok") for i in range(8)]
    for layer in layers:
        x = layer(x)
        if isinstance(layer, Dense):
            assert float(np.std(x.astype(np.float64))) == pytest.approx(1, abs=0.1)
    if orthogonal and dtype == "float64":
        start = initcore.orthogonal((32, 32), dtype=np.float64, rng=Stream(0, "d3"))
        assert np.array_equal(weights[3], start * report["d3"].factor)


def stack(*names: str) -> tuple[list[Any], dict[str, Any]]:
    weights = {name: initcore.normal((16, 16), rng=Stream(0, name)) for name in names}
    return [Dense(name, weight) for name, weight in weights.items()], weights


def normed(x: Any) -> Any:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True))


def zero(x: Any) -> Any:
    return 0 * x


@pytest.mark.parametrize(
    ("make", "keep", "statuses"),
    [
        (lambda a, b: [a, normed, b], [], ["skipped: the scale of its weights does not matter", "ok"]),
        (lambda a, b: [a, np.tanh, b], [], ["ok", "ok"]),
        (lambda a, b: [a, zero, b], [], ["ok", "skipped: its output is constant"]),
        (lambda a, b: [lambda x: 1e5 * x, a, np.tanh, b], [], ["ok", "ok"]),
        (lambda a, b: [a, np.tanh, b], ["b"], ["ok", "skipped: kept"]),
        (lambda a, b: [a, np.tanh, Dense("b", a.weight)], [], ["ok", "skipped: its weights are those of a"]),
    ],
)
def test_stacks_skip_what_modules_skip(make: Any, keep: list[str], statuses: list[str]) -> None:
    layers, weights = stack("a", "b")
    before = {name: weight.copy() for name, weight in weights.items()}
    report = lsuv_(make(*layers), initcore.normal((64, 16), rng=1), rng=0, keep=keep)
    assert [row.status for row in report] == statuses
    for name, status in zip(before, statuses, strict=True):
        if "those of" not in status:
            assert np.array_equal(weights[name], before[name]) is status.startswith("skipped")


STACK_ERRORS: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "empty": ([(np.ones((3, 3)), dense)], np.empty((0, 3)), ValueError, "empty"),
    "not an array": ([(np.ones((3, 3)), dense)], [1.0], TypeError, "must be an array"),
    "NaN": ([(np.ones((3, 3)), dense)], np.full((2, 3), np.nan), ValueError, "not finite"),
    "no weights": ([np.tanh], np.ones((2, 3)), ValueError, "no layers with weights"),
    "not callable": ([3], np.ones((2, 3)), TypeError, "layer 0 must be a callable"),
    "no pair": ([(np.ones((3, 3)), 3)], np.ones((2, 3)), TypeError, "layer 0 must be a pair"),
    "integers": ([(np.ones((3, 3), int), dense)], np.ones((2, 3)), TypeError, "int64"),
    "one name": ([Dense("a", np.ones((3, 3)))] * 2, np.ones((2, 3)), ValueError, "the same name"),
    "overflow": ([(np.ones((3, 3)), lambda x, w: x @ w / 0)], np.ones((2, 3)), FloatingPointError, "0: its output"),
}


@pytest.mark.parametrize("name", STACK_ERRORS)
def test_errors_of_stacks(name: str) -> None:
    layers, batch, error, message = STACK_ERRORS[name]
    before = [layer[0].copy() for layer in layers if isinstance(layer, tuple)]
    with pytest.raises(error, match=message):
        lsuv_(layers, batch)
    assert all(np.array_equal(layer[0], old) for layer, old in zip(layers, before, strict=False) if before)


def test_torch_is_not_imported_for_numpy(run_python: Run) -> None:
    run_python("""
import sys
import numpy as np
import initcore
assert "initcore.dynamic" not in sys.modules
from initcore.dynamic import DynamicScaler, balance_gradients_, lsuv_
lsuv_([(np.empty((8, 8)), lambda x, w: x @ w)], initcore.normal((64, 8)))
scaler = DynamicScaler([(initcore.normal((8, 8)), lambda x, w: x @ w)])
scaler(initcore.normal((64, 8)))
scaler.step()
balance_gradients_([np.ones((8, 8))], gradients=lambda: [np.ones((8, 8))])
assert "torch" not in sys.modules
""")


def test_an_orthogonal_start_does_not_ask_what_was_there() -> None:
    """As np.empty leaves it: of a few huge weights in the last layer only a sign is left, at any scale before."""
    weights = [initcore.normal((100, 100), std=0.1, rng=seed) for seed in range(3)]
    weights[2][...] = 0
    weights[2][:, 0] = 1e20
    layers = [step for weight in weights for step in ((weight, lambda x, w: x @ w.T), np.tanh)]
    report = lsuv_(layers, initcore.normal((256, 100), rng=1), rng=0)
    assert [row.status for row in report] == ["ok"] * 3
    assert [row.after for row in report] == pytest.approx([1, 1, 1], abs=0.1)
