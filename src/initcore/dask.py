"""Every initializer as a ``dask.array``. Neither the chunks nor the scheduler change a value.

The names and parameters are those of the functions that return new arrays, and ``chunks=``, which dask's own functions
take, too. The graph holds where each block begins. A block is drawn where and when dask needs it, and each time.

>>> import initcore, initcore.dask
>>> w = initcore.dask.normal((4000, 3000), std=0.02, chunks=(1000, "auto"), rng=0)
>>> w.numblocks[0], float(abs(w - initcore.normal((4000, 3000), std=0.02, rng=0)).max())
(4, 0.0)
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import initcore
from initcore import _core, new
from initcore.choices import about_attribute
from initcore.dtypes import as_dtype
from initcore.keywords import answering
from initcore.shards import FlatShard, Shard, as_shape, set_rows_to_zero

try:
    import_module("dask.array")
except ImportError as error:
    raise ImportError("initcore.dask needs dask: pip install 'initcore[dask]'", name="dask") from error

import dask.array as da
from dask import config
from dask.array.core import normalize_chunks
from dask.base import tokenize
from dask.utils import parse_bytes

if TYPE_CHECKING:
    from initcore.models import Plan
    from initcore.models.plan.shapes import ShapesLike

__all__ = ["plan", *new.__all__]

Chunks = tuple[tuple[int, ...], ...]


@answering
def plan(plan: Plan, shapes: ShapesLike, chunks: Any = "auto") -> dict[str, da.Array]:
    """Return an array for each parameter of a model, with the bytes that the plan gives the parameter everywhere.

    Parameters
    ----------
    plan : initcore.Plan
    shapes : mapping or iterable
        The shapes of all parameters, as :meth:`initcore.Plan.resolve` takes them.
    chunks : int, tuple, str or mapping
        The chunks of all parameters, in any form that dask takes, or a mapping from names to chunks. Parameters without
        an entry get ``"auto"``.

    Raises
    ------
    PlanError
        If :meth:`initcore.Plan.resolve` raises it.
    ValueError
        If `chunks` has a name that is not a parameter's.

    Examples
    --------
    >>> import initcore, initcore.dask
    >>> plan = initcore.Plan([initcore.Rule("kaiming_normal", match="*")], seed=7)
    >>> arrays = initcore.dask.plan(plan, {"up": (400, 100), "down": (100, 400)}, {"up": (100, 100)})
    >>> arrays["up"].numblocks, arrays["down"].numblocks
    ((4, 1), (1, 1))
    """
    resolved = plan.resolve(shapes)
    of_each = chunks if isinstance(chunks, Mapping) else dict.fromkeys(resolved, chunks)
    if unknown := [name for name in of_each if name not in resolved]:
        raise ValueError(f"chunks for {', '.join(unknown)}: there is no such parameter")
    return {
        name: _array(
            it.init,
            it.shape,
            of_each.get(name, "auto"),
            it.dtype,
            it.settings,
            it.stream,
            it.draws,
            tuple(it.rule.zero_rows),
        )
        for name, it in resolved.items()
    }


@dataclass(frozen=True)
class Blocks:
    """A function that returns a block of an array. It holds all that a task needs, except the block's place."""

    init: str
    settings: Mapping[str, Any]
    dtype: np.dtype[Any]
    shard: Shard
    starts: tuple[range | tuple[int, ...], ...]
    draw: _core.Draw | None = None
    zero_rows: tuple[int, ...] = ()

    def __call__(self, block_id: tuple[int, ...] = ()) -> NDArray[Any]:
        """Return the block at a place in the grid of blocks."""
        index = []
        for at, starts, size, offset in zip(block_id, self.starts, self.shard.shape, self.shard.offset, strict=True):
            stop = starts[at + 1] if at + 1 < len(starts) else size
            index.append(slice(offset + starts[at], offset + stop))
        if isinstance(self.shard, FlatShard):
            return self.filled(FlatShard(self.shard.global_shape, index[0].start, index[0].stop))
        return self.filled(Shard(self.shard.global_shape, tuple(index)))

    def filled(self, shard: Shard) -> NDArray[Any]:
        """Return a new array with the values of a shard."""
        given = {} if self.draw is None else {"rng": self.draw}
        array: NDArray[Any] = getattr(initcore, self.init)(shard, dtype=self.dtype, **given, **self.settings)
        set_rows_to_zero(array, self.zero_rows, shard)
        return array


def _starts(sizes: tuple[int, ...]) -> range | tuple[int, ...]:
    """Return where chunks begin; for equal chunks, as a range instead of a tuple of all."""
    if len(set(sizes[:-1])) == 1 and 0 < sizes[-1] <= sizes[0]:
        return range(0, sum(sizes), sizes[0])
    return tuple(accumulate(sizes[:-1], initial=0))


def _array(
    init: str,
    where: Any,
    chunks: Any,
    dtype: Any,
    settings: Mapping[str, Any],
    rng: Any,
    draws: bool,
    zero_rows: tuple[int, ...] = (),
) -> da.Array:
    """Return the array that a call describes; if it `draws`, one draw of `rng` is taken for all of it."""
    shard = where if isinstance(where, Shard) else Shard(as_shape(where))
    dtype = as_dtype(dtype)
    if isinstance(chunks, str) and chunks == "auto":
        chunks = _cheap_chunks(init, settings, shard.shape, dtype.itemsize)
    grid: Chunks = normalize_chunks(chunks, shard.shape, dtype=dtype)
    starts = tuple(map(_starts, grid))
    blocks = Blocks(init, settings, dtype, shard, starts, _core.take(0) if draws else None, zero_rows)
    # a block without elements raises the errors of all blocks now, before a draw is taken
    flat = isinstance(shard, FlatShard)
    whole = shard.global_shape
    blocks.filled(FlatShard(whole, 0, 0) if flat else Shard(whole, (slice(0, 0),) * len(whole)))
    if draws:
        blocks = replace(blocks, draw=_core.take(rng))
    array: da.Array = da.map_blocks(
        blocks,
        chunks=grid,
        dtype=dtype,
        meta=np.empty((0,) * len(grid), dtype),
        name=f"{init}-{tokenize(blocks, grid)}",
    )
    return array


def _cheap_chunks(init: str, settings: Mapping[str, Any], shape: tuple[int, ...], itemsize: int) -> Any:
    """Return chunks of dask's size, cut only along axes where the cost of a block is proportional to its size."""
    if init == "sparse" and len(shape) == 2:
        return (-1, "auto")
    if init == "delta_orthogonal" and len(shape) > 2:
        return (-1, "auto", *[-1] * (len(shape) - 2))
    batch = settings.get("batch_axis")
    if init != "orthogonal" or len(shape) < 2 + (batch is not None):
        return "auto"
    axes = [axis for axis in range(len(shape)) if batch is None or axis != batch % len(shape)]
    chunks: list[Any] = [-1] * len(shape)
    rows, columns = shape[axes[0]], math.prod(shape[axis] for axis in axes[1:])
    if batch is not None and rows * columns * itemsize <= parse_bytes(config.get("array.chunk-size")):
        chunks[batch] = "auto"
        return tuple(chunks)
    if batch is not None:
        chunks[batch] = 1
    for axis in axes[1:] if rows >= columns else axes[:1]:
        chunks[axis] = "auto"
    return tuple(chunks)


def _lazily(function: Callable[..., Any]) -> Callable[..., da.Array]:
    """Return a function with the parameters of `function` and `chunks` that returns a dask array of the same values."""
    signature = inspect.signature(function)
    known = [parameter for name, parameter in signature.parameters.items() if name not in ("progress", "unknown")]
    signature = signature.replace(parameters=known)
    init = function.__name__

    def initializer(*args: Any, chunks: Any = "auto", **kwargs: Any) -> da.Array:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        settings = dict(bound.arguments)
        draws, where, dtype = "rng" in settings, settings.pop("shape"), settings.pop("dtype")
        return _array(init, where, chunks, dtype, settings, settings.pop("rng", None), draws)

    chunks = inspect.Parameter("chunks", inspect.Parameter.KEYWORD_ONLY, default="auto", annotation=Any)
    shown = signature.replace(parameters=[*known, chunks], return_annotation=da.Array)
    initializer.__name__ = initializer.__qualname__ = init
    initializer.__signature__ = shown  # type: ignore[attr-defined]
    initializer.__doc__ = _described(function, [parameter.name for parameter in known])
    return initializer


_DOC = """Return a dask array with the values of :func:`initcore.{init}`, whose parameters it takes.

Parameters
----------
{parameters}
chunks : int, tuple or str
    The chunks, in any form that dask takes. They change no value. ``"auto"`` cuts the array only along axes where
    the cost of a block is proportional to its size.

Returns
-------
dask.array.Array

Notes
-----
Each call of this function takes one draw of `rng`, if it has one, from which all blocks are filled.

Examples
--------
>>> import initcore.dask
>>> initcore.dask.{example}.compute().shape
{shape}
"""


def _described(function: Callable[..., Any], known: list[str]) -> str:
    """Return the docstring of the function for dask arrays, with what that for NumPy arrays says of its parameters."""
    doc, name = inspect.getdoc(function) or "", function.__name__
    section = re.search(r"Parameters\n-+\n(.*?)\n\n", doc, re.DOTALL)
    texts = re.split(r"\n(?=\S)", section[1]) if section else []
    kept = [text for text in texts if {it.strip() for it in text.partition(" : ")[0].split(",")} & {*known}]
    example = re.search(r">>> initcore\.(.*)\.shape\n(.*)", doc)
    call, shape = example.groups() if example else (f"{name}((4, 3))", "(4, 3)")
    return _DOC.format(init=name, parameters="\n".join(kept), example=call, shape=shape)


def __getattr__(name: str) -> Callable[..., da.Array]:
    """Make the function of a name on its first use."""
    if name not in new.__all__:
        raise about_attribute(__name__, name, __all__)
    function = globals()[name] = answering(_lazily(getattr(new, name)))
    return function


def __dir__() -> list[str]:
    return __all__
