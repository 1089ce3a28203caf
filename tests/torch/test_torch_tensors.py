"""Tensors that others have a say in: subclasses, modes, transformations, other devices; they come to no harm."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore.shards import contiguous_blocks

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
memory = need("initcore.torch.memory")
theirs = torch.nn.init

EXPECTED = initcore.normal((6, 5), rng=3)
OVERRIDDEN = {"uniform_": (), "normal_": (), "constant_": (0.5,), "kaiming_uniform_": ()}


class Plain(torch.Tensor):
    """A subclass with torch's own rule."""


class Logging(torch.Tensor):
    """A subclass with a rule of its own."""

    seen: list[Any] = []  # noqa: RUF012

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


class Mode(torch.overrides.TorchFunctionMode):
    """Sees functions go by."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


def test_plain_subclasses_are_filled_by_initcore() -> None:
    tensor = torch.zeros(6, 5).as_subclass(Plain)
    assert init.normal_(tensor, generator=3) is tensor
    np.testing.assert_array_equal(tensor.as_subclass(torch.Tensor).numpy(), EXPECTED)


@pytest.mark.parametrize("patched", [False, True])
@pytest.mark.parametrize("name", OVERRIDDEN)
def test_subclasses_with_rules_of_their_own_are_asked_by_torchs_function(name: str, patched: bool) -> None:
    """Which is what their tables know; with a generator that torch takes."""
    tensor = torch.zeros(6, 5).as_subclass(Logging)
    original = getattr(theirs, name)
    Logging.seen.clear()
    arguments = {} if name == "constant_" else {"generator": initcore.Stream(3)}
    if patched:
        with init.patch():
            assert getattr(init, name)(tensor, *OVERRIDDEN[name], **arguments) is tensor
    else:
        assert getattr(init, name)(tensor, *OVERRIDDEN[name], **arguments) is tensor
    assert original in Logging.seen
    assert tensor.as_subclass(torch.Tensor).any()


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_modes_see_the_function_and_call_it_again(name: str) -> None:
    tensor, same = torch.zeros(6, 5), torch.zeros(6, 5)
    arguments = {} if name == "constant_" else {"generator": 3}
    with Mode() as mode:
        assert getattr(init, name)(tensor, *OVERRIDDEN[name], **arguments) is tensor
    assert mode.seen[0] is getattr(init, name)
    assert torch.equal(tensor, getattr(init, name)(same, *OVERRIDDEN[name], **arguments))


@pytest.mark.parametrize("name", ["normal_", "xavier_normal_", "trunc_normal_", "kaiming_normal_", "sparse_"])
def test_a_default_device_is_in_nobodys_way(name: str) -> None:
    """``with torch.device(...)`` is a mode."""
    more = {"sparsity": 0.5} if name == "sparse_" else {}
    expected = getattr(init, name)(torch.empty(6, 5), generator=torch.Generator().manual_seed(1), **more)
    torch.manual_seed(1)
    tensor = torch.empty(6, 5)
    with torch.device("meta"):
        getattr(init, name)(tensor, **more)
    assert torch.equal(tensor, expected)


def test_fake_tensors_are_left_to_torch() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    real = torch.zeros(6, 5)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.empty(6, 5)
        for name in ("normal_", "xavier_uniform_", "orthogonal_"):
            assert getattr(init, name)(fake) is fake
        linear = torch.nn.Linear(3, 3)
        with init.patch():
            linear.reset_parameters()
    assert init.normal_(fake) is fake
    assert not real.any()


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_transformations_are_left_to_torch() -> None:
    def draw(x: Any) -> Any:
        return init.normal_(torch.empty_like(x)) + x

    batched = torch.func.vmap(draw, randomness="different")(torch.zeros(4, 5))
    assert batched.unique().numel() == 20
    same = torch.func.vmap(draw, randomness="same")(torch.zeros(4, 5))
    assert same.unique().numel() == 5
    with pytest.raises(RuntimeError, match="vmap: called random operation while in randomness error mode"):
        torch.func.vmap(draw)(torch.zeros(4, 5))
    with pytest.raises(RuntimeError, match="vmap: called random operation while in randomness error mode"):
        torch.func.vmap(lambda x: init.normal_(torch.empty(3), generator=3) + x)(torch.zeros(4))
    assert torch.func.grad(lambda x: (init.ones_(torch.empty(3)) * x).sum())(torch.tensor(2.0)) == 3


def test_compiled_code_draws_by_torchs_function() -> None:
    """As one graph."""

    def draw(x: Any) -> Any:
        return init.normal_(torch.empty_like(x)) + init.xavier_uniform_(torch.empty_like(x)) + x

    torch.manual_seed(1)
    expected = theirs.normal_(torch.empty(4, 4)) + theirs.xavier_uniform_(torch.empty(4, 4))
    torch.manual_seed(1)
    assert torch.equal(torch.compile(draw, backend="eager", fullgraph=True)(torch.zeros(4, 4)), expected)


def test_other_dispatch_modes_see_what_torch_does() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Seen(TorchDispatchMode):
        names: list[str] = []  # noqa: RUF012

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(func))
            return func(*args, **(kwargs or {}))

    tensor = torch.zeros(6, 5)
    with Seen():
        init.normal_(tensor, generator=3)
    assert Seen.names == ["aten.normal_.default"]
    assert tensor.any()


def test_wrapping_subclasses_are_left_to_torch() -> None:
    """As DTensor is one: their own memory is none."""
    from torch.testing._internal.two_tensor import TwoTensor

    tensor = TwoTensor(torch.zeros(6, 5), torch.zeros(6, 5))
    assert init.constant_(tensor, 2.0) is tensor
    assert (tensor.a == 2).all()
    assert init.normal_(tensor, generator=3) is tensor
    assert tensor.a.any()
    assert tensor.b.any()


def test_uninitialized_parameters_say_what_they_are() -> None:
    lazy = torch.nn.LazyLinear(3).weight
    for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_uniform_", "trunc_normal_", "zeros_"):
        with pytest.raises(ValueError, match="uninitialized parameter"):
            getattr(init, name)(lazy)


def test_sparse_tensors_raise_as_in_torch() -> None:
    with pytest.raises(NotImplementedError, match=r"Could not run 'aten::normal_'"):
        init.normal_(torch.eye(3).to_sparse())


def test_an_interrupted_fill_counts_as_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(initcore._core, "fill", interrupted)
    tensor = torch.zeros(3)
    with pytest.raises(KeyboardInterrupt):
        init.normal_(tensor)
    assert tensor._version == 1


@pytest.mark.parametrize("most", [1, 7, 12, 60, 1000])
@pytest.mark.parametrize("shape", [(), (1,), (9,), (5, 12), (4, 3, 5), (2, 3, 4, 1)], ids=str)
def test_blocks_cut_a_shape_in_order(shape: tuple[int, ...], most: int) -> None:
    whole = np.arange(math.prod(shape)).reshape(shape)
    parts = [whole[block.index] for block in contiguous_blocks(shape, most)]
    assert np.concatenate([part.reshape(-1) for part in parts]).tolist() == whole.reshape(-1).tolist()
    assert all(0 < part.size <= most for part in parts)
    assert len(parts) <= 2 * whole.size / most + 2 or most < 12


FILLS: dict[str, dict[str, Any]] = {
    "uniform_": {"b": 2.0},
    "normal_": {},
    "trunc_normal_": {"a": -0.5},
    "xavier_uniform_": {},
    "kaiming_normal_": {},
    "orthogonal_": {},
    "sparse_": {"sparsity": 0.3},
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", FILLS)
def test_another_device_gets_the_same_values_by_parts(name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is made believe: its tensors are in memory, but filled as if they were not."""
    expected = getattr(init, name)(torch.empty(40, 30, dtype=dtype), **FILLS[name], generator=initcore.Generator(3))
    sizes: list[int] = []
    by_parts = memory.fill_by_parts

    def recorded(ours: Any, local: Any, args: Any, rng: Any, most: int) -> None:
        def fill(out: Any, *args: Any, **more: Any) -> None:
            sizes.append(out.size)
            initcore._core.fill(out, ours, args, **more) if isinstance(ours, int) else ours(out, *args, **more)

        by_parts(fill, local, args, rng, most)

    filling = need("initcore.torch.filling")
    monkeypatch.setattr(memory, "STAGED", 70)
    monkeypatch.setattr(filling, "fill_by_parts", recorded)
    monkeypatch.setattr(filling, "PLAIN", SimpleNamespace(fill=lambda *args: False))
    monkeypatch.setattr(filling, "array_of", lambda tensor: None)
    monkeypatch.setattr(filling, "memory_of", lambda tensor: None)
    for module in (filling, memory):
        monkeypatch.setattr(module, "is_elsewhere", lambda tensor: True)
    for tensor in (torch.zeros(40, 30, dtype=dtype), torch.zeros(30, 40, dtype=dtype).T.requires_grad_()):
        sizes.clear()
        assert getattr(init, name)(tensor, **FILLS[name], generator=initcore.Generator(3)) is tensor
        assert torch.equal(tensor, expected)
        assert tensor.is_leaf
        assert sizes == ([1200] if name == "orthogonal_" else [60] * 20)
    with pytest.raises((RuntimeError, ValueError)):
        getattr(init, name)(torch.zeros(1, 4).expand(4, 4), **FILLS[name])


def test_which_tensors_are_elsewhere() -> None:
    """No other device is here to ask: the CPU and meta are none."""
    for device in ("cpu", "meta"):
        assert not memory.is_elsewhere(torch.empty(3, device=device))
