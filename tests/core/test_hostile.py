"""Whatever objects Python can make: an error, and never a crash or a write to memory that is no longer the array's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hostile import Act, Key, Number, Seed, Unmade, Window, full_number

import initcore
from initcore import FlatShard, Generator, Shard, Stream, _core

pytestmark = pytest.mark.any_isa

SHAPE = (64, 64)
ATTRIBUTES = {"global_shape": SHAPE, "shape": SHAPE, "offset": (0, 0)}


@pytest.mark.parametrize("make", [Unmade, lambda: Generator.__new__(Generator), lambda: _core.DrawCounter()])
def test_generators_without_a_stream_are_refused(make: Callable[[], Any]) -> None:
    for call in (
        lambda: initcore.normal(9, rng=make()),
        lambda: initcore.orthogonal((9, 9), rng=make()),
        lambda: initcore.sparse((9, 9), 0.5, rng=make()),
        lambda: _core.take(make()),
    ):
        with pytest.raises(ValueError, match="made without its __init__: it has no stream"):
            call()


def test_streams_without_a_seed_are_refused() -> None:
    with pytest.raises(AttributeError):
        initcore.normal(9, rng=Stream.__new__(Stream))


Fill = Callable[[Any, Act], object]
HOSTILE: dict[str, Fill] = {
    "mean": lambda w, resize: initcore.normal_(w, Number(0, resize), 1.0, rng=0),  # type: ignore[arg-type]
    "std": lambda w, resize: initcore.normal_(w, 0.0, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "high": lambda w, resize: initcore.uniform_(w, 0.0, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "bound": lambda w, resize: initcore.trunc_normal_(w, 0.0, 1.0, -1.0, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "gain": lambda w, resize: initcore.orthogonal_(w, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "gain of xavier": lambda w, resize: initcore.xavier_normal_(w, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "sparsity": lambda w, resize: initcore.sparse_(w, Number(0.5, resize), rng=0),  # type: ignore[arg-type]
    "std of sparse": lambda w, resize: initcore.sparse_(w, 0.5, Number(1, resize), rng=0),  # type: ignore[arg-type]
    "value": lambda w, resize: initcore.constant_(w, Number(1, resize)),  # type: ignore[arg-type]
    "batch_axis": lambda w, resize: initcore.orthogonal_(w, batch_axis=Number(0, resize), rng=0),  # type: ignore[arg-type]
    **{
        f"{how} of {name}": lambda w, resize, name=name, made=made: getattr(initcore, name)(
            w, *((0.5,) if name == "sparse_" else ()), rng=made(resize)
        )
        for name in ("normal_", "uniform_", "orthogonal_", "sparse_", "kaiming_uniform_", "bits_")
        for how, made in (("key", Key), ("seed", Seed), ("generator", lambda resize: Generator(Seed(resize))))
    },
    **{
        f"{at} of a shard": lambda w, resize, at=at: initcore.normal_(w, rng=0, shard=Window(at, resize, **ATTRIBUTES))  # type: ignore[arg-type]
        for at in ATTRIBUTES
    },
}


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (700, 700)], ids=str)
@pytest.mark.parametrize("argument", HOSTILE)
def test_arguments_that_resize_the_target_crash_nothing(argument: str, size: tuple[int, int]) -> None:
    """Smaller or larger, at once and for good: an error, or a fill of the array as it then is."""
    dtype = np.uint32 if argument.endswith("bits_") else np.float32
    target = np.zeros(SHAPE, dtype)

    def resize() -> None:
        target.resize(size, refcheck=False)

    with suppress(TypeError, ValueError, IndexError, AttributeError):
        HOSTILE[argument](target, resize)
    assert target.shape in (SHAPE, size)
    np.zeros(1 << 16).fill(1.0)  # an allocator that was written over says so here at the latest
    assert initcore.normal(100, rng=0).std() > 0.5


def test_an_axis_that_resizes_a_stack_while_it_is_read() -> None:
    """Every matrix is made of rows and columns that the target has then."""
    target = np.zeros((4, 8, 8), np.float32)
    axis = Number(0, lambda: target.resize((2, 300, 300), refcheck=False))
    with suppress(ValueError):
        initcore.orthogonal_(target, batch_axis=axis, rng=0)  # type: ignore[arg-type]
    assert target.shape == (2, 300, 300)
    assert np.array_equal(target, initcore.orthogonal((2, 300, 300), batch_axis=0, rng=0))


@pytest.mark.parametrize("argument", ["sparsity", "std"])
def test_numbers_of_a_sparse_matrix_are_read_before_anything_is_written(argument: str) -> None:
    """Once: what they do at a second time would come too late."""
    target = np.zeros(SHAPE, np.float32)
    times: list[int] = []

    def act() -> None:
        times.append(len(times))
        target.flags.writeable = False

    numbers: dict[str, Any] = {"sparsity": 0.5, "std": 1.0, argument: full_number(0.5, act)}
    with pytest.raises(ValueError, match="read-only"):
        initcore.sparse_(target, **numbers, rng=0)
    assert times == [0]
    assert not target.any()


def test_groups_are_read_before_anything_is_written() -> None:
    """A float that is a whole number is refused as others are."""
    target, times = np.full((4, 2, 3), 7.0), [0]

    def fail_later() -> None:
        times[0] += 1
        if times[0] > 1:
            raise ArithmeticError

    initcore.dirac_(np.empty((4, 2, 3)), full_number(2, fail_later))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"divisible by groups, got shape .* and groups=2\.0"):
        initcore.dirac_(target, 2.0)  # type: ignore[arg-type]
    assert (target == 7).all()


@pytest.mark.parametrize("fill", [initcore.normal_, initcore.eye_, initcore.orthogonal_, initcore.zeros_])
def test_what_only_looks_like_a_shard_is_refused(fill: Callable[..., object]) -> None:
    """Its attributes might change from one look to the next, and need be no tuples of ints."""
    target = np.zeros(SHAPE, np.float32)
    offsets: list[Any] = [(0, 0), (), [], (0,)]
    for offset in offsets:
        window = Window(None, lambda: None, **{**ATTRIBUTES, "offset": offset})
        with pytest.raises(TypeError, match=r"shard must be an initcore\.Shard, not"):
            fill(target, shard=window)
    assert not target.any()


def test_a_shard_that_was_forged_is_an_error() -> None:
    wrong: list[tuple[str, Any]] = [("offset", ()), ("offset", []), ("global_shape", ()), ("offset", (0,))]
    for attribute, value in wrong:
        shard = Shard.__new__(Shard)
        for name, right in {**ATTRIBUTES, attribute: value}.items():
            object.__setattr__(shard, name, right)
        with pytest.raises(IndexError):
            initcore.normal_(np.zeros(SHAPE, np.float32), rng=0, shard=shard)


@pytest.mark.parametrize("whole", [(2**62, 2**62), (2**64, 64), (63, 64), (0, 0)], ids=str)
def test_a_matrix_is_no_part_of_what_is_forged(whole: tuple[int, int]) -> None:
    shard = Shard.__new__(Shard)
    for name, value in {**ATTRIBUTES, "global_shape": whole}.items():
        object.__setattr__(shard, name, value)
    with pytest.raises(ValueError, match=r"no part of|at most"):
        initcore.orthogonal_(np.zeros(SHAPE, np.float32), rng=0, shard=shard)


def test_a_flat_shard_of_a_whole_without_axes() -> None:
    assert initcore.normal(FlatShard((), 0, 1), rng=0) == initcore.normal((), rng=0)
    assert initcore.normal(FlatShard((), 1, 1), rng=0).shape == (0,)
