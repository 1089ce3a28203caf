"""Peers do the same work: numbers of initcore's distribution, in the array's own memory, new ones at each call."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from operations import Operation
from peers import PEERS, split
from peers.peer import Peer, Run

import initcore
from initcore.dtypes import as_dtype

Array = NDArray[Any]

SHAPE = (256, 384)
SPLIT = (512, 384)  # more elements than two threads need
DTYPES = ("float64", "float32", "float16", "bfloat16")
SIGMAS = 5  # of the standard error: one in two million
GRID = 3  # of the dtype's epsilon: some peers draw half precision on as coarse a grid as its mantissa has
EXTREMES = 0.005  # of the std: how near the extremes of so many bounded numbers are to each other's

DRAWS = (
    Operation("uniform", {"a": -1.0, "b": 3.0}),
    Operation("normal", {"mean": 0.5, "std": 2.0}),
    Operation("trunc_normal", {"mean": 0.5, "std": 2.0, "a": -3.5, "b": 4.5}),
    Operation("xavier_uniform", {"gain": 2.0}),
    Operation("xavier_normal", {"gain": 0.5}),
    Operation("kaiming_uniform", {"a": 0.5, "mode": "fan_out"}),
    Operation("kaiming_normal", {"nonlinearity": "tanh"}),
    *(Operation(f"{family}_{kind}") for family in ("lecun", "glorot", "he") for kind in ("uniform", "normal")),
    Operation("variance_scaling", {"scale": 3.0, "mode": "fan_out"}),
    Operation("variance_scaling", {"mode": "fan_avg", "distribution": "uniform"}),
    Operation("variance_scaling", {"distribution": "untruncated_normal"}),
)
LOPSIDED = Operation("trunc_normal", {"mean": 0.0, "std": 1.0, "a": -1.0, "b": 2.0})
FAR = Operation("trunc_normal", {"mean": 0.0, "std": 0.02, "a": -2.0, "b": 2.0})  # as models have it: none is cut off
BITS = Operation("bits")
CONSTANTS = (*map(Operation, ("zeros", "ones", "eye")), Operation("constant", {"val": 0.5}))

TRUNCATED = {"trunc_normal", "lecun_normal", "glorot_normal", "he_normal"}
NOT_TRUNCATED = {"normal", "xavier_normal", "kaiming_normal"}

#: By package: what its peers do not have
LACKS = {
    "numpy": {"truncated", "sparse", "dirac", "delta_orthogonal"},
    "randomgen": {"truncated", "sparse", "dirac", "delta_orthogonal"},
    "torch": {"delta_orthogonal"},
    "jax": {"constants", "sparse", "dirac"},
    "keras": {"bits", "constants", "lopsided", "sparse", "dirac", "stack", "delta_orthogonal"},
    "scipy": {"bits", "constants", "oblong", "sparse", "dirac", "delta_orthogonal"},
    "numba": {"constants", "orthogonal", "oblong", "stack", "sparse", "dirac", "delta_orthogonal"},
    "mkl": {"constants", "orthogonal", "oblong", "stack", "sparse", "dirac", "delta_orthogonal"},
}


def case_id(operation: Operation) -> str:
    return "-".join([operation.name, *(f"{value}" for value in operation.settings.values())])


def is_truncated(operation: Operation) -> bool:
    truncated = operation.name == "variance_scaling" and "distribution" not in operation.settings
    return truncated or operation.name in TRUNCATED


def is_bounded(operation: Operation) -> bool:
    untruncated = operation.settings.get("distribution") == "untruncated_normal"
    return not untruncated and operation.name not in NOT_TRUNCATED and operation != FAR


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    """Return each peer that is here."""
    found = PEERS[request.param]
    reason = found.missing()
    if reason:
        pytest.skip(f"{found.name}: {reason}")
    return found


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    before = initcore.get_num_threads()
    yield
    initcore.set_num_threads(before)


def prepared(peer: Peer, operation: Operation, out: Array, threads: int, needs: str) -> Run | None:
    """Return a run, if the peer has what the table says that it has, and None if it is known not to."""
    initcore.set_num_threads(threads)
    run = peer.run(operation, out, threads)
    assert (run is None) == (needs in LACKS.get(peer.package, set())), f"{peer.name}: {needs}"
    return run


def result(peer: Peer, run: Run, out: Array) -> Array:
    """Return what one call made, in float64 if it is not words."""
    before = out.copy()
    made = run()
    if peer.in_place:
        made = out
    else:
        assert np.array_equal(out, before)
    made = np.asarray(made)
    assert made.dtype == out.dtype
    return np.array(made) if made.dtype == np.uint32 else made.astype(np.float64)


def dtype_of(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return as_dtype(name)


def epsilon(dtype: np.dtype[Any]) -> float:
    return 2.0**-7 if dtype.name == "bfloat16" else float(np.finfo(dtype).eps)


def assert_same_distribution(values: Array, expected: Array, eps: float, bounded: bool) -> None:
    """Compare two samples of equal size by their moments, and by their extremes if the values have bounds."""
    std, error = expected.std(), SIGMAS * math.sqrt(2 / min(values.size, expected.size))
    assert abs(values.mean() - expected.mean()) < (error + GRID * eps) * std
    assert abs(values.std() - std) < (error + GRID * eps) * std
    assert len(np.unique(values)) > 100
    if bounded:
        most = EXTREMES * std + GRID * eps * abs(expected).max()
        assert values.max() < expected.max() + most
        assert values.min() > expected.min() - most
    if bounded and eps < 1e-6:
        assert values.max() > expected.max() - EXTREMES * std
        assert values.min() < expected.min() + EXTREMES * std
    if not bounded:
        assert abs(values - expected.mean()).max() > 2.35 * std  # cut at two sigmas, they would end at 2.27


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", [*DRAWS, LOPSIDED, FAR], ids=case_id)
def test_same_distribution(peer: Peer, operation: Operation, dtype: str) -> None:
    """And two calls give different numbers."""
    out = np.full(SHAPE, 99, dtype_of(dtype))
    needs = "lopsided" if operation in (LOPSIDED, FAR) and peer.package == "keras" else "draws"
    run = prepared(peer, operation, out, 1, "truncated" if is_truncated(operation) and needs == "draws" else needs)
    if run is None:
        return
    first, second = result(peer, run, out), result(peer, run, out)
    expected = getattr(initcore, operation.name)(SHAPE, dtype="float64", rng=5, **operation.settings)
    assert first.shape == second.shape == SHAPE
    for values in (first, second):
        if peer.package == "jax" and operation == FAR:
            # The least of the uniform numbers that the dtype has becomes minus infinity, and JAX moves it to the bound
            assert (abs(values) > 1).mean() < 2 * epsilon(out.dtype)
            values = values[abs(values) < 1]
        assert_same_distribution(values, expected, epsilon(out.dtype), is_bounded(operation))
    assert_independent(first, second)


def assert_independent(first: Array, second: Array) -> None:
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < SIGMAS / math.sqrt(first.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", DRAWS[:3], ids=case_id)
def test_every_thread_has_numbers_of_its_own(peer: Peer, operation: Operation, dtype: str) -> None:
    out = np.full(SPLIT, 99, dtype_of(dtype))
    assert out.size >= split.LEAST
    run = prepared(peer, operation, out, 2, "truncated" if is_truncated(operation) else "draws")
    if run is None:
        return
    expected = getattr(initcore, operation.name)(SHAPE, dtype="float64", rng=6, **operation.settings)
    halves = np.split(result(peer, run, out), 2)
    for half in halves:
        assert_same_distribution(half, expected, epsilon(out.dtype), is_bounded(operation))
    assert_independent(*halves)


@pytest.mark.parametrize("threads", [1, 2])
def test_bits(peer: Peer, threads: int) -> None:
    """Each bit of the words is set as often as not, in every part."""
    out = np.zeros(SPLIT, np.uint32)
    run = prepared(peer, BITS, out, threads, "bits")
    if run is None:
        return
    first, second = result(peer, run, out), result(peer, run, out)
    for half in (*np.split(first, 2), *np.split(second, 2)):
        frequency = np.unpackbits(half.view(np.uint8).reshape(-1, 4), axis=1).mean(axis=0)
        assert abs(frequency - 0.5).max() < SIGMAS * 0.5 / math.sqrt(half.size)
    halves = [half.astype(np.float64) for half in (*np.split(first, 2), *np.split(second, 2))]
    for i in range(1, 4):
        assert_independent(halves[0], halves[i])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layout", ["transposed", "sliced"])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_layout(peer: Peer, layout: str, dtype: str, threads: int) -> None:
    """All of an array and nothing beside it, in whatever order it lies in memory."""
    base = np.full((SPLIT[0], 2 * SPLIT[1]), 99, dtype_of(dtype))
    out = base[:, ::2] if layout == "sliced" else base.reshape(2 * SPLIT[1], SPLIT[0])[: SPLIT[1]].T
    run = prepared(peer, DRAWS[1], out, threads, "draws")
    assert run is not None
    values = result(peer, run, out)
    assert values.shape == SPLIT
    expected = initcore.normal(SHAPE, dtype="float64", rng=7, **DRAWS[1].settings)
    assert_same_distribution(values, expected, epsilon(out.dtype), False)
    assert (base == 99).sum() >= (base.size - out.size if peer.in_place else base.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "settings", "needs"),
    [
        ((48, 48), {"gain": 2.0}, "orthogonal"),
        ((60, 40), {}, "oblong"),
        ((40, 60), {}, "oblong"),
        ((5, 24, 24), {"gain": 0.5, "batch_axis": 0}, "stack"),
    ],
    ids=["square", "tall", "wide", "stack"],
)
def test_orthogonal(peer: Peer, shape: tuple[int, ...], settings: dict[str, Any], needs: str, dtype: str) -> None:
    """Orthogonal, and of Haar's distribution as far as the signs of the diagonal go."""
    out = np.full(shape, 99, dtype_of(dtype))
    run = prepared(peer, Operation("orthogonal", settings), out, 1, needs)
    if run is None:
        return
    gain, eps = settings.get("gain", 1.0), epsilon(out.dtype)
    diagonals = []
    for _ in range(40):
        for q in np.atleast_3d(result(peer, run, out).T).T:
            assert q.shape == shape[-2:]
            q = q if q.shape[0] >= q.shape[1] else q.T
            assert np.allclose(q.T @ q, gain**2 * np.eye(q.shape[1]), atol=gain**2 * max(4 * eps, 1e-5))
            diagonals.append(np.diag(q) > 0)
    assert len({diagonal.tobytes() for diagonal in diagonals}) == len(diagonals)
    positive = np.concatenate(diagonals)
    assert abs(positive.mean() - 0.5) < SIGMAS * 0.5 / math.sqrt(positive.size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_delta_orthogonal(peer: Peer, dtype: str) -> None:
    """Orthogonal in the middle of the kernel, zero elsewhere; JAX's axes are in another order."""
    out = np.full((24, 16, 3, 3), 99, dtype_of(dtype))
    run = prepared(peer, Operation("delta_orthogonal"), out, 1, "delta_orthogonal")
    if run is None:
        return
    made = result(peer, run, out)
    made = made.transpose(3, 2, 0, 1) if peer.package == "jax" else made
    middle = made[:, :, 1, 1].copy()
    assert np.allclose(middle.T @ middle, np.eye(16), atol=max(4 * epsilon(out.dtype), 1e-5))
    assert np.count_nonzero(made) == np.count_nonzero(middle) > 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", CONSTANTS, ids=case_id)
def test_constants(peer: Peer, operation: Operation, dtype: str, threads: int) -> None:
    out = np.full(SPLIT, 99, dtype_of(dtype))
    run = prepared(peer, operation, out, threads, "constants")
    if run is not None:
        expected = getattr(initcore, operation.name)(SPLIT, dtype="float64", **operation.settings)
        assert np.array_equal(result(peer, run, out), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dirac(peer: Peer, dtype: str) -> None:
    out = np.full((6, 4, 3, 3), 99, dtype_of(dtype))
    run = prepared(peer, Operation("dirac", {"groups": 2}), out, 1, "dirac")
    if run is not None:
        assert np.array_equal(result(peer, run, out), initcore.dirac(out.shape, 2, dtype="float64"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse(peer: Peer, dtype: str) -> None:
    out = np.full((100, 80), 99, dtype_of(dtype))
    run = prepared(peer, Operation("sparse", {"sparsity": 0.75, "std": 0.5}), out, 1, "sparse")
    if run is None:
        return
    first, second = result(peer, run, out), result(peer, run, out)
    assert ((first == 0).sum(axis=0) == 75).all()
    assert not np.array_equal(first == 0, second == 0)
    assert abs(first[first != 0].std() - 0.5) < SIGMAS * 0.5 / math.sqrt(2 * 25 * 80)
