"""What NumPy and torch offer for the same work: one callable each, or None where they have no counterpart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import initcore

__all__ = ["PEERS", "numpy_peer", "torch_peer"]

Array: TypeAlias = "NDArray[Any]"
Run: TypeAlias = Callable[[], object]
Settings: TypeAlias = Mapping[str, Any]

NORMALS = ("normal", "xavier_normal", "kaiming_normal")  # the others are truncated, which NumPy cannot do
SCALE = 0.01


def numpy_peer(name: str, out: Array, settings: Settings) -> Run | None:
    """Return what a NumPy user would do to fill a contiguous array in place."""
    rng = np.random.default_rng(0)
    if name in NORMALS:
        return _drawing(rng.standard_normal, out, lambda z: z if name == "normal" else np.multiply(z, SCALE, out=z))
    if name.endswith("uniform"):
        return _drawing(rng.random, out, lambda u: u if name == "uniform" else _centred(u))
    runs: dict[str, Run] = {
        "bits": lambda: np.copyto(out, rng.integers(0, 1 << 32, out.shape, np.uint32)),
        "constant": lambda: out.fill(settings["val"]),
        "eye": lambda: _eye(out),
        "ones": lambda: out.fill(1),
        "orthogonal": lambda: _orthogonal(rng, out),
        "zeros": lambda: out.fill(0),
    }
    return runs.get(name)


def _drawing(draw: Callable[..., object], out: Array, finish: Callable[[Array], Array]) -> Run:
    """Draw in place, or in a float32 buffer where NumPy cannot draw the dtype."""
    if out.dtype in (np.float32, np.float64):
        return lambda: (draw(out=out, dtype=out.dtype), finish(out))
    buffer = np.zeros(out.shape, np.float32)

    def through_buffer() -> None:
        draw(out=buffer, dtype=np.float32)
        out[...] = finish(buffer).astype(out.dtype)

    return through_buffer


def _centred(u: Array) -> Array:
    np.multiply(u, 2 * SCALE, out=u)
    return np.subtract(u, SCALE, out=u)


def _eye(out: Array) -> None:
    out.fill(0)
    np.fill_diagonal(out, 1)


def _orthogonal(rng: np.random.Generator, out: Array) -> None:
    rows, columns = out.shape
    working = np.float64 if out.dtype == np.float64 else np.float32
    q, r = np.linalg.qr(rng.standard_normal((max(out.shape), min(out.shape)), working))
    q *= np.sign(np.diag(r))
    out[...] = (q if rows >= columns else q.T).astype(out.dtype)


def torch_peer(name: str, out: Array, settings: Settings) -> Run | None:
    """Return torch's function of the same name on a tensor that shares an array's memory."""
    try:
        import torch
        from torch.nn import init
    except ImportError:
        return None
    function = getattr(init, name + "_", None)
    if function is None:
        return None
    if out.dtype.name == "bfloat16":
        tensor = torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(out)
    torch.set_num_threads(initcore.get_num_threads())
    return lambda: function(tensor, **settings)


PEERS = {"numpy": numpy_peer, "torch": torch_peer}
