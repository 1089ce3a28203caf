"""What NumPy and torch are asked to draw for ``initcore bench``: the same distributions as initcore."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore.cli.benchmark.cases import case_of
from initcore.cli.benchmark.peers import numpy_peer, torch_peer
from initcore.cli.catalog import catalog

pytestmark = pytest.mark.any_isa

UNIFORMS = [name for name in sorted(catalog()) if name.endswith("uniform")]


def peer_result(peer: Any, name: str, dtype: Any, shape: tuple[int, ...] = (200, 300)) -> Any:
    case = case_of(name)
    shape = case.shape(shape, 4096)
    out = np.full(shape, 7, case.dtype or dtype)
    run = peer(name, out, case.settings)
    assert run is not None
    run()
    return out if out.dtype == np.uint32 else out.astype(np.float64)


def assert_drawn_like_ours(filled: Any, name: str) -> None:
    expected = getattr(initcore, name)(filled.shape, dtype="float64", rng=0)
    assert filled.std() == pytest.approx(expected.std(), rel=0.02)
    assert abs(filled.mean() - expected.mean()) < 0.02 * expected.std()
    assert abs(filled).max() < 1.5 * abs(expected).max()
    assert len(np.unique(filled)) > 100


@pytest.mark.parametrize("name", ["normal", "xavier_normal", "kaiming_normal", *UNIFORMS])
def test_numpy_draws(name: str, dtype: Any) -> None:
    assert_drawn_like_ours(peer_result(numpy_peer, name, dtype), name)


@pytest.mark.parametrize("name", ["lecun_normal", "lecun_uniform", "he_normal", "glorot_uniform", "variance_scaling"])
def test_torch_draws_what_it_has_no_name_for(name: str, dtype: Any) -> None:
    need("torch")
    assert_drawn_like_ours(peer_result(torch_peer, name, dtype), name)


def test_numpy_patterns(dtype: Any) -> None:
    assert (peer_result(numpy_peer, "zeros", dtype) == 0).all()
    assert (peer_result(numpy_peer, "ones", dtype) == 1).all()
    assert (peer_result(numpy_peer, "constant", dtype) == 0.5).all()
    assert np.array_equal(peer_result(numpy_peer, "eye", dtype), np.eye(200, 300))


def test_numpy_bits() -> None:
    assert peer_result(numpy_peer, "bits", np.uint32).mean() == pytest.approx(2**31, rel=0.02)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_numpy_orthogonal(shape: tuple[int, int], dtype: str) -> None:
    q = peer_result(numpy_peer, "orthogonal", dtype, shape)
    q = q if shape[0] >= shape[1] else q.T
    assert np.allclose(q.T @ q, np.eye(min(shape)), atol=0.01)


@pytest.mark.parametrize("name", ["dirac", "sparse", "variance_scaling", "trunc_normal", "lecun_normal"])
def test_numpy_has_no_counterpart(name: str) -> None:
    assert numpy_peer(name, np.zeros((3, 3)), {}) is None


@pytest.mark.parametrize("name", ["normal", "kaiming_uniform", "sparse", "eye", "dirac", "constant"])
def test_torch_fills_the_same_memory(name: str, dtype: Any) -> None:
    need("torch")
    filled = peer_result(torch_peer, name, dtype, (60, 50))
    assert not (filled == 7).any()
    if name == "eye":
        assert np.array_equal(filled, np.eye(60, 50))


def test_torch_has_no_counterpart() -> None:
    assert torch_peer("bits", np.zeros(3, np.uint32), {}) is None


def test_torch_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert torch_peer("normal", np.zeros(3), {}) is None
