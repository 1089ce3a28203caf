"""What reaches torch's dispatcher under patch(): normals and uniforms drawn by initcore, all else counted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import Run, need

import initcore

pytestmark = pytest.mark.any_isa

for package in ("torch", "scipy"):
    need(package)
torch, stats = need("torch"), need("scipy.stats")
init = need("initcore.torch")
nn = torch.nn

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
N = 40000
P = 1e-6  # of each test against a distribution, with fixed seeds


def zeros(*shape: int, **settings: Any) -> Any:
    return torch.zeros(shape, **settings)


Draw = Callable[[], Any]
NORMAL, UNIFORM = stats.norm(), stats.uniform()
#: What composes from the two operations: the draw, and the distribution of its elements
TAKEN: dict[str, tuple[Draw, Any]] = {
    "Tensor.normal_": (lambda: zeros(N).normal_(1, 2), stats.norm(1, 2)),
    "Tensor.data.normal_": (lambda: nn.Parameter(zeros(N)).data.normal_(), NORMAL),
    "Tensor.uniform_": (lambda: zeros(N).uniform_(-1, 2), stats.uniform(-1, 3)),
    "a transposed view": (lambda: zeros(200, 200).T.normal_(), NORMAL),
    "a slice": (lambda: zeros(400, 200)[::2].uniform_(), UNIFORM),
    "randn": (lambda: torch.randn(N), NORMAL),
    "randn out": (lambda: torch.randn(N, out=torch.empty(N)), NORMAL),
    "rand": (lambda: torch.rand(200, 200), UNIFORM),
    "rand out": (lambda: torch.rand(N, out=torch.empty(0)), UNIFORM),
    "randn_like": (lambda: torch.randn_like(zeros(N)), NORMAL),
    "rand_like": (lambda: torch.rand_like(zeros(N)), UNIFORM),
    "normal of numbers": (lambda: torch.normal(3.0, 2.0, (N,)), stats.norm(3, 2)),
    "normal of means": (lambda: torch.normal(torch.full((N,), 3.0), 2.0), stats.norm(3, 2)),
    "normal of stds": (lambda: torch.normal(3.0, torch.full((N,), 2.0)), stats.norm(3, 2)),
    "normal of both": (lambda: torch.normal(torch.full((N, 1), 3.0), torch.full((1,), 2.0)), stats.norm(3, 2)),
    "normal out": (
        lambda: torch.normal(torch.full((N,), 3.0), torch.full((N,), 2.0), out=torch.empty(N)),
        stats.norm(3, 2),
    ),
    "Embedding": (lambda: nn.Embedding(N // 10, 10).weight, NORMAL),
    "a parameter of randn": (lambda: nn.Parameter(torch.randn(N)), NORMAL),
    "torch.func.vmap": (
        lambda: torch.func.vmap(lambda x: torch.randn(N // 10) + x, randomness="different")(zeros(10)),
        NORMAL,
    ),
    "inference mode": (lambda: in_inference_mode(), NORMAL),
}


def in_inference_mode() -> Any:
    with torch.inference_mode():
        return torch.randn(N)


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_made_of_normals_and_uniforms_is_drawn(name: str) -> None:
    """By the same distribution, and wholly."""
    draw, distribution = TAKEN[name]
    torch.manual_seed(5)
    with init.patch() as drawn:
        values = draw().detach().double().numpy().reshape(-1)
    assert drawn.share == 1
    assert drawn.elements == values.size == N
    assert stats.kstest(values, distribution.cdf).pvalue > P
    assert len(np.unique(values)) > 0.99 * N
    assert drawn.initcore.keys() <= {"normal_", "uniform_"}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_are_those_of_the_functions(dtype: Any) -> None:
    """Of the same generator: a method's and a function's numbers are the same."""
    for name in ("normal_", "uniform_"):
        torch.manual_seed(3)
        expected = getattr(init, name)(torch.empty(300, 7, dtype=dtype))
        torch.manual_seed(3)
        with init.patch():
            got = getattr(torch.empty(300, 7, dtype=dtype), name)()
        assert torch.equal(got, expected)
        generator = torch.Generator().manual_seed(3)
        with init.patch():
            assert torch.equal(getattr(torch.empty(300, 7, dtype=dtype), name)(generator=generator), expected)
        assert not torch.equal(getattr(torch.empty(300, 7, dtype=dtype), name)(), expected)


#: What torch draws itself, and so many elements of it
ESCAPES: dict[str, tuple[str, Draw, int]] = {
    "log_normal_": ("log_normal_", lambda: zeros(9).log_normal_(), 9),
    "exponential_": ("exponential_", lambda: zeros(9).exponential_(), 9),
    "cauchy_": ("cauchy_", lambda: zeros(9).cauchy_(), 9),
    "geometric_": ("geometric_", lambda: zeros(9).geometric_(0.5), 9),
    "bernoulli_": ("bernoulli_.float", lambda: zeros(9).bernoulli_(0.5), 9),
    "bernoulli": ("bernoulli_.Tensor", lambda: torch.bernoulli(torch.full((9,), 0.5)), 9),
    "random_": ("random_", lambda: torch.empty(9, dtype=torch.int64).random_(), 9),
    "randint": ("random_.from", lambda: torch.randint(1, 5, (9,)), 9),
    "randperm": ("randperm.generator_out", lambda: torch.randperm(9), 9),
    "multinomial": ("exponential_", lambda: torch.multinomial(torch.ones(9), 4), 9),
    "poisson": ("poisson", lambda: torch.poisson(torch.ones(9)), 9),
    "complex normals": ("normal_", lambda: torch.randn(9, dtype=torch.complex64), 9),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_what_torch_draws_is_counted_where_it_was_called(name: str) -> None:
    """And has torch's own values."""
    operation, draw, elements = ESCAPES[name]
    torch.manual_seed(1)
    expected = draw()
    torch.manual_seed(1)
    with init.patch() as drawn:
        assert torch.equal(draw(), expected)
    ((place, count),) = drawn.torch.items()
    assert place.operation == operation
    assert place.file == __file__
    assert place.line == draw.__code__.co_firstlineno
    assert count == (1, elements)
    assert drawn.share == 0
    assert f"{__file__}:{place.line}" in str(drawn)


def test_the_report() -> None:
    with init.patch() as drawn:
        nn.Linear(30, 20)
        outer = str(drawn)
        with init.patch() as inner:
            torch.randn(1000)
            torch.empty(500).exponential_()
    torch.randn(7)  # after it
    assert "620 elements drawn, 100 % by initcore" in outer
    assert inner.elements == 1500
    assert inner.share == 1000 / 1500
    assert drawn.elements == 620 + 1500
    assert "66.67 % by initcore" in str(inner)
    assert list(drawn.initcore) == ["normal_", "kaiming_uniform_", "uniform_"]  # the largest first
    assert drawn.to_dict()["share"] == drawn.share
    json.dumps(drawn.to_dict())
    with init.patch() as nothing:
        nn.LayerNorm(1 << 19)
    assert nothing.share == 1
    assert nothing.elements == 0


def test_not_quite_all_is_never_called_all() -> None:
    with init.patch() as drawn:
        torch.randn(1 << 22)
        torch.empty(1).exponential_()
    assert "99.99 %" in str(drawn)


def test_a_program_under_the_patch(tmp_path: Any) -> None:
    """Its arguments, its directory, its exit status and its report; a module too."""
    (tmp_path / "beside.py").write_text("import torch\nlayer = torch.nn.Linear(3, 2)\n")
    (tmp_path / "program.py").write_text("import sys, beside\nprint(__name__, sys.argv[1:])\nsys.exit(3)\n")

    def run(*arguments: str, **env: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "initcore.torch", *arguments],
            capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, **env},
        )  # fmt: skip

    done = run("--json", "report.json", "program.py", "-x", "--json", "y")
    assert done.returncode == 3
    assert done.stdout == "__main__ ['-x', '--json', 'y']\n"
    assert "8 elements drawn, 100 % by initcore" in done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["elements"] == 8
    assert run("-m", "beside", RANK="1").stderr == ""
    assert "8 elements drawn" in run("-m", "beside", RANK="0").stderr
    for arguments, words in (
        (["no_such.py"], "no file 'no_such.py'"),
        (["-m", "no.such.module"], "no module 'no.such.module'"),
        (["--json", "no/such/folder.json", "program.py"], "--json no/such/folder.json: No such file"),
        ([], "SCRIPT"),
    ):
        wrong = run(*arguments)
        assert wrong.returncode == 2
        assert words in wrong.stderr
        assert "Traceback" not in wrong.stderr


def test_methods_raise_what_torch_raises() -> None:
    """And a refused fill takes no word."""
    calls: list[Draw] = [
        lambda: zeros(3).normal_(0, -1),
        lambda: zeros(3).uniform_(1, 0),
        lambda: zeros(3, dtype=torch.int32).normal_(),
        lambda: zeros(1, 4).expand(4, 4).normal_(),
        lambda: nn.Parameter(zeros(3)).normal_(),
        lambda: torch.normal(zeros(3), -1.0),
        lambda: torch.normal(zeros(3), -torch.ones(3)),
        lambda: torch.normal(zeros(3), torch.ones(4)),
        lambda: torch.eye(3).to_sparse().normal_(),
        lambda: zeros(3, dtype=torch.float16).uniform_(0, 1e6),
    ]
    for call in calls:
        with pytest.raises((RuntimeError, NotImplementedError, ValueError)) as plain:
            call()
        torch.manual_seed(1)
        state = torch.get_rng_state()
        with init.patch(), pytest.raises(type(plain.value)) as patched:
            call()
        assert str(patched.value)[:200] == str(plain.value)[:200]  # of what follows, some is a list of all kernels
        assert torch.equal(torch.get_rng_state(), state)


def test_what_initcore_refuses_torch_fills() -> None:
    with init.patch() as drawn:
        assert zeros(3).normal_(math.nan).isnan().all()
        assert zeros(0).normal_().numel() == 0
    assert drawn.share == 0


def test_autograd_sees_what_it_sees() -> None:
    with init.patch():
        weight = zeros(3, requires_grad=True)
        with torch.no_grad():
            weight.normal_()
        assert weight.is_leaf
        assert weight._version == 1
        assert torch.randn(3, requires_grad=True).is_leaf
        loss = (torch.randn(3) * weight).sum()
    loss.backward()
    assert weight.grad is not None


def test_modes_and_transformations_of_others_see_the_operations() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Seen(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.names: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(func))
            return func(*args, **(kwargs or {}))

    with init.patch(), Seen() as seen:
        nn.init.normal_(torch.empty(6, 5))
        torch.rand(3)
    assert seen.names == ["aten.empty.memory_format", "aten.normal_.default", "aten.rand.default"]
    with init.patch(), pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
        torch.func.vmap(lambda x: torch.randn(3) + x)(zeros(4))
    with init.patch(), torch.device("meta"):
        assert nn.Linear(3, 3).weight.is_meta
    from torch._subclasses.fake_tensor import FakeTensorMode

    with init.patch() as drawn, FakeTensorMode():
        nn.Linear(3, 3)
    assert drawn.elements == 0


def test_function_modes_are_given_torchs_functions() -> None:
    from torch.overrides import TorchFunctionMode

    class Seen(TorchFunctionMode):
        def __init__(self) -> None:
            self.functions: list[Any] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.functions.append(func)
            return func(*args, **(kwargs or {}))

    tensor = torch.zeros(6, 5)
    with init.patch() as drawn, Seen() as seen:
        nn.init.normal_(tensor)
    assert seen.functions[0] is nn.init.normal_
    assert drawn.initcore["normal_"].elements == 30


@pytest.mark.parametrize(("name", "method"), [("zeros_", "zero_"), ("ones_", "fill_")])
def test_function_modes_see_constants_set_without_grad(name: str, method: str) -> None:
    from torch.overrides import TorchFunctionMode

    class Seen(TorchFunctionMode):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls.append((func.__name__, *(arg for arg in args if not isinstance(arg, torch.Tensor))))
            return func(*args, **(kwargs or {}))

    calls = []
    for module in (nn.init, init):
        tensor = torch.empty(6, 5)
        with Seen() as seen:
            getattr(module, name)(tensor)
        calls.append([call for call in seen.calls if call[0] in (method, "_set_grad_enabled")])
    assert calls[0] == calls[1]
    assert len(calls[0]) == 3


def test_compiled_code_runs() -> None:
    def draw(x: Any) -> Any:
        return nn.init.normal_(torch.empty_like(x)) + torch.rand(4) + x

    with init.patch():
        compiled = torch.compile(draw, backend="eager", fullgraph=True)
        first, second = compiled(zeros(4, 4)), compiled(zeros(4, 4))
    assert not torch.equal(first, second)
    assert torch.compile(draw, backend="eager", fullgraph=True)(zeros(4, 4)).isfinite().all()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*TracerWarning")
def test_traced_and_scripted_code_draws() -> None:
    """Each time anew, also after patch() is left; what torch.jit.trace has recorded is torch's operation."""

    def draw(x: Any) -> Any:
        return init.normal_(torch.empty(50)) + nn.init.uniform_(torch.empty(50)) + x

    for patched in (False, True):
        if patched:
            with init.patch():
                traced = torch.jit.trace(draw, zeros(50), check_trace=False)
        else:
            traced = torch.jit.trace(draw, zeros(50), check_trace=False)
        first, second = traced(zeros(50)), traced(zeros(50))
        assert first.std() > 0.3
        assert not torch.equal(first, second)


def calls_ours(x: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
    return init.xavier_normal_(torch.empty(3, 3)) + init.constant_(torch.empty(3), 2.0) + x


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchs_script_compiles_what_it_compiles() -> None:
    """Of these functions as of torch's, alone and called by others."""
    for name in ("normal_", "uniform_", "constant_", "zeros_", "ones_", "xavier_normal_", "xavier_uniform_"):
        scripted = torch.jit.script(getattr(init, name))
        result = scripted(torch.full((20, 20), 7.0), *([0.5] if name == "constant_" else []))
        assert not (result == 7).any(), name
    assert torch.jit.script(calls_ours)(zeros(3)).shape == (3, 3)


def test_key_words_are_not_counted_and_generators_count_on() -> None:
    """The word that a fill takes is torch's own draw, which no report shows."""
    with init.patch() as drawn:
        torch.manual_seed(2)
        torch.randn(4)
        after = torch.get_rng_state()
    torch.manual_seed(2)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.equal(torch.get_rng_state(), after)
    assert not drawn.torch


def test_torchs_bytes_are_torchs_again(run_python: Run) -> None:
    code = (
        "import torch\n"
        "def bytes_of():\n"
        "    torch.manual_seed(0)\n"
        "    tensors = (torch.randn(3), torch.rand(20), torch.nn.init.trunc_normal_(torch.empty(9)),\n"
        "               torch.randperm(9),\n"
        "               torch.nn.Linear(3, 4).weight.detach(), torch.empty(3).exponential_())\n"
        "    return [tensor.numpy().tobytes() for tensor in tensors]\n"
        "before = bytes_of()\n"
        "import initcore.torch as init\n"
        "assert bytes_of() == before\n"
        "for _ in range(3):\n"
        "    with init.patch(): during = bytes_of()\n"
        "    assert all(a != b for a, b in list(zip(before, during))[:3])\n"
        "    assert bytes_of() == before\n"
    )
    run_python(code)
    assert initcore.STREAM_VERSION == 1
