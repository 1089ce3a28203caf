"""Other ways to call: new arrays, and tensors of torch, which a row's ``form`` names; and bounds far out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from measuring import Measure
from operations import TAIL, Scale, Shape
from peers import PEERS

import initcore


def new_array(who: str, shape: Shape) -> Callable[[], Any]:
    """Return what makes an array, or, for comparison, what only touches its memory."""
    generators = initcore.Generator(0), np.random.default_rng(0)
    return {
        "initcore": lambda: initcore.normal(shape, dtype="float32", rng=generators[0]),
        "numpy PCG64": lambda: generators[1].standard_normal(shape, np.float32),
        "numpy ones": lambda: np.ones(shape, np.float32),
    }[who]


@pytest.mark.parametrize("who", ["initcore", "numpy PCG64", "numpy ones"])
def test_new_array(who: str, measure: Measure, scale: Scale) -> None:
    """The memory of the call before is freed, and so the system clears pages for each."""
    shape = (scale.count(1 << 28),)
    nbytes = 4 * math.prod(shape)
    measure.need(2 * nbytes, "normal", who)
    measure.time(
        new_array(who, shape), "normal", who, "float32", shape, nbytes, in_place=False, form="a new array", rounds=3
    )


def tensor_fill(who: str, shape: Shape, fresh: bool) -> Callable[[], Any]:
    """Return what fills a tensor, either one that is there or one whose memory the allocator has just given."""
    torch = pytest.importorskip("torch")
    import initcore.torch

    fill = initcore.torch.normal_ if who == "initcore" else torch.nn.init.normal_
    tensor = torch.ones(shape)
    return lambda: fill(torch.empty(shape) if fresh else tensor)


@pytest.mark.parametrize("who", ["initcore", "torch"])
@pytest.mark.parametrize(("form", "elements"), [("a tensor", 64), ("a fresh tensor", 1 << 24)])
def test_tensor(form: str, elements: int, who: str, measure: Measure, scale: Scale) -> None:
    measure.peer(who)
    shape = (scale.count(elements) if elements > 64 else elements,)
    run = tensor_fill(who, shape, "fresh" in form)
    if who == "torch":
        pytest.importorskip("torch").set_num_threads(measure.threads)
    measure.time(run, "normal", who, "float32", shape, 4 * shape[0], in_place="fresh" not in form, form=form)


@pytest.mark.parametrize("who", PEERS)
def test_tail(who: str, measure: Measure, scale: Scale) -> None:
    measure.fill(who, TAIL, scale.matrix, "float32")
