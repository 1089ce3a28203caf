"""All parameters of whole models, one array after the other: the fills of a model as its constructor makes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from measuring import Job, Measure
from operations import MODELS, Model, Scale, gpt2_small, vit_b16
from peers import PEERS

#: Those that fill a model's own arrays, and JAX, whose models are made of new ones
WHO = [name for name, peer in PEERS.items() if peer.in_place or peer.package == "jax"]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_model(make: Callable[[int], Model], who: str, measure: Measure, scale: Scale) -> None:
    model = make(scale.shrink)
    jobs = [Job(parameter.operation, parameter.shape, model.dtype) for parameter in model.parameters]
    measure.fill_all(who, jobs, model.name, (model.elements,), model.dtype, arrays=len(jobs))


@pytest.mark.parametrize(("make", "elements"), [(gpt2_small, 124_439_808), (vit_b16, 86_567_656)])
def test_a_model_has_as_many_parameters_as_the_published_one(make: Callable[[], Model], elements: int) -> None:
    """As ``sum(p.numel() for p in model.parameters())`` of transformers' gpt2 and of timm's vit_base_patch16_224."""
    assert make().elements == elements
