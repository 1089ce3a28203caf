"""What is nearly right is answered with what was meant, and nothing is printed that has no end."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from support import need
from tables import ALL

import initcore
from initcore.models import presets, save_checkpoint

pytestmark = pytest.mark.any_isa

PLAN: Any = initcore.Plan([])
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
    "a preset": (lambda: getattr(presets, "gpt3"), AttributeError, "did you mean 'gpt2'"),  # noqa: B009
    "a class of models": (lambda: getattr(initcore.models, "Rul"), AttributeError, "did you mean 'Rule'"),  # noqa: B009
    "seed": (lambda: initcore.normal(3, seed=0), TypeError, "'seed'; rng=0 is"),
    "generator": (lambda: initcore.uniform(3, generator=None), TypeError, "rng takes a generator"),
    "size": (lambda: initcore.ones(3, size=3), TypeError, "the first argument is the shape"),
    "a keyword": (lambda: initcore.xavier_normal((3, 3), gian=2), TypeError, "did you mean 'gain'"),
    "seed in place": (lambda: initcore.normal_(np.empty(3), seed=0), TypeError, "'seed'; rng=0 is"),
    "size in place": (lambda: initcore.normal_(np.empty(3), size=3), TypeError, "'size'; out has its own"),
    "a keyword in place": (
        lambda: initcore.kaiming_normal_(np.empty((3, 3)), nonlinearty="relu"),
        TypeError,
        "did you mean 'nonlinearity'",
    ),
    "NumPy's bounds": (lambda: initcore.uniform_(np.empty(3), low=0), TypeError, "the bounds are called a and b"),
    "a keyword of a formula": (
        lambda: initcore.calculate_gain(nonlinearty="relu"),
        TypeError,
        "did you mean 'nonlinearity'",
    ),
    "a number of threads": (lambda: initcore.set_num_threads(n_threads=2), TypeError, "threads is called n"),
    "an instruction set": (lambda: initcore.use_isa(isa="x"), TypeError, "the instruction set is called name"),
    "a stream's source": (lambda: initcore.Stream(key=0), TypeError, "its source is called seed"),
    "a generator's source": (lambda: initcore.Generator(random_state=0), TypeError, "its source is called seed"),
    "a shard's shape": (lambda: initcore.Shard(shape=(3,)), TypeError, "is called global_shape"),
    "a range's keyword": (lambda: initcore.FlatShard((3,), strt=0), TypeError, "did you mean 'start'"),
    "a rule's names": (lambda: initcore.Rule("zeros", name="*"), TypeError, "match takes a glob of names"),
    "a rule's keyword": (lambda: initcore.Rule("zeros", match="*", setting={}), TypeError, "did you mean 'settings'"),
    "a plan's source": (lambda: initcore.Plan([], rng=0), TypeError, "its source is called seed"),
    "a preset's source": (lambda: presets.bert(rng=0), TypeError, "its source is called seed"),
    "a seed for a filled plan": (lambda: PLAN.fill({}, rng=0), TypeError, "the plan has the seed"),
    "a keyword of verification": (lambda: PLAN.verify({}, significanc=0), TypeError, "did you mean 'significance'"),
    "a seed for a checkpoint": (lambda: save_checkpoint(PLAN, "", "", seed=0), TypeError, "the plan has the seed"),
    "a seed of the lab": (lambda: initcore.lab.propagate(seed=1), TypeError, "rng=0 is the seed 0"),
    "a keyword of all cases": (lambda: initcore.lab.compare(depht=1), TypeError, "did you mean 'depth'"),
    "a gain's keyword": (
        lambda: initcore.lab.gain("relu", directions="backward"),
        TypeError,
        "did you mean 'direction'",
    ),
    "a seed of LSUV": (lambda: initcore.dynamic.lsuv_([], None, seed=0), TypeError, "rng=0 is the seed 0"),
    "a controller's keyword": (
        lambda: initcore.dynamic.DynamicScaler([], target_std=1),
        TypeError,
        "did you mean 'target'",
    ),
    "a list": (lambda: initcore.normal_([1.0]), TypeError, "numpy.empty"),
    "an array for a shape": (lambda: initcore.normal(np.ones((99, 99))), TypeError, r"shape \(99, 99\).*ends in _"),
    "an array for a source": (lambda: initcore.normal(3, rng=np.arange(9999)), TypeError, r"of shape \(9999,\)"),
    "many sizes": (lambda: initcore.normal(-np.arange(9999)), ValueError, r"\.\.\."),
}


#: What a person may type who knows another library: a facade, a call, and the end of the answer
FACADES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "torch, rng": ("torch", lambda it: it.normal_(_tensor(), rng=0), "'rng'; generator=0 is the seed 0"),
    "torch, a keyword": ("torch", lambda it: it.xavier_normal_(_tensor(), gian=2), "did you mean 'gain'?"),
    "torch, eye": ("torch", lambda it: it.eye_(_tensor(), seed=0), "it draws no random numbers"),
    "torch, a model": ("torch", lambda it: it.initialize(need("torch").nn.Flatten(), seed=0), "rng=0 is the seed 0"),
    "jax, std": ("jax", lambda it: it.normal(std=0.02), "the standard deviation is called stddev"),
    "jax, key": ("jax", lambda it: it.he_normal(key=0), "the initializer that it returns takes the key"),
    "jax, a plan": ("jax", lambda it: it.plan_arrays(PLAN, {}, key=0), "the plan has the seed"),
    "keras, rng": ("keras", lambda it: it.HeNormal(rng=0), "its source is called seed"),
    "keras, bounds": ("keras", lambda it: it.RandomUniform(low=0), "the bounds are called minval and maxval"),
    "dask, a plan": ("dask", lambda it: it.plan(PLAN, {}, seed=0), "the plan has the seed"),
    "dask, seed": ("dask", lambda it: it.normal((3,), seed=0), "rng=0 is the seed 0"),
}


def _tensor() -> Any:
    return need("torch").empty(2, 2)


@pytest.mark.parametrize("what", FACADES)
def test_facades_answer_the_keywords_of_others(what: str) -> None:
    library, call, said = FACADES[what]
    need(library)
    with pytest.raises(TypeError, match=re.escape(said)):
        call(import_module(f"initcore.{library}"))


@pytest.mark.parametrize("name", ["Generator", "Plan", "Rule", "Shard", "Stream", "set_num_threads", "use_isa"])
def test_what_answers_keywords_is_pickled_by_name(name: str) -> None:
    """Pools pass functions to the processes that they start, as ``initializer=initcore.set_num_threads``."""
    it = getattr(initcore, name)
    assert pickle.loads(pickle.dumps(it)) is it


@pytest.mark.parametrize("name", [*ALL, *(name[:-1] for name in ALL)])
def test_every_initializer_answers_a_seed(name: str) -> None:
    given = ALL.get(name, ALL.get(f"{name}_"))
    target = np.empty((4, 4)) if name.endswith("_") else (4, 4)
    with pytest.raises(TypeError, match=rf"^{name}\(\) got .* 'seed'; (rng=0 is|it draws no)"):
        getattr(initcore, name)(target, **given, seed=0)


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
