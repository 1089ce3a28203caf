"""Never worse than torch: bfloat16 by itself, nested tensors, errors that take nothing, patterns of DTensors."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest
from support import Run, need

import initcore

pytestmark = pytest.mark.any_isa

torch = need("torch")
init = need("initcore.torch")


def test_bfloat16_needs_no_other_package(run_python: Run, tmp_path: Any) -> None:
    """Of any function, stride and size, in plans and in checkpoints; with the bytes that ml_dtypes gives."""
    need("ml_dtypes")
    code = """
        import sys
        if sys.argv[1] == "without": sys.modules["ml_dtypes"] = None
        import torch, initcore, initcore.models, initcore.torch as init
        B = torch.bfloat16
        def empty(*shape): return torch.empty(shape, dtype=B)
        tensors = [
            init.zeros_(empty(2**19)), init.ones_(empty(2**19)), init.constant_(empty(2**19), 0.3),
            init.constant_(empty(2**10, 2**9).T, 1e-40), init.constant_(empty(2**19), float("nan")),
            torch.nn.LayerNorm(2**18, dtype=B).weight.detach(),
            init.normal_(empty(30, 20).T, generator=1), init.uniform_(empty(40, 20)[::2], generator=1),
            init.orthogonal_(empty(9, 7), generator=1), init.sparse_(empty(90, 7), 0.3, generator=1),
            init.trunc_normal_(empty(9, 7), generator=1), init.kaiming_uniform_(empty(9, 7), generator=1),
        ]
        plan = initcore.Plan([initcore.Rule("eye", match="1.weight"), initcore.Rule("hadamard", match="2.weight"),
                              initcore.Rule("dirac", match="3.weight"),
                              initcore.Rule("constant", match="*bias", settings={"val": 0.3}),
                              initcore.Rule("orthogonal", match="*")])
        model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 6), torch.nn.Linear(6, 6),
                                    torch.nn.Conv1d(4, 4, 3)).to(B)
        init.initialize(model, plan)
        tensors += [p.detach() for p in model.parameters()]
        initcore.models.save_checkpoint(plan, model, sys.argv[2])
        import hashlib
        print(hashlib.sha256(b"".join(t.contiguous().view(torch.uint8).numpy().tobytes() for t in tensors)).hexdigest())
        try:
            initcore.normal(3, dtype="bfloat16")
            print("an array")
        except ImportError as error:
            print(error)
    """
    with_it, without = (
        run_python(inspect.cleandoc(code), how, str(tmp_path / how)).stdout.split("\n") for how in ("with", "without")
    )
    assert with_it[0] == without[0]
    files = [(tmp_path / how / "model.safetensors").read_bytes() for how in ("with", "without")]
    assert files[0] == files[1]
    assert with_it[1] == "an array"
    assert without[1] == "bfloat16 arrays need the package ml_dtypes: pip install ml_dtypes"


@pytest.mark.parametrize("value", [0.0, 0.3, -1.0, 1e-40, 3.3895313892515355e38, 1.00390625, 1.01171875, -math.inf])
def test_bfloat16_bits_are_those_of_torch(value: float) -> None:
    """Rounded to nearest, ties to even, subnormals kept."""
    bits = need("initcore.dtypes").bfloat16_bits(value).view(np.uint16)
    assert int(bits) == int(torch.tensor(value, dtype=torch.bfloat16).view(torch.uint16).item())


def test_bfloat16_refuses_what_overflows() -> None:
    storage = need("initcore.dtypes").BFLOAT16_BITS
    with pytest.raises(ValueError, match=r"val=3.4e\+38 is no value of"):
        initcore.constant_(np.empty(3, storage), 3.4e38)


@pytest.mark.parametrize("name", ["normal_", "uniform_", "xavier_normal_", "trunc_normal_", "orthogonal_", "zeros_"])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_torchs(name: str) -> None:
    """Filled, or refused, as torch does."""

    def outcome(module: Any, layout: Any) -> Any:
        nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=layout)
        torch.manual_seed(3)
        try:
            return [part.tolist() for part in getattr(module, name)(nested).unbind()]
        except Exception as error:
            return type(error), str(error)[:100]

    for layout in (torch.strided, torch.jagged):
        assert outcome(init, layout) == outcome(torch.nn.init, layout)


E = torch.empty
FAILING: list[tuple[str, Any, dict[str, Any]]] = [
    ("normal_", (3,), {"std": -1}),
    ("normal_", E(3, dtype=torch.int32), {}),
    ("normal_", E(3, dtype=torch.float8_e5m2), {}),
    ("normal_", E(1, 4).expand(4, 4), {}),
    ("uniform_", (3,), {"a": 1, "b": 0}),
    ("uniform_", E(3, dtype=torch.float16), {"b": 1e5}),
    ("trunc_normal_", (3,), {"a": 1, "b": 0}),
    ("trunc_normal_", (3,), {"std": 0.0}),
    ("trunc_normal_", E(3, dtype=torch.bool), {}),
    ("xavier_uniform_", (3,), {}),
    ("xavier_normal_", (3, 3), {"gain": -1}),
    ("kaiming_uniform_", (3, 3), {"mode": "fan_avg"}),
    ("kaiming_normal_", (3, 3), {"nonlinearity": "gelu"}),
    ("orthogonal_", (3,), {}),
    ("orthogonal_", E(3, 3, dtype=torch.int32), {}),
    ("sparse_", (3, 3, 3), {"sparsity": 0.5}),
    ("sparse_", (3, 3), {"sparsity": 0.5, "std": -1}),
]


@pytest.mark.parametrize(("name", "target", "arguments"), FAILING)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_a_call_that_raises_takes_no_draw(name: str, target: Any, arguments: dict[str, Any]) -> None:
    """Whatever the generator is: initcore's, torch's, or torch's default one."""
    ours, torchs = initcore.Generator(3), torch.Generator().manual_seed(3)
    before = torchs.get_state(), torch.get_rng_state()
    for generator in (ours, torchs, None):
        tensor = torch.zeros(target) if isinstance(target, tuple) else target
        with pytest.raises((RuntimeError, ValueError, NotImplementedError, ZeroDivisionError)):
            getattr(init, name)(tensor, **arguments, generator=generator)
    assert ours.draw == 0
    assert torch.equal(torchs.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_draw_that_another_fill_has_followed_is_not_given_back() -> None:
    """Two fills never get the same draw."""
    generator = initcore.Generator(3)

    def fails(tensor: Any, generator: Any) -> Any:
        initcore.normal(3, rng=ours)
        raise RuntimeError("refused")

    ours = generator
    leave_to = need("initcore.torch.filling").leave_to
    with pytest.raises(RuntimeError, match="refused"):
        leave_to(fails, torch.empty(3), (), generator)
    assert generator.draw == 2


FAR: list[dict[str, Any]] = [
    {"mean": 9.0, "a": 0.0, "b": 1.0},
    {"mean": 9.0, "a": -math.inf, "b": 1.0},
    {"mean": math.inf, "a": 0.0, "b": 1.0},
    {"mean": 9.0, "a": 2.0, "b": 1.0},
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int32, torch.complex64], ids=str)
@pytest.mark.parametrize("arguments", FAR, ids=str)
def test_a_distant_mean_warns_as_often_as_torch_does(dtype: Any, arguments: dict[str, Any]) -> None:
    def warned(module: Any) -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                module.trunc_normal_(torch.empty(3, dtype=dtype), std=1.0, **arguments)
            except Exception:
                return -len(caught)
        return len(caught)

    if not (math.isinf(arguments["mean"]) and dtype.is_floating_point):  # torch draws these for ever
        assert abs(warned(init)) == abs(warned(torch.nn.init))


PATTERNS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "eye_": ((6, 6), {}),
    "eye_ of more columns": ((5, 8), {}),
    "dirac_": ((6, 3, 3), {}),
    "dirac_ in groups": ((6, 2, 3, 3), {"groups": 3}),
}


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
def test_patterns_of_dtensors_are_cut_from_the_whole(run_python: Run) -> None:
    """Each process of four sets its own part of them: by rows, by columns, and whole."""
    code = f"""
        import os, torch, torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Replicate, Shard, distribute_tensor
        from torch.testing._internal.distributed.fake_pg import FakeStore
        import initcore.torch as init
        def check(mesh, name, shape, arguments):
            whole = getattr(torch.nn.init, name)(torch.empty(shape), **arguments)
            for patched in (False, True):
                for placement in (Shard(0), Shard(1), Replicate()):
                    expected = distribute_tensor(whole, mesh, [placement], src_data_rank=None).to_local()
                    shared = distribute_tensor(torch.full(shape, 7.0), mesh, [placement], src_data_rank=None)
                    if patched:
                        with init.patch():
                            result = getattr(torch.nn.init, name)(shared, **arguments)
                    else:
                        result = getattr(init, name)(shared, **arguments)
                    assert result is shared and torch.equal(shared.to_local(), expected), (placement, shared.to_local())
                    assert shared._version == 1
        def be(rank):
            dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=4)
            mesh = init_device_mesh("cpu", (4,))
            for name, (shape, arguments) in {PATTERNS}.items():
                check(mesh, name.split()[0], shape, arguments)
        for rank in range(4):
            child = os.fork()
            if not child:
                status = 1
                try:
                    be(rank)
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0, rank
    """
    run_python(inspect.cleandoc(code))


NEEDED: dict[str, tuple[float, ...]] = {
    "constant_": (0.5,),
    "sparse_": (0.5,),
    "_no_grad_fill_": (0.5,),
    "_no_grad_normal_": (0.0, 1.0),
    "_no_grad_uniform_": (0.0, 1.0),
    "_no_grad_trunc_normal_": (0.0, 1.0, -2.0, 2.0),
}


@pytest.mark.parametrize("name", [name for name in init.__all__ if name.endswith("_")])
def test_arrays_of_numpy_are_sent_to_their_own_functions(name: str) -> None:
    """Every function says which one fills arrays, where torch's would say what attribute an array lacks."""
    ours = {"_no_grad_fill_": "constant_", "_no_grad_zero_": "zeros_"}.get(name, name.removeprefix("_no_grad_"))
    assert hasattr(initcore, ours)
    with pytest.raises(TypeError, match=f"not a numpy.ndarray: initcore.{ours} fills arrays"):
        getattr(init, name)(np.zeros((4, 4, 4)), *NEEDED.get(name, ()))
