"""Whatever objects Python can make: an error, and never a crash or a write to memory that is no longer the array's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import initcore
from initcore import Generator, Stream, _core

pytestmark = pytest.mark.any_isa

SHAPE = (64, 64)
Resize = Callable[[], None]


class Unmade(Generator):
    """A subclass that forgets its parent's __init__."""

    def __init__(self) -> None:
        pass


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


class Number:
    """A number that resizes the target when it is read."""

    def __init__(self, value: float, resize: Resize) -> None:
        self.value, self.resize = value, resize

    def __float__(self) -> float:
        self.resize()
        return self.value

    def __index__(self) -> int:
        self.resize()
        return int(self.value)


class Key(_core.KeyedStream):
    """A stream that resizes the target when its key is asked for."""

    def __init__(self, resize: Resize) -> None:
        self.resize = resize

    def _derive_key(self) -> tuple[int, int]:
        self.resize()
        return 1, 2


class Seed:
    """A seed that does."""

    def __init__(self, resize: Resize) -> None:
        self.resize = resize

    def __index__(self) -> int:
        self.resize()
        return 3


class Window:
    """A shard that does, at each of its attributes in turn."""

    def __init__(self, at: str, resize: Resize) -> None:
        self.at, self.resize = at, resize

    def __getattr__(self, name: str) -> Any:
        if name == self.at:
            self.resize()
        return {"global_shape": SHAPE, "shape": SHAPE, "offset": (0, 0)}[name]


Fill = Callable[[Any, Resize], object]
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
        f"{at} of a shard": lambda w, resize, at=at: initcore.normal_(w, rng=0, shard=Window(at, resize))  # type: ignore[arg-type]
        for at in ("global_shape", "shape", "offset")
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
