"""Presets of frameworks, against what torch and Keras themselves draw; and ZerO, against its algorithm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import need
from zoo import Shapes

from initcore.models import Parameter, PlanError, presets

pytestmark = pytest.mark.any_isa


def torch_model(torch: Any) -> Any:
    nn = torch.nn
    return nn.ModuleDict(
        {
            "fc": nn.Linear(30, 20),
            "no_bias": nn.Linear(7, 5, bias=False),
            "conv1": nn.Conv1d(4, 6, 5),
            "conv2": nn.Conv2d(8, 6, (3, 5), groups=2),
            "conv3": nn.Conv3d(2, 3, 2),
            "up": nn.ConvTranspose2d(6, 4, 3, groups=2),
            "embed": nn.Embedding(40, 6),
            "bag_embed": nn.EmbeddingBag(10, 3),
            "lstm": nn.LSTM(5, 7, num_layers=2, bidirectional=True),
            "gru": nn.GRU(5, 6),
            "rnn": nn.RNN(3, 4, num_layers=2),
            "cell": nn.LSTMCell(5, 8),
            "encoder": nn.ModuleDict({"self_attn": nn.MultiheadAttention(8, 2)}),
            "decoder": nn.ModuleDict({"multihead_attn": nn.MultiheadAttention(8, 2, kdim=5, vdim=6, add_bias_kv=True)}),
            "prelu": nn.PReLU(5),
            "norm": nn.LayerNorm(6),
            "group": nn.GroupNorm(2, 6),
            "batch": nn.BatchNorm2d(6),
            "rms": nn.RMSNorm(6),
        }
    )


def drawn_by_torch(torch: Any) -> tuple[Any, dict[int, tuple[str, float, float]]]:
    """Return a model, and for the memory of each tensor what the last operation that filled it was."""
    from torch.utils._python_dispatch import TorchDispatchMode

    names = {
        "aten.uniform_.default": ("uniform", 0.0, 1.0),
        "aten.normal_.default": ("normal", 0.0, 1.0),
        "aten.zero_.default": ("constant", 0.0, 0.0),
        "aten.fill_.Scalar": ("constant", 0.0, 0.0),
    }
    last: dict[int, tuple[str, float, float]] = {}

    class Log(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if str(func) in names:
                kind, first, second = names[str(func)]
                given = [*args[1:3], *(first, second)[len(args) - 1 :]]
                last[args[0].data_ptr()] = (kind, *given)
            return func(*args, **(kwargs or {}))

    with Log():
        return torch_model(torch), last


def told(it: Parameter) -> tuple[Any, ...]:
    distribution = it.distribution
    if distribution.kind == "uniform":
        return "uniform", distribution.low, distribution.high
    return (
        (distribution.kind, distribution.mean, distribution.std)
        if distribution.kind == "normal"
        else ("constant", distribution.mean, 0.0)
    )


def test_torchs_preset_is_what_its_modules_draw() -> None:
    """Each parameter's distribution and both of its parameters, as the last call that torch made on its memory."""
    torch = need("torch")
    model, last = drawn_by_torch(torch)
    tensors = dict(model.state_dict(keep_vars=True))
    plan = presets.torch_defaults(prelu=["prelu.weight"])
    resolved = plan.resolve({name: tensor for name, tensor in tensors.items() if "num_batches" not in name})
    assert len(resolved) == len(tensors) - 1 > 50
    for name, it in resolved.items():
        tensor = tensors[name].detach()
        if tensor.data_ptr() in last:
            (kind, *ours), (theirs, *numbers) = told(it), last[tensor.data_ptr()]
            assert kind == theirs, name
            assert ours == pytest.approx(numbers, rel=1e-14), name
        else:
            assert bool((tensor == it.distribution.mean).all()), name
            assert it.std == 0, name
    counts = plan.resolve({name: (tensor.shape, str(tensor.dtype)) for name, tensor in tensors.items()})
    assert counts["batch.num_batches_tracked"].init == "zeros"


def test_kerass_preset_is_what_its_layers_draw() -> None:
    """The bound or value of every variable, by the arrays that Keras itself makes."""
    keras = need("keras")
    layers = keras.layers
    made = [
        (layers.Dense(48, name="dense"), (None, 64)),
        (layers.Conv2D(32, 3, name="conv"), (None, 9, 9, 16)),
        (layers.Conv1D(24, 5, name="conv_1d"), (None, 9, 16)),
        (layers.Conv2DTranspose(8, 3, name="up"), (None, 9, 9, 16)),
        (layers.DepthwiseConv2D(3, depth_multiplier=4, name="depth"), (None, 9, 9, 32)),
        (layers.SeparableConv2D(32, 3, depth_multiplier=2, name="separable"), (None, 9, 9, 32)),
        (layers.Embedding(100, 12, name="tokens"), (None, 5)),
        (layers.GRU(12, name="gru"), (None, 5, 16)),
        (layers.LayerNormalization(name="layer_norm"), (None, 16)),
        (layers.BatchNormalization(name="batch_norm"), (None, 16)),
        (layers.RMSNormalization(name="rms_norm"), (None, 16)),
        (layers.PReLU(name="prelu"), (None, 16)),
    ]
    attention = layers.MultiHeadAttention(4, 16, name="attention")
    attention.build((None, 5, 48), (None, 5, 48))
    for layer, shape in made:
        layer.build(shape)
    weights = [weight for layer in [attention, *(layer for layer, _ in made)] for weight in layer.weights]
    arrays = {weight.path: np.asarray(weight) for weight in weights if "seed_generator" not in weight.path}
    resolved = presets.keras_defaults().resolve({path: (array.shape, array.dtype) for path, array in arrays.items()})
    for path, it in resolved.items():
        array = arrays[path]
        if it.init == "orthogonal":
            np.testing.assert_allclose(array @ array.T, np.eye(len(array)), atol=1e-5)
        elif it.distribution.kind == "constant":
            assert (array == it.distribution.mean).all(), path
        else:
            assert it.init in ("glorot_uniform", "uniform")
            assert it.bound is not None
            assert 1 - 30 / array.size < np.abs(array).max() / it.bound <= 1, path
            assert array.std() == pytest.approx(it.std, rel=5 / math.sqrt(array.size)), path
    assert sum(it.init == "glorot_uniform" for it in resolved.values()) == 12


def test_kerass_lstm_biases_are_no_rules() -> None:
    """Ones in the second quarter: an error that names them, not zeros."""
    shapes = {"lstm/lstm_cell/kernel": (16, 48), "lstm/lstm_cell/recurrent_kernel": (12, 48)}
    plan = presets.keras_defaults()
    assert len(plan.resolve(shapes)) == 2
    with pytest.raises(PlanError, match="lstm/lstm_cell/bias: no rule matches"):
        plan.resolve({**shapes, "lstm/lstm_cell/bias": (48,)})


def test_zero_is_its_authors_algorithm() -> None:
    """Partial identities, and Hadamard matrices by a construction of their own: [[H, H], [H, -H]]."""

    def sylvester(size: int) -> Any:
        if size == 1:
            return np.ones((1, 1))
        half = sylvester(size // 2)
        return np.block([[half, half], [half, -half]])

    shapes: Shapes = {"down.weight": (3, 7), "square.weight": (5, 5), "up.weight": (11, 3), "up.bias": (11,)}
    shapes |= {"conv.weight": (4, 9, 3, 3), "wide_conv.weight": (6, 2, 3, 5), "norm.weight": (4,), "fc.weight": (9, 4)}
    model = {name: np.empty(shape) for name, shape in shapes.items()}
    presets.zero(["fc.weight"], dtype="float64").fill(model)
    wanted = {name: np.zeros(shape) for name, shape in shapes.items()}
    wanted["down.weight"], wanted["square.weight"], wanted["norm.weight"] = np.eye(3, 7), np.eye(5), np.ones(4)
    wanted["up.weight"] = sylvester(16)[:11, :3] / 4
    wanted["conv.weight"][:, :, 1, 1] = np.eye(4, 9)
    wanted["wide_conv.weight"][:, :, 1, 2] = sylvester(8)[:6, :2] / math.sqrt(8)
    for name, values in wanted.items():
        np.testing.assert_array_equal(model[name], values, err_msg=name)
