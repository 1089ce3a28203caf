"""What small tensors take a short way for is what they get on the long one."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from support import need

import initcore
from initcore import _tensors

torch = need("torch")
init = need("initcore.torch")
memory = need("initcore.torch.memory")
privates = need("initcore.torch.privates")
generators = need("initcore.torch.generators")
theirs = torch.nn.init


def tensors() -> dict[str, Any]:
    """One of each kind, by name."""
    whole = torch.zeros(3, 4)
    with torch.inference_mode():
        inference = torch.zeros(3)
    freed = torch.zeros(3)
    freed.untyped_storage().resize_(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
        compressed = whole.to_sparse_csr()
    return {
        **{str(dtype): whole.to(dtype) for dtype in (*memory.FLOATS, torch.int64, torch.complex64, torch.bool)},
        "float8": whole.to(torch.float8_e4m3fn),
        "parameter": torch.nn.Parameter(whole.clone()),
        "scalar": torch.tensor(1.0),
        "one row": whole[1],
        "columns": whole[:, 1:3],
        "one column": whole[:, 1:2],
        "transposed": whole.t(),
        "rows of length 1": torch.zeros(4, 1, 5).expand(4, 1, 5)[::4],
        "expanded": torch.zeros(1, 3).expand(2, 3),
        "empty": torch.zeros(0, 3),
        "meta": whole.to("meta"),
        "sparse": whole.to_sparse(),
        "compressed": compressed,
        "nested": nested,
        "negative": torch.zeros(1, dtype=torch.complex64).conj().imag,
        "inference": inference,
        "freed": freed,
        "zeros without memory": torch._efficientzerotensor((3,)),
        "a clone that is not written yet": torch._lazy_clone(whole),
        "functional": torch._to_functional_tensor(whole),
    }


def test_dlpacks_table_says_what_torchs_methods_say() -> None:
    table = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    dispatch = privates.dispatch_depth, privates.functorch_level, privates.is_tracing
    rest = privates.increment_version, lambda tensor: False, generators.word, {}, {}
    types = torch.Tensor, torch.nn.Parameter
    asked, described = (_tensors.PlainTensors(types, memory.KINDS, it, *dispatch, *rest) for it in (None, table))
    plain = set()
    for name, tensor in tensors().items():
        one, other = asked.memory_of(tensor), described.memory_of(tensor)
        assert (one is None) == (other is None), name
        if one is not None and other is not None:
            assert (one.shape, one.dtype) == (other.shape, other.dtype) == (tuple(tensor.shape), other.dtype), name
            plain.add(name)
    assert plain >= {"torch.float32", "torch.bfloat16", "parameter", "scalar", "one row"}
    assert not plain & {"columns", "transposed", "negative", "nested", "sparse", "inference", "freed", "functional"}


def test_a_clone_that_is_not_written_yet_leaves_the_other_alone() -> None:
    whole = torch.zeros(8)
    clone = torch._lazy_clone(whole)
    init.normal_(clone)
    assert clone.count_nonzero() == 8
    assert whole.count_nonzero() == 0


class Seen(torch.overrides.TorchFunctionMode):
    """Which functions go by."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def test_words_are_the_same_however_they_are_drawn_and_modes_do_not_see_them() -> None:
    drawn = []
    for patched in (False, True):
        for mode in (None, Seen()):
            torch.manual_seed(3)
            tensor = torch.zeros(3, 4)
            with init.patch() if patched else torch.enable_grad() as report, mode or torch.enable_grad():
                init._no_grad_normal_(tensor, 0.0, 1.0)
                init.xavier_uniform_(tensor[1:])
            assert mode is None or "random_" not in mode.names
            if patched:
                assert report.torch == {}
                assert set(report.initcore) == {"_no_grad_normal_", "xavier_uniform_"}
            drawn.append((tensor.tolist(), torch.rand(1).item()))
    assert all(it == drawn[0] for it in drawn)


def test_a_source_may_be_given_to_a_small_fill() -> None:
    for source in (lambda: torch.Generator().manual_seed(5), lambda: 5, lambda: initcore.Generator(5)):
        first, second = torch.zeros(6), torch.zeros(6, 2)[:, 0]  # of which the second is not in C order
        init.normal_(first, generator=source())
        init.normal_(second, generator=source())
        assert torch.equal(first, second)
    with pytest.raises(TypeError, match="rng must be"):
        init.normal_(first, generator="x")


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(4, 3, 3), (4, 2, 3, 2), (2, 4, 1, 2, 3)])
def test_dirac_is_torchs_and_counts_once(shape: tuple[int, ...], groups: int) -> None:
    for dtype in (*memory.FLOATS, torch.int32, torch.complex64):
        tensor, expected = torch.full(shape, 7, dtype=dtype), torch.full(shape, 7, dtype=dtype)
        assert init.dirac_(tensor, groups) is tensor
        assert torch.equal(tensor, theirs.dirac_(expected, groups))
    leaf = torch.nn.Parameter(torch.zeros(shape))
    version = leaf._version
    init.dirac_(leaf, groups)
    assert leaf._version == version + 1
    assert leaf.requires_grad
    assert leaf.grad_fn is None


@pytest.mark.parametrize("groups", [0, 3, -1, 1.0, True])
def test_dirac_refuses_what_torch_refuses(groups: Any) -> None:
    results = []
    for fill in (init.dirac_, theirs.dirac_):
        tensor = torch.ones(4, 3, 3)
        try:
            results.append(fill(tensor, groups).tolist())
        except Exception as error:
            results.append((type(error), str(error)))
    assert results[0] == results[1]


@pytest.mark.parametrize("enabled", [False, True])
def test_eye_leaves_the_grad_mode_as_it_was(enabled: bool) -> None:
    with torch.set_grad_enabled(enabled):
        leaf = torch.nn.Parameter(torch.zeros(3, 4))
        assert init.eye_(leaf) is leaf
        assert torch.equal(leaf.detach(), torch.eye(3, 4))
        with pytest.raises(ValueError, match="2 dimensions"):
            init.eye_(torch.zeros(3))
        assert torch.is_grad_enabled() is enabled
    assert leaf.requires_grad
    assert leaf.grad_fn is None
