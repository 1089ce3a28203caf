"""The functions of NumPy and torch that do the same work as an initializer, as callables to measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import initcore
from initcore.catalog import elementwise
from initcore.distributions import Normal, Uniform

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PEERS", "Array", "Run", "drawing", "numpy_part", "numpy_peer", "tensor_of", "torch_peer"]

Array: TypeAlias = NDArray[Any]
Run: TypeAlias = Callable[[], object]
Settings: TypeAlias = Mapping[str, Any]

#: By the kind of a distribution: the parameters of torch's function, and the attributes that give their values
PARAMETERS = {
    "uniform": {"a": "low", "b": "high"},
    "normal": {"mean": "mean", "std": "std"},
    "trunc_normal": {"mean": "centre", "std": "spread", "a": "low", "b": "high"},
}


def drawing(out: Array, draw: Callable[[Array], object]) -> Run:
    """Return a callable that draws in place, or in a buffer if NumPy cannot draw in the array's dtype or layout."""
    native = out.dtype.itemsize > 2
    if native and out.flags.c_contiguous:
        return lambda: draw(out)
    # written now, so that the system does not clear its pages while the time is measured
    buffer = np.ones(out.shape, out.dtype if native else np.float32)

    def through_buffer() -> None:
        draw(buffer)
        np.copyto(out, buffer, casting="unsafe")

    return through_buffer


def numpy_peer(name: str, out: Array, settings: Settings, rng: np.random.Generator | None = None) -> Run | None:
    """Return a callable that fills an array in place as a NumPy user would, or None if NumPy cannot."""
    rng = rng or np.random.default_rng(0)
    part = numpy_part(name, out, settings)
    if part is not None:
        return part(out, rng)
    if name == "eye":
        return lambda: _eye(out)
    if name == "orthogonal":
        return lambda: _orthogonal(rng, out, **settings)
    return None


def numpy_part(name: str, out: Array, settings: Settings) -> Callable[[Array, np.random.Generator], Run] | None:
    """Return a function that makes such a callable for any part of an array, or None if parts depend on each other."""
    if name == "bits":
        return lambda part, rng: lambda: _bits(rng, part)
    values = {"constant": settings.get("val"), "ones": 1, "zeros": 0}
    if name in values:
        return lambda part, rng: lambda: part.fill(values[name])
    draw = elementwise(name, out.shape, settings)
    if not isinstance(draw, (Uniform, Normal)):  # NumPy has no truncated distributions
        return None
    return lambda part, rng: drawing(part, lambda target: _draw(rng, draw, target))


def _draw(rng: np.random.Generator, draw: Uniform | Normal, out: Array) -> None:
    if isinstance(draw, Uniform):
        rng.random(out=out, dtype=out.dtype)
        scale, shift = draw.high - draw.low, draw.low
    else:
        rng.standard_normal(out=out, dtype=out.dtype)
        scale, shift = draw.std, draw.mean
    if scale != 1:
        np.multiply(out, scale, out=out)
    if shift != 0:
        np.add(out, shift, out=out)


def _bits(rng: np.random.Generator, out: Array) -> None:
    """Draw words of 64 bits, since most of NumPy's generators make these: it is twice as fast as drawing 32 bits."""
    words = rng.integers(0, 1 << 64, -(-out.size // 2), np.uint64).view(np.uint32)
    out[...] = words[: out.size].reshape(out.shape)


def _eye(out: Array) -> None:
    out.fill(0)
    np.fill_diagonal(out, 1)


def _orthogonal(rng: np.random.Generator, out: Array, gain: float = 1.0, batch_axis: int | None = None) -> None:
    stack = out[None] if batch_axis is None else np.moveaxis(out, batch_axis, 0)
    batch, rows = stack.shape[:2]
    columns = out.size // (batch * rows)
    working = np.float64 if out.dtype == np.float64 else np.float32
    q, r = np.linalg.qr(rng.standard_normal((batch, max(rows, columns), min(rows, columns)), working))
    q *= gain * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    stack[...] = (q if rows >= columns else q.transpose(0, 2, 1)).reshape(stack.shape)


def torch_peer(name: str, out: Array, settings: Settings, threads: int | None = None) -> Run | None:
    """Return a callable for torch's function of the same name, or of the same distribution, on the array's memory.

    The result is None if torch is not installed, or has no such function.
    """
    try:
        from torch import nn
    except ImportError:
        return None
    parameters = dict(settings)
    if not hasattr(nn.init, name + "_"):
        draw = elementwise(name, out.shape, settings)
        if draw is None:
            return None
        name = draw.kind
        parameters = {key: getattr(draw, attribute) for key, attribute in PARAMETERS[name].items()}
    function = getattr(nn.init, name + "_")
    tensor = tensor_of(out, threads or initcore.get_num_threads())
    if name != "orthogonal" or tensor.element_size() > 2:
        return lambda: function(tensor, **parameters)
    buffer = tensor.float()  # torch's QR supports no half precision
    return lambda: tensor.copy_(function(buffer, **parameters))


def tensor_of(out: Array, threads: int) -> Tensor:
    """Return a tensor that shares an array's memory, and set the number of threads with which torch fills it."""
    import torch

    torch.set_num_threads(threads)
    if out.dtype.name == "bfloat16":
        return torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(out)


PEERS: dict[str, Callable[[str, Array, Settings], Run | None]] = {"numpy": numpy_peer, "torch": torch_peer}
