"""initcore.torch draws what torch.nn.init draws, into the tensor's own memory, and raises and warns as it does."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from support import Run, need

import initcore
from initcore import _core

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
theirs = torch.nn.init
if True:  # which import torch
    from torch_arguments import ALL, DTYPES, FIXED, RANDOM


def in_numpy(tensor: Any) -> Any:
    return tensor.detach().double().numpy()


def drawn(name: str, shape: tuple[int, ...], dtype: Any = None, rng: Any = 3) -> Any:
    """What initcore itself gives."""
    kind = str(dtype or torch.float32).removeprefix("torch.")
    return getattr(initcore, name[:-1])(shape, **RANDOM[name], dtype=kind, rng=rng)


def layouts(shape: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    rows, columns = shape
    return {
        "contiguous": torch.zeros(shape, dtype=dtype),
        "transposed": torch.zeros(columns, rows, dtype=dtype).T,
        "sliced": torch.zeros(2 * rows, columns + 3, dtype=dtype)[::2, 1:-2],
        "parameter": torch.nn.Parameter(torch.zeros(shape, dtype=dtype)),
        "offset": torch.zeros(rows * columns + 5, dtype=dtype)[5:].view(shape),
        "misaligned": torch.frombuffer(bytearray(rows * columns * 8 + 1), dtype=dtype, offset=1, count=rows * columns)
        .view(shape)
        .requires_grad_(),
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", RANDOM)
def test_values_are_initcores_in_the_tensors_own_memory(name: str, dtype: Any) -> None:
    """Whatever its layout: the same bytes, at the same address, and nothing beside them."""
    expected = drawn(name, (30, 20), dtype).astype(np.float64)
    for layout, tensor in layouts((30, 20), dtype).items():
        address = tensor.data_ptr()
        assert getattr(init, name)(tensor, **RANDOM[name], generator=3) is tensor
        assert tensor.data_ptr() == address
        np.testing.assert_array_equal(in_numpy(tensor), expected, err_msg=layout)
        if layout == "sliced":
            beside = tensor._base.clone()
            beside[::2, 1:-2] = 0
            assert not beside.any()


@pytest.mark.parametrize("name", FIXED)
def test_fixed_patterns_are_torchs(name: str) -> None:
    """Of every dtype; of large tensors too, which initcore sets; strided or not."""
    every = [*DTYPES, torch.int32, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn]
    for dtype in every if name != "eye_" else every[:-1]:
        expected = getattr(theirs, name)(torch.empty(700, 600, dtype=dtype), **FIXED[name])
        for turned in (False, True):
            tensor = torch.empty(600, 700, dtype=dtype).T if turned else torch.empty(700, 600, dtype=dtype)
            assert getattr(init, name)(tensor, **FIXED[name]) is tensor
            assert torch.equal(tensor.contiguous().view(torch.uint8), expected.view(torch.uint8)), dtype


def test_dirac_is_torchs() -> None:
    assert torch.equal(init.dirac_(torch.empty(6, 2, 3), 3), theirs.dirac_(torch.empty(6, 2, 3), 3))


def test_large_constants_are_set_by_initcore(monkeypatch: pytest.MonkeyPatch) -> None:
    """And bump the version, as torch's do; small ones are torch's."""
    seen: list[int] = []
    constant = initcore.constant_
    monkeypatch.setattr(initcore, "constant_", lambda out, val, **_: seen.append(out.size) or constant(out, val))
    large, small = torch.empty(1 << 18), torch.empty(1 << 10)
    for tensor in (large, small):
        init.ones_(tensor)
        assert tensor._version == 1
        assert (tensor == 1).all()
    assert seen == [1 << 18]


SHAPES = {  # of layers' weights, as torch lays them out, and their fan_in and fan_out
    "linear": ((48, 64), 64, 48),
    "conv1d": ((16, 8, 5), 40, 80),
    "conv2d": ((16, 8, 3, 5), 120, 240),
    "conv3d": ((4, 3, 2, 3, 2), 36, 48),
    "grouped conv2d": ((16, 2, 3, 3), 18, 144),
    "depthwise conv2d": ((12, 1, 3, 3), 9, 108),
    "transposed conv2d": ((8, 16, 3, 3), 144, 72),
    "grouped transposed conv2d": ((8, 4, 3, 3), 36, 72),
    "embedding": ((100, 32), 32, 100),
}
SCALES = [
    ("xavier_uniform_", {}, "uniform", lambda i, o: math.sqrt(6 / (i + o))),
    ("xavier_uniform_", {"gain": 5 / 3}, "uniform", lambda i, o: 5 / 3 * math.sqrt(6 / (i + o))),
    ("xavier_normal_", {}, "normal", lambda i, o: math.sqrt(2 / (i + o))),
    ("kaiming_uniform_", {}, "uniform", lambda i, o: math.sqrt(6 / i)),
    ("kaiming_uniform_", {"a": math.sqrt(5)}, "uniform", lambda i, o: 1 / math.sqrt(i)),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "selu"}, "uniform", lambda i, o: 0.75 * math.sqrt(3 / o)),
    ("kaiming_normal_", {}, "normal", lambda i, o: math.sqrt(2 / i)),
    ("kaiming_normal_", {"mode": "FAN_OUT", "a": 0.2}, "normal", lambda i, o: math.sqrt(2 / 1.04 / o)),
    ("kaiming_normal_", {"nonlinearity": "tanh"}, "normal", lambda i, o: 5 / 3 / math.sqrt(i)),
]


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize(("name", "arguments", "distribution", "scale"), SCALES)
def test_scales(name: str, arguments: dict[str, Any], distribution: str, scale: Any, layer: str) -> None:
    """The bound or the standard deviation, worked out from the layer's fans, to the last bits of float64."""
    shape, fan_in, fan_out = SHAPES[layer]
    got = getattr(init, name)(torch.empty(shape, dtype=torch.float64), **arguments, generator=5).numpy()
    of = scale(fan_in, fan_out)
    ours = initcore.uniform(shape, -of, of, dtype="float64", rng=5)
    if distribution == "normal":
        ours = initcore.normal(shape, 0.0, of, dtype="float64", rng=5)
    np.testing.assert_allclose(got, ours, rtol=1e-13, atol=1e-15 * of)


@pytest.mark.parametrize("name", theirs.__all__)
def test_signatures_are_torchs(name: str) -> None:
    """Names, order, kinds and defaults; and the same for the deprecated ones."""
    ours, other = inspect.signature(getattr(init, name)), inspect.signature(getattr(theirs, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in other.parameters.values()
    ]


def test_every_function_of_torch_is_there() -> None:
    private = {name for name in vars(theirs) if name.startswith(("_no_grad", "_calculate"))}
    assert {*theirs.__all__, *private} <= set(init.__all__)
    assert {*ALL} == {name for name in theirs.__all__ if name.endswith("_")}


@pytest.mark.parametrize("name", [name for name in theirs.__all__ if f"{name}_" in theirs.__all__])
def test_deprecated_aliases(name: str) -> None:
    shape = (4, 4, 3) if name == "dirac" else (4, 4)
    draws = {"generator": 3} if f"{name}_" in RANDOM else {}
    with pytest.warns(FutureWarning) as caught:
        got = getattr(init, name)(torch.empty(shape), **ALL[f"{name}_"], **draws)
    assert str(caught[0].message) == f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."
    assert caught[0].filename == __file__
    assert torch.equal(got, getattr(init, f"{name}_")(torch.empty(shape), **ALL[f"{name}_"], **draws))


def test_truncated_values_are_inside_the_bounds_that_were_asked_for() -> None:
    """Where torch rounds 0.3 to bfloat16's 0.30078125 first."""
    tensor = init.trunc_normal_(torch.empty(10000, dtype=torch.bfloat16), std=1.0, a=-0.3, b=0.3, generator=0)
    assert tensor.double().abs().max() <= 0.3


@pytest.mark.parametrize("name", RANDOM)
def test_torch_generators(name: str) -> None:
    """manual_seed governs None; a generator of the same seed gives the same; both are advanced, and can be restored."""

    def fill(**generator: Any) -> Any:
        return getattr(init, name)(torch.empty(12, 10), **RANDOM[name], **generator)

    generator = torch.Generator().manual_seed(42)
    state = generator.get_state()
    first, second = (fill(generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(42)
    assert torch.equal(fill(), first)
    assert torch.equal(fill(), second)
    generator.set_state(state)
    assert torch.equal(fill(generator=generator), first)
    with torch.random.fork_rng():
        torch.manual_seed(42)
        assert torch.equal(fill(), first)


def test_the_next_word_of_a_torch_generator_is_the_key() -> None:
    """So that anyone can draw the same; documented in docs/frameworks.md."""
    word = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(7)))

    class Keyed(_core.KeyedStream):
        def _derive_key(self) -> tuple[int, int]:
            return word & 0xFFFFFFFF, word >> 32

    tensor = init.normal_(torch.empty(9), generator=torch.Generator().manual_seed(7))
    np.testing.assert_array_equal(tensor.numpy(), initcore.normal(9, rng=Keyed()))


def test_a_refused_fill_takes_no_word() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    for name, arguments in [("normal_", {"std": -1}), ("xavier_uniform_", {"gain": -1})]:
        with pytest.raises(RuntimeError):
            getattr(init, name)(torch.empty(3, 3), **arguments, generator=generator)
    assert torch.equal(generator.get_state(), state)


def test_initcores_own_sources() -> None:
    stream, generator = initcore.Stream(3, "w"), initcore.Generator(3)
    np.testing.assert_array_equal(
        init.normal_(torch.empty(9), generator=stream).numpy(), initcore.normal(9, rng=stream)
    )
    for draw in range(2):
        assert generator.draw == draw
        init.normal_(torch.empty(9), generator=generator)
    for bad, error in [(-1, ValueError), (1.5, TypeError), ("0", TypeError), (True, TypeError)]:
        with pytest.raises(error):
            init.normal_(torch.empty(9), generator=bad)


@pytest.mark.parametrize("name", ALL)
def test_autograd_sees_an_in_place_operation_without_gradient(name: str) -> None:
    shape = (4, 4, 3) if name == "dirac_" else (4, 4)
    leaf = torch.nn.Parameter(torch.ones(shape))
    getattr(init, name)(leaf, **ALL[name])
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert leaf.grad_fn is None
    result = (leaf * leaf).sum()
    version = leaf._version
    view = leaf.detach()[:]
    getattr(init, name)(view, **ALL[name])
    assert leaf._version > version
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        result.backward()


@pytest.mark.parametrize("enabled", [True, False])
def test_constants_leave_the_grad_mode_as_it_was(enabled: bool) -> None:
    leaf = torch.nn.Parameter(torch.empty(3))
    with torch.set_grad_enabled(enabled):
        for name in ("zeros_", "ones_", "constant_"):
            getattr(init, name)(leaf, **ALL[name])
            assert torch.is_grad_enabled() == enabled
        with pytest.raises(RuntimeError, match="overflow"):
            init.constant_(leaf, 1e50)
        assert torch.is_grad_enabled() == enabled


def test_a_setting_that_changes_is_asked_for_its_value_each_time() -> None:
    """Distributions are kept by their settings: a tensor must not be one of these."""
    gain = torch.tensor(1.0)
    for name in ("xavier_normal_", "xavier_uniform_"):
        filled = []
        for value in (1.0, 2.0):
            torch.manual_seed(3)
            filled.append(getattr(init, name)(torch.empty(30, 20), gain=gain.fill_(value)))
        assert torch.equal(filled[1], 2 * filled[0])


def test_a_storage_can_be_resized_afterwards() -> None:
    """Which Tensor.numpy() would forbid, and FSDP needs."""
    tensor = init.normal_(torch.empty(8))
    tensor.untyped_storage().resize_(0)


def test_inference_tensors() -> None:
    with torch.inference_mode():
        tensor = torch.zeros(50)
        assert init.normal_(tensor, generator=3).any()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        init.normal_(tensor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_uniforms_of_half_precision_stay_in_their_bounds(dtype: Any) -> None:
    """As float32 holds them, in whatever layout, of torch's own calls under patch() too."""
    for layout, tensor in layouts((300, 200), dtype).items():
        assert 1.003 <= in_numpy(init.uniform_(tensor, 1.003, 2.0, generator=3)).min() < 1.02, layout
        with init.patch():
            assert 1.003 <= in_numpy(tensor.data.uniform_(1.003, 2.0)).min() < 1.02, layout
        bound = float(np.float32(math.sqrt(6 / 200)))
        assert -bound <= in_numpy(init.kaiming_uniform_(tensor, generator=3)).min(), layout
    kind = str(dtype).removeprefix("torch.")
    expected = initcore.uniform((300, 200), 1.003, 2.0, dtype=kind, rng=3).astype(np.float64)
    np.testing.assert_array_equal(
        in_numpy(init.uniform_(torch.empty(300, 200, dtype=dtype), 1.003, 2.0, generator=3)), expected
    )


def test_bounds_without_a_value_between_them_are_left_to_torch() -> None:
    """As all that initcore refuses: torch gives what is rounded out of them."""
    mine, other = (torch.empty(50, dtype=torch.bfloat16) for _ in range(2))
    torch.manual_seed(3)
    theirs.uniform_(other, 1.003, 1.004)
    torch.manual_seed(3)
    assert torch.equal(init.uniform_(mine, 1.003, 1.004), other)


def test_negated_views_hold_the_values() -> None:
    """Their memory does not: torch writes them."""
    memory = torch.zeros(400)
    view = torch._neg_view(memory)
    init.uniform_(view, 1, 2, generator=3)
    assert (view >= 1).all()
    assert (memory <= -1).all()


@pytest.mark.parametrize("name", ALL)
def test_meta_tensors_are_left_alone(name: str) -> None:
    state = torch.get_rng_state()
    tensor = torch.empty((4, 4, 3) if name == "dirac_" else (4, 4), device="meta")
    assert getattr(init, name)(tensor, **ALL[name]) is tensor
    assert torch.equal(torch.get_rng_state(), state)


def test_without_torch_it_says_what_to_install(run_python: Run) -> None:
    run_python(
        """
import sys
import initcore
assert "torch" not in sys.modules, "import initcore imports no framework"
sys.modules["torch"] = None
try:
    import initcore.torch
except ImportError as error:
    assert error.name == "torch", error.name
    assert str(error) == "initcore.torch needs torch: pip install 'initcore[torch]'", error
else:
    raise AssertionError
"""
    )
