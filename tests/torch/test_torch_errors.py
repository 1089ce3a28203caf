"""initcore.torch refuses and warns of what torch.nn.init does, and in its words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support import need

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
theirs = torch.nn.init
if True:  # which import torch
    from torch_arguments import ALL, RANDOM


E = torch.empty
REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("uniform_", (3,), {"a": 1, "b": 0}),
    ("uniform_", (3,), {"b": math.inf}),
    ("uniform_", (3,), {"a": math.nan}),
    ("uniform_", E(3, dtype=torch.float16), {"b": 1e5}),
    ("uniform_", E(3, dtype=torch.int32), {}),
    ("normal_", (3,), {"std": -1}),
    ("normal_", (3,), {"std": math.nan}),
    ("normal_", E(3, dtype=torch.int64), {}),
    ("normal_", E(3, dtype=torch.float8_e5m2), {}),
    ("trunc_normal_", (3,), {"a": 1, "b": 0}),
    ("trunc_normal_", (3,), {"std": 0}),
    ("trunc_normal_", (3,), {"std": 0.0, "mean": 5}),
    ("trunc_normal_", E(3, dtype=torch.bool), {}),
    ("constant_", E(3, dtype=torch.float16), {"val": 1e9}),
    ("constant_", E(600, 600, dtype=torch.float16), {"val": 1e9}),
    ("eye_", (3,), {}),
    ("eye_", (3, 3, 3), {}),
    ("dirac_", (3, 3), {}),
    ("dirac_", (3, 3, 3), {"groups": 2}),
    ("dirac_", (3, 3, 3), {"groups": 0}),
    ("dirac_", (3, 3, 0), {}),
    *(
        (f"{kind}_{shape}_", size, {})
        for kind in ("xavier", "kaiming")
        for shape in ("uniform", "normal")
        for size in ((), (3,))
    ),
    ("xavier_uniform_", (0, 0), {}),
    ("xavier_normal_", (0, 0), {}),
    ("xavier_uniform_", (3, 3), {"gain": -1}),
    ("xavier_uniform_", (3, 3), {"gain": math.nan}),
    ("xavier_normal_", (3, 3), {"gain": -1}),
    ("kaiming_uniform_", (3, 3), {"mode": "fan_avg"}),
    ("kaiming_normal_", (3, 3), {"nonlinearity": "gelu"}),
    ("kaiming_normal_", (3, 3), {"nonlinearity": "ReLU"}),
    ("kaiming_uniform_", (3, 3), {"a": True}),
    ("orthogonal_", (3,), {}),
    ("orthogonal_", E(3, 3, dtype=torch.int32), {}),
    ("sparse_", (3, 3, 3), {"sparsity": 0.5}),
    ("sparse_", (3, 3), {"sparsity": 0.5, "std": -1}),
    *((name, E(1, 4).expand(4, 4), ALL[name]) for name in RANDOM if name != "orthogonal_"),
    ("uniform_", [1, 2], {}),
]


def bytes_of(tensor: Any) -> bytes:
    return (
        tensor.contiguous().view(torch.uint8).numpy().tobytes()
        if isinstance(tensor, torch.Tensor) and tensor.ndim
        else b""
    )


@pytest.mark.parametrize(("name", "target", "arguments"), REFUSED)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_errors_are_torchs(name: str, target: Any, arguments: dict[str, Any]) -> None:
    """Type and text; and what is refused is not written."""

    def error(module: Any) -> tuple[type, str]:
        tensor = torch.full(target, 7.0) if isinstance(target, tuple) else target
        before = bytes_of(tensor)
        try:
            getattr(module, name)(tensor, **arguments)
        except Exception as raised:
            assert module is theirs or name == "dirac_" or bytes_of(tensor) == before
            return type(raised), str(raised)
        pytest.fail("nothing was raised")

    assert error(init) == error(theirs)


@pytest.mark.parametrize("name", ALL)
def test_a_keyword_of_another_library_is_answered(name: str) -> None:
    said = "generator=0 is the seed 0" if name in RANDOM else "it draws no random numbers"
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'seed'; {said}$"):
        getattr(init, name)(torch.empty(4, 4), **ALL[name], seed=3)


@pytest.mark.parametrize("name", list(RANDOM))
def test_tensors_that_overlap_themselves_are_refused(name: str) -> None:
    """Those too whose strides torch does not look through: it would write them."""
    memory = torch.full((20,), 7.0)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        getattr(init, name)(memory.as_strided((5, 4), (2, 1)), **RANDOM[name])
    assert (memory == 7).all()


def test_what_initcore_refuses_and_torch_fills_is_filled() -> None:
    assert init.normal_(torch.zeros(3), math.nan).isnan().all()
    assert init.normal_(torch.zeros(1000, dtype=torch.float16), 0, 1e30).isinf().all()
    assert (init.sparse_(torch.ones(5, 5), 1.5) == 0).all()
    assert init.orthogonal_(torch.zeros(3, 3), math.nan).isnan().all()
    for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_normal_"):
        complex_ = getattr(init, name)(torch.zeros(4, 4, dtype=torch.complex64), generator=3)
        assert complex_.abs().all()
        assert torch.equal(complex_, getattr(init, name)(torch.zeros(4, 4, dtype=torch.complex64), generator=3))


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
def test_no_elements(name: str) -> None:
    """The kaiming ones warn before they look at anything else; others are silent."""
    tensor = torch.empty(0)
    with pytest.warns(UserWarning, match="^Initializing zero-element tensors is a no-op$") as caught:
        assert getattr(init, name)(tensor, mode="no mode") is tensor
    assert caught[0].filename == __file__
    for other in ("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "orthogonal_", "sparse_"):
        tensor = torch.empty(0, 3)
        assert getattr(init, other)(tensor, **RANDOM[other]) is tensor


def test_a_distant_mean_warns() -> None:
    with pytest.warns(UserWarning, match="^mean is more than 2 std from") as caught:
        tensor = init.trunc_normal_(torch.empty(1000), mean=0.0, std=1.0, a=2.5, b=3.0)
    assert [w.filename for w in caught] == [__file__]
    assert ((tensor >= 2.5) & (tensor <= 3)).all()
