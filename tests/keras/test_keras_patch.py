"""initcore.keras.patch(): what it reaches. test_keras_backends.py runs this on each backend."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support import Run, need
from test_keras import EXAMPLES, RANDOM, same, values

import initcore
from initcore import keras as ours
from initcore.keras import _tally

keras = need("keras")
theirs = keras.initializers

pytestmark = [
    pytest.mark.any_isa,
    # Keras' numpy backend traces a model with memory as numpy.empty finds it, which now and then overflows
    pytest.mark.filterwarnings("ignore:.* encountered in :RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),  # Keras' with NumPy 2
]


def touched() -> dict[tuple[str, str], Any]:
    """Return what the classes of the table have of their own; TensorFlow writes other attributes into them."""
    kinds = {**{name: getattr(theirs, name) for name in EXAMPLES}, "Variable": keras.Variable}
    return {(name, method): vars(kind).get(method) for name, kind in kinds.items() for method in METHODS}


METHODS = ("__init__", "__call__", "__new__")
UNTOUCHED = touched()


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    assert not _tally.watching()
    assert touched() == UNTOUCHED
    assert type(theirs.get("he_normal")) is theirs.HeNormal


def kernel_of(layer: Any) -> Any:
    layer.build((None, 4))
    return layer.kernel.value


def transformer() -> Any:
    tokens = keras.Input((12,), dtype="int32")
    x = keras.layers.Embedding(50, 16)(tokens)
    for _ in range(2):
        y = keras.layers.LayerNormalization()(x)
        x = x + keras.layers.MultiHeadAttention(2, 8)(y, y)
        y = keras.layers.LayerNormalization()(x)
        x = x + keras.layers.Dense(16)(keras.layers.Dense(32, activation="gelu")(y))
    return keras.Model(tokens, keras.layers.Dense(50)(x))


def recurrent() -> Any:
    inputs = keras.Input((5, 3))
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(inputs)
    x = keras.layers.SeparableConv1D(4, 3)(keras.layers.GRU(4, return_sequences=True)(x))
    return keras.Model(inputs, keras.layers.SpectralNormalization(keras.layers.Dense(3))(x))


MODELS: dict[str, Callable[[], Any]] = {
    "transformer": transformer,
    "recurrent": recurrent,
    **{
        name: lambda name=name: getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)  # type: ignore[misc]
        for name in ("ResNet50", "MobileNetV2", "EfficientNetB0")
    },
}


def law(initializer: Any, shape: tuple[int, ...]) -> Any:
    """Return what initcore's own functions draw for an initializer's parameters and seed."""
    rng = initializer.seed
    if isinstance(initializer, theirs.VarianceScaling):
        fans = int(np.prod(shape[:-1])), int(np.prod(shape[:-2])) * shape[-1]
        if getattr(initializer, "input_axes", None) is not None:  # Keras before 3.15 lacks them
            fans = tuple(
                int(np.prod([shape[a] for a in axes])) for axes in (initializer.input_axes, initializer.output_axes)
            )  # type: ignore[assignment]
        scale, mode, distribution = initializer.scale, initializer.mode, initializer.distribution
        return initcore.variance_scaling(shape, scale, mode, distribution, fans=fans, rng=rng)
    if isinstance(initializer, theirs.RandomUniform):
        return initcore.uniform(shape, initializer.minval, initializer.maxval, rng=rng)
    if isinstance(initializer, theirs.TruncatedNormal):
        return initcore.trunc_normal(shape, initializer.mean, initializer.stddev, bounds="sigma", rng=rng)
    assert isinstance(initializer, theirs.Orthogonal)
    return initcore.orthogonal((int(np.prod(shape[:-1])), shape[-1]), initializer.gain, rng=rng).reshape(shape)


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each weight that is no constant is initcore's: counted, and compared with what initcore draws from the seed."""
    made: dict[int, Any] = {}
    init = keras.Variable.__init__

    def spy(self: Any, initializer: Any, *args: Any, **kwargs: Any) -> None:
        init(self, initializer, *args, **kwargs)
        made[id(self)] = initializer

    with ours.patch() as drawn, monkeypatch.context() as spying:
        spying.setattr(keras.Variable, "__init__", spy)
        model = MODELS[name]()
    weights = [w for w in model.weights if "seed_generator" not in w.path]
    random = [w for w in weights if len(np.unique(values(w.value))) > 2]  # an LSTM's bias has zeros and ones
    assert len(random) >= {"transformer": 14, "recurrent": 9, "ResNet50": 54, "MobileNetV2": 53}.get(name, 82)
    assert {w.path for w in weights if w.name.endswith(("kernel", "embeddings"))} <= {w.path for w in random}
    for weight in random:
        initializer = made[id(weight)]
        assert type(initializer).__module__ == "initcore.keras"
        assert same(weight.value, law(initializer, tuple(weight.shape)))
    assert len({values(w.value).tobytes() for w in random}) == len(random)
    assert drawn.share == 1
    assert drawn.repeated == ()
    assert drawn.elements == sum(int(np.prod(w.shape)) for w in random)
    assert sum(count.calls for count in drawn.initcore.values()) == len(random)


def test_seeds_are_those_of_keras_utils() -> None:
    def weights() -> list[Any]:
        keras.utils.set_random_seed(3)
        with ours.patch():
            return [values(w.value) for w in transformer().weights]

    first, second = weights(), weights()
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    keras.utils.set_random_seed(3)
    seed = theirs.HeNormal().seed  # the first number that Python's random gives
    keras.utils.set_random_seed(3)
    with ours.patch():
        kernel = kernel_of(keras.layers.Dense(3))
    assert same(kernel, initcore.glorot_uniform((4, 3), fans=(4, 3), rng=seed))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_way_to_an_initializer(name: str) -> None:
    constructor, arguments = getattr(theirs, name), EXAMPLES[name]
    config = theirs.serialize(constructor(**arguments))
    kind = getattr(ours, name)
    with ours.patch():
        found = [
            constructor(**arguments),
            theirs.get(config),
            theirs.deserialize(config),
            constructor(**arguments).clone(),
        ]
        if name not in ("Constant", "STFT"):
            found += [theirs.get(name), theirs.get(constructor)]
        layer = keras.layers.Dense(3, kernel_initializer=config)
    assert {type(each) for each in (*found, layer.kernel_initializer)} == {kind}
    shape = (4, 1, 3) if name == "STFT" else (4, 3)
    if name != "Identity":  # whose gain Keras 3.15 leaves out of configurations
        assert same(found[1](shape), kind(**arguments)(shape))


def test_defaults_of_add_weight() -> None:
    class Custom(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def build(self, _: Any) -> None:
            self.plain = self.add_weight(shape=(6, 5))
            self.named = self.add_weight(shape=(6, 5), initializer="he_normal")
            self.whole = self.add_weight(shape=(6, 5), dtype="int32", trainable=False)

    with ours.patch() as drawn:
        Custom().build(None)
    assert {name: count.elements for name, count in drawn.initcore.items()} == {"GlorotUniform": 30, "HeNormal": 30}
    assert drawn.share == 1


@pytest.mark.parametrize("name", RANDOM)
def test_instances_of_before_and_derived_classes(name: str) -> None:
    """Which keep their class, and draw initcore's values while the patch is active."""
    kind = getattr(theirs, name)
    derived = type("Derived", (kind,), {})
    before = kind(seed=4), derived(seed=4)
    expected, own = getattr(ours, name)(seed=4)((4, 3)), values(before[0]((4, 3)))
    with ours.patch() as drawn:
        for initializer in (*before, derived(seed=4)):
            assert same(initializer((4, 3)), expected)
            assert type(initializer) in (kind, derived)
    assert drawn.elements == 36
    assert all(same(initializer((4, 3)), own) for initializer in before)
    assert not same(own, expected)


class Own(theirs.Initializer):  # type: ignore[misc, name-defined]
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.full(shape, 0.5, dtype)


def doubled(shape: Any, dtype: Any = None) -> Any:
    return 2 * theirs.HeNormal(seed=1)(shape, dtype)


def halves(shape: Any, dtype: Any = None) -> Any:
    return keras.ops.full(shape, 0.5, dtype)


def test_what_is_not_reached_is_said() -> None:
    with ours.patch() as drawn:
        for initializer in (Own(), halves, doubled, np.zeros((4, 3)), "zeros"):
            keras.Variable(initializer, shape=(4, 3))
        keras.random.SeedGenerator(1)
    assert drawn.initcore == {"HeNormal": (1, 12)}  # which a function asked for
    assert drawn.others == {f"{__name__}.Own": (1, 12), f"{__name__}.halves": (1, 12)}
    assert drawn.share == 1 / 3
    assert drawn.to_dict()["others"][f"{__name__}.Own"] == {"calls": 1, "elements": 12}
    assert str(drawn).splitlines()[0] == "36 elements drawn, 33.33 % by initcore"
    assert f"{__name__}.halves" in str(drawn)


def test_repeated_seeds_are_said() -> None:
    """Layers that share an initializer have the same weights, in Keras too; names make initializers of their own."""
    with ours.patch() as drawn:
        shared, advancing = theirs.HeNormal(), theirs.HeNormal(seed=keras.random.SeedGenerator(1))
        for initializer in (*[shared] * 5, *[advancing] * 5, *["he_normal"] * 5):
            kernel_of(keras.layers.Dense(3, kernel_initializer=initializer))
        wider = keras.layers.Dense(5, kernel_initializer=shared)
        kernel_of(wider)
    assert len(drawn.repeated) == 4
    assert all(path.endswith("kernel") for path in drawn.repeated)
    assert str(drawn).splitlines()[-1].startswith("  4 drawn from the seed of another of the same shape: ")
    assert drawn.to_dict()["repeated"] == list(drawn.repeated)
    with ours.patch() as later:
        kernel_of(keras.layers.Dense(3, kernel_initializer=shared))
    assert later.repeated == ()


def test_dtypes_that_initcore_does_not_draw() -> None:
    """Are Keras' to draw, or to refuse, as without the patch."""
    before = theirs.RandomUniform(0, 9, seed=1)

    def answer(initializer: Any) -> Any:
        try:
            return values(initializer((4,), "int32")).tolist()
        except Exception as error:  # which differ between backends
            return type(error)

    expected = answer(before)
    with ours.patch() as drawn:
        assert answer(before) == answer(theirs.RandomUniform(0, 9, seed=1)) == expected
    assert sum(count.calls for count in drawn.others.values()) in (0, 2)
    with pytest.raises(TypeError, match="int32"):
        ours.RandomUniform(0, 9, seed=1)((4,), "int32")


def test_wrong_arguments_are_refused_as_ever() -> None:
    def words() -> list[str]:
        found = []
        for name, arguments in (("Zeros", {"seed": 1}), ("HeNormal", {"sead": 1}), ("VarianceScaling", {"scale": 0})):
            with pytest.raises((TypeError, ValueError)) as error:
                getattr(theirs, name)(**arguments)
            found.append(str(error.value))
        return found

    expected = words()
    with ours.patch():
        assert words() == expected


def test_saved_models_load(tmp_path: pathlib.Path, run_python: Run) -> None:
    with ours.patch():
        model = transformer()
        model.save(tmp_path / "inside.keras")
    model.save(tmp_path / "model.keras")
    for name in ("inside.keras", "model.keras"):
        loaded = keras.models.load_model(tmp_path / name)
        assert all(same(a.value, b.value) for a, b in zip(model.weights, loaded.weights, strict=True))
        assert type(loaded.layers[-1].kernel_initializer) is ours.GlorotUniform
    run_python(f"import keras, initcore.keras; keras.models.load_model({str(tmp_path / 'model.keras')!r})")


def test_without_keras(run_python: Run) -> None:
    done = run_python("import sys; sys.modules['keras'] = None; import initcore.keras as k; k.patch.on()", check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: initcore.keras.patch() needs Keras: pip install keras"
