"""Models under patch() and by initialize(): what every layer draws, and from which stream."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream, _core

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
nn = torch.nn
theirs = nn.init

LAYERS: dict[str, Callable[[], Any]] = {
    "Linear": lambda: nn.Linear(30, 20),
    "Linear without inputs": lambda: nn.Linear(20, 0),
    "Conv1d": lambda: nn.Conv1d(8, 16, 3),
    "Conv2d": lambda: nn.Conv2d(8, 16, (3, 5)),
    "Conv3d": lambda: nn.Conv3d(4, 6, 3),
    "Conv2d in groups": lambda: nn.Conv2d(8, 16, 3, groups=4),
    "ConvTranspose1d": lambda: nn.ConvTranspose1d(8, 16, 3),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(8, 16, 3, groups=2),
    "ConvTranspose3d": lambda: nn.ConvTranspose3d(4, 6, 3),
    "Bilinear": lambda: nn.Bilinear(8, 6, 10),
    "Embedding": lambda: nn.Embedding(50, 12, padding_idx=3),
    "EmbeddingBag": lambda: nn.EmbeddingBag(50, 12),
    "RNN": lambda: nn.RNN(8, 16, 2),
    "LSTM": lambda: nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4),
    "GRU": lambda: nn.GRU(8, 16),
    "LSTMCell": lambda: nn.LSTMCell(8, 16),
    "MultiheadAttention": lambda: nn.MultiheadAttention(16, 4, add_bias_kv=True),
    "MultiheadAttention of other sizes": lambda: nn.MultiheadAttention(16, 4, kdim=8, vdim=12),
    "Transformer": lambda: nn.Transformer(16, 4, 2, 2, 32, batch_first=True),
    "norms": lambda: nn.Sequential(nn.LayerNorm(9), nn.BatchNorm1d(9), nn.GroupNorm(3, 9), nn.RMSNorm(9), nn.PReLU()),
    "AdaptiveLogSoftmaxWithLoss": lambda: nn.AdaptiveLogSoftmaxWithLoss(16, 30, [10, 20]),
    "as bfloat16": lambda: nn.Linear(30, 20, dtype=torch.bfloat16),
}
Call = tuple[tuple[int, ...], str, tuple[float, ...]]
_NAMES = {row[0]: name for name, row in _core.DISTS.items()}


def calls_of_torch(build: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Shape, distribution and parameters of every fill with elements, as torch draws them."""
    calls: list[Call] = []

    def record(name: str) -> Callable[..., Any]:
        def fill(tensor: Any, first: float, second: float, **_: Any) -> Any:
            calls.append((tuple(tensor.shape), name, (float(first), float(second))))
            return tensor.fill_(0.5)

        return fill

    with monkeypatch.context() as patched:
        for name in ("uniform", "normal"):
            patched.setattr(torch.Tensor, f"{name}_", record(name))
        build()
    return [call for call in calls if math.prod(call[0])]


def calls_of_initcore(build: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    calls: list[Call] = []
    fill = _core.fill

    def record(out: Any, dist: int, params: tuple[float, ...], rng: Any, shard: Any = None) -> Any:
        calls.append((out.shape, _NAMES[dist], tuple(map(float, params))))
        return fill(out, dist, params, rng, shard)

    with monkeypatch.context() as patched:
        patched.setattr(_core, "fill", record)
        with init.patch():
            build()
    return calls


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_layers_draw_what_they_do_without(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same distributions with the same parameters, to the last bit, in the same order; the rest is constant."""
    build = LAYERS[layer]
    ours = calls_of_initcore(build, monkeypatch)
    assert ours == calls_of_torch(build, monkeypatch)
    plain = build()
    with init.patch():
        patched = build()
    for (name, ours_), (_, other) in zip(patched.named_parameters(), plain.named_parameters(), strict=True):
        a, b = ours_.detach().double(), other.detach().double()
        if not b.numel():
            continue
        if b.min() == b.max():
            assert torch.equal(a, b), name
        elif b.numel() > 200:  # a ratio of stds has a relative error below 1 / sqrt(n) for either; six of both
            assert abs(math.log(a.std() / b.std())) < 6 / math.sqrt(b.numel()), name


def test_patched_models_follow_manual_seed() -> None:
    def build() -> Any:
        torch.manual_seed(3)
        with init.patch():
            return nn.Linear(20, 10).weight

    assert torch.equal(build(), build())


def model() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 6), nn.Embedding(9, 6), nn.MultiheadAttention(6, 2)
    )


def test_initialize_takes_the_stream_of_the_name() -> None:
    """And gives it what the layer draws; twice the same; torch's generator is as it was."""
    state = torch.get_rng_state()
    ours = init.initialize(model(), rng=5)
    root5 = math.sqrt(5)
    for name, expected in {
        "0.weight": initcore.kaiming_uniform((8, 3, 3, 3), root5, rng=Stream(5, "0.weight")),
        "0.bias": initcore.uniform(8, -1 / math.sqrt(27), 1 / math.sqrt(27), rng=Stream(5, "0.bias")),
        "1.weight": np.ones(8),
        "2.weight": initcore.kaiming_uniform((6, 8), root5, rng=Stream(5, "2.weight")),
        "3.weight": initcore.normal((9, 6), rng=Stream(5, "3.weight")),
        "4.in_proj_weight": initcore.xavier_uniform((18, 6), rng=Stream(5, "4.in_proj_weight")),
        "4.out_proj.bias": np.zeros(6),
    }.items():
        np.testing.assert_array_equal(ours.get_parameter(name).detach().numpy(), expected, err_msg=name)
    again = init.initialize(init.initialize(model(), rng=6), rng=Stream(5))
    for name, parameter in ours.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
    model()
    assert not torch.equal(torch.get_rng_state(), state)


def test_initialize_leaves_torchs_generator_alone() -> None:
    built = model()
    state = torch.get_rng_state()
    init.initialize(built, rng=5)
    assert torch.equal(torch.get_rng_state(), state)


def test_initialize_does_not_depend_on_other_modules() -> None:
    one = init.initialize(nn.ModuleDict({"a": nn.Linear(5, 4), "b": nn.LSTM(5, 4)}), rng=1)
    other = init.initialize(nn.ModuleDict({"x": nn.Linear(7, 4), "b": nn.LSTM(5, 4), "a": nn.Linear(5, 4)}), rng=1)
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)), name


@pytest.mark.parametrize("rng", [initcore.Generator(3), torch.Generator().manual_seed(3), None])
def test_initialize_advances_generators(rng: Any) -> None:
    first, second = (init.initialize(nn.Linear(5, 4), rng=rng).weight for _ in range(2))
    assert not torch.equal(first, second)


class Direct(nn.Module):
    """Draws past torch.nn.init, and by parts."""

    def __init__(self) -> None:
        super().__init__()
        self.data_ = nn.Parameter(torch.zeros(40, 30))
        self.parts = nn.Parameter(torch.zeros(40, 30))
        self.through_data = nn.Parameter(torch.zeros(40, 30))

    def reset_parameters(self) -> None:
        self.data_.data.normal_()
        for part in self.parts.chunk(2):
            theirs.xavier_uniform_(part.data)
        theirs.normal_(self.through_data.data)


def test_direct_operations_are_reproducible_and_parts_have_streams_of_their_own() -> None:
    one = init.initialize(Direct(), rng=1)
    torch.manual_seed(99)
    other = init.initialize(nn.ModuleList([nn.Linear(3, 3), Direct()]), rng=1)[1]
    assert torch.equal(one.data_, init.initialize(Direct(), rng=1).data_)
    assert not torch.equal(one.data_, other.data_)  # of another name
    np.testing.assert_array_equal(
        one.through_data.detach().numpy(), initcore.normal((40, 30), rng=Stream(1, "through_data"))
    )
    for start in (0, 600):
        np.testing.assert_array_equal(
            one.parts.detach().view(2, 20, 30)[start // 600].numpy(),
            initcore.xavier_uniform((20, 30), rng=Stream(1, "parts", start) if start else Stream(1, "parts", 0)),
        )


class Held(nn.Module):
    """Has a parameter that nothing resets, and is built of what it does not keep."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.token = nn.Parameter(torch.full((3,), value))


class Kept(Held):
    """The same, but keeps it."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value


def test_what_nothing_writes_is_named_before_anything_is_written_and_kept() -> None:
    held = Held(7.0)
    before = {name: parameter.detach().clone() for name, parameter in held.named_parameters()}
    with pytest.raises(RuntimeError, match=r"^nothing writes to token: neither Linear.reset_parameters\(\) nor"):
        init.initialize(held, rng=1)
    for name, parameter in held.named_parameters():
        assert torch.equal(parameter, before[name]), name
    assert init.initialize(held, rng=1, keep=["*oken"]) is held
    assert (held.token == 7).all()
    np.testing.assert_array_equal(
        held.linear.bias.detach(), initcore.uniform(3, -0.5, 0.5, rng=Stream(1, "linear.bias"))
    )
    init.initialize(held, rng=2, keep=["linear.*", "token"])
    np.testing.assert_array_equal(
        held.linear.bias.detach(), initcore.uniform(3, -0.5, 0.5, rng=Stream(1, "linear.bias"))
    )
    with pytest.raises(ValueError, match="keep='nothing' matches none of"):
        init.initialize(held, rng=1, keep=["nothing"])


def test_constants_of_a_constructor_are_what_it_makes_of_what_it_keeps() -> None:
    kept = Kept(7.0)
    with torch.no_grad():
        kept.token.fill_(3)
    assert (init.initialize(kept, rng=1).token == 7).all()


def test_weights_behind_a_parametrization_are_set_by_its_right_inverse() -> None:
    """So that the weight is what the module draws, or what the parametrization makes of it."""
    expected = initcore.kaiming_uniform((3, 4), math.sqrt(5), rng=Stream(1, "weight"))
    normed = init.initialize(torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), rng=1)
    np.testing.assert_allclose(normed.weight.detach(), expected, rtol=1e-6)
    np.testing.assert_array_equal(normed.parametrizations.weight.original1.detach(), expected)
    orthogonal = init.initialize(torch.nn.utils.parametrizations.orthogonal(nn.Linear(4, 3)), rng=1)
    np.testing.assert_allclose((orthogonal.weight @ orthogonal.weight.T).detach(), np.eye(3), atol=1e-6)

    class Doubled(nn.Module):
        def forward(self, weight: Any) -> Any:
            return 2 * weight

    doubled = nn.Linear(4, 3)
    torch.nn.utils.parametrize.register_parametrization(doubled, "weight", Doubled())
    before = doubled.bias.detach().clone()
    with pytest.raises(RuntimeError, match="weight has a parametrization without right_inverse"):
        init.initialize(doubled, rng=1)
    assert torch.equal(doubled.bias, before)
    init.initialize(doubled, rng=1, keep=["parametrizations.weight.*"])


@pytest.mark.parametrize("order", [("emb", "head"), ("head", "emb")])
def test_tied_weights_are_of_the_module_they_are_named_after(order: tuple[str, str]) -> None:
    layers = {"emb": nn.Embedding(6, 4), "head": nn.Linear(4, 6, bias=False)}
    tied = nn.ModuleDict({name: layers[name] for name in order})
    layers["head"].weight = layers["emb"].weight
    init.initialize(tied, rng=1)
    owner = f"{order[0]}.weight"
    expected = initcore.normal((6, 4), rng=Stream(1, owner))
    if order[0] == "head":
        expected = initcore.kaiming_uniform((6, 4), math.sqrt(5), rng=Stream(1, owner))
    np.testing.assert_array_equal(layers["emb"].weight.detach().numpy(), expected)


def test_what_has_no_shape_is_refused_and_what_has_no_memory_is_given_some() -> None:
    with pytest.raises(ValueError, match=r"^weight, bias have no shape yet"):
        init.initialize(nn.LazyLinear(3))
    for deferred in (nn.Linear(3, 3, device="meta"), nn.Linear(3, 3, device="meta").to_empty(device="cpu")):
        assert torch.equal(init.initialize(deferred, rng=2).weight, init.initialize(nn.Linear(3, 3), rng=2).weight)
    with torch.device("meta"), pytest.raises(ValueError, match="device= must be a device with memory"):
        init.initialize(nn.Linear(3, 3), rng=2)


def test_initialize_after_an_error_is_undone() -> None:
    class Failing(nn.Module):
        def reset_parameters(self) -> None:
            raise KeyError("mine")

    failing, code = nn.Sequential(nn.Linear(3, 3), Failing()), theirs.normal_.__code__
    state = torch.get_rng_state()
    with pytest.raises(KeyError, match="mine"):
        init.initialize(failing)
    assert theirs.normal_.__code__ is code
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(init.normal_(torch.empty(9)), init.normal_(torch.empty(9)))
