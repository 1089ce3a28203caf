"""What only Keras' torch backend has: shapes without values. tests/keras/test_keras_backends.py runs this."""

from __future__ import annotations

from support import need

from initcore import keras as ours

torch = need("torch")
keras = need("keras")


def test_on_the_meta_device_nothing_is_drawn() -> None:
    seed = keras.random.SeedGenerator(3)
    with keras.device("meta"):
        tensor = ours.HeNormal(seed=seed)((1 << 20, 1 << 20), "bfloat16")  # two terabytes
    assert (tensor.device.type, tensor.dtype, tensor.shape) == ("meta", torch.bfloat16, (1 << 20, 1 << 20))
    assert seed.state.value.tolist() == [3, 0]


def test_tensors_as_values() -> None:
    tensor = torch.arange(4.0)
    assert torch.equal(ours.get(tensor)((4,)), tensor)


def test_half_precision_is_the_float32_matrix() -> None:
    initializer = ours.HeNormal(seed=3)
    for dtype in (torch.bfloat16, torch.float16):
        w = initializer((64, 32), dtype)
        assert w.dtype == dtype
        assert torch.equal(w, initializer((64, 32)).to(dtype))


def test_seeds_are_signed_words() -> None:
    """Of which torch's state is made; a seed is what they are as unsigned ones."""
    assert torch.equal(
        ours.RandomNormal(seed=keras.random.SeedGenerator(-5))((9,)), ours.RandomNormal(seed=2**32 - 5)((9,))
    )
