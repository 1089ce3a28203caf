"""What is nearly right is answered with what was meant, and nothing is printed that has no end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore

pytestmark = pytest.mark.any_isa

CALLS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a nonlinearity": (lambda: initcore.calculate_gain("GELU"), ValueError, "did you mean 'gelu'"),
    "a letter": (
        lambda: initcore.kaiming_normal((3, 3), nonlinearity="rely"),
        ValueError,
        "did you mean 'relu'",
    ),
    "a mode": (lambda: initcore.kaiming_uniform((3, 3), mode="fanin"), ValueError, "did you mean 'fan_in'"),
    "a distribution": (
        lambda: initcore.variance_scaling((3, 3), distribution="norml"),
        ValueError,
        "did you mean 'normal'",
    ),
    "bounds": (lambda: initcore.trunc_normal(3, bounds="sigmas"), ValueError, "did you mean 'sigma'"),
    "a function": (lambda: getattr(initcore, "kaiming_normall"), AttributeError, "did you mean 'kaiming_normal'"),  # noqa: B009
    "seed": (lambda: initcore.normal(3, seed=0), TypeError, "'seed'; rng=0 is"),
    "generator": (lambda: initcore.uniform(3, generator=None), TypeError, "rng takes a generator"),
    "size": (lambda: initcore.ones(3, size=3), TypeError, "the first argument is the shape"),
    "a keyword": (lambda: initcore.xavier_normal((3, 3), gian=2), TypeError, "did you mean 'gain'"),
    "a list": (lambda: initcore.normal_([1.0]), TypeError, "numpy.empty"),
    "an array for a shape": (lambda: initcore.normal(np.ones((99, 99))), TypeError, r"shape \(99, 99\).*ends in _"),
    "an array for a source": (lambda: initcore.normal(3, rng=np.arange(9999)), TypeError, r"of shape \(9999,\)"),
    "many sizes": (lambda: initcore.normal(-np.arange(9999)), ValueError, r"\.\.\."),
}


@pytest.mark.parametrize("what", CALLS)
def test_what_was_meant_is_said_in_a_line(what: str) -> None:
    call, kind, said = CALLS[what]
    with pytest.raises(kind, match=said) as found:
        call()
    assert len(str(found.value)) < 500


def test_what_is_nothing_like_a_name_is_asked_nothing() -> None:
    with pytest.raises(ValueError, match=r"hardtanh$"):
        initcore.calculate_gain("zzzz")


def test_a_tensor_is_answered_with_a_way_that_every_function_has() -> None:
    """Also those that torch.nn.init lacks, as lecun_normal_."""
    torch = need("torch")
    with pytest.raises(TypeError, match=r"give tensor\.detach\(\)\.numpy\(\), which shares its memory"):
        initcore.lecun_normal_(torch.zeros(3, 4))
    weight = torch.nn.Linear(3, 4).weight
    initcore.lecun_normal_(weight.detach().numpy(), rng=0)
    assert (weight.detach().numpy() == initcore.lecun_normal((4, 3), rng=0)).all()


def test_an_array_of_jax_is_answered_as_a_tensor_is() -> None:
    jax = need("jax")
    with pytest.raises(TypeError, match=r"cannot be changed, and initcore\.jax makes new ones"):
        initcore.normal_(jax.numpy.ones(3))
    with pytest.raises(TypeError, match=r"initcore\.jax take it as key"):
        initcore.normal(3, rng=jax.random.key(0))
