"""initcore.keras: names, constructors, configurations, with Keras and without; what is said of Keras is asked of it."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from typing import Any

import numpy as np
import pytest
from support import need
from test_keras import EXAMPLES, same, values

from initcore import keras
from initcore.keras import _configs, _registry, _standalone

pytestmark = pytest.mark.any_isa

CLASSES = tuple(EXAMPLES)
#: The names in Keras' other form, which files hold
SNAKE = {name: re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in CLASSES}


@pytest.fixture
def theirs() -> Any:
    return need("keras").initializers


def test_every_name(theirs: Any) -> None:
    public = {name for name in vars(theirs) if not name.startswith("_")}
    assert public <= set(keras.__all__)
    for name in public - {"get", "serialize", "deserialize", "Initializer"}:
        assert getattr(keras, name).__qualname__ == getattr(theirs, name).__name__
        assert issubclass(getattr(keras, name), getattr(theirs, name))
    assert keras.Initializer is theirs.Initializer
    assert set(_registry.OBJECTS) == set(need("keras.src.initializers").ALL_OBJECTS_DICT)


@pytest.mark.parametrize("name", CLASSES)
def test_signatures(theirs: Any, name: str) -> None:
    def parameters(kind: type) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]

    expected = [] if name in ("Zeros", "Ones") else parameters(getattr(theirs, name))
    for kind in (getattr(keras, name), getattr(_standalone, name)):
        assert [p for p in parameters(kind) if p[0] != "args"] == expected


@pytest.mark.parametrize("name", CLASSES)
def test_configurations(theirs: Any, name: str) -> None:
    """Of each class, of its counterpart and of its stand-in: equal."""
    if name == "STFT":
        need("scipy")  # for its default window
    if name == "Identity":
        assert keras.Identity(2).get_config() == {"gain": 2}  # which Keras 3.15 leaves out
        return
    for arguments in (EXAMPLES[name], {}):
        kinds = getattr(keras, name), getattr(theirs, name), getattr(_standalone, name)
        ours, expected, alone = (kind(**arguments).get_config() for kind in kinds)
        assert ours == expected == alone
        assert list(ours) == list(expected) == list(alone)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("VarianceScaling", {"scale": 0}),
        ("VarianceScaling", {"scale": -1.5}),
        ("VarianceScaling", {"mode": "fan_geo_avg"}),
        ("VarianceScaling", {"mode": "FAN_IN"}),
        ("VarianceScaling", {"distribution": "Cauchy"}),
        ("VarianceScaling", {"distribution": 1}),
        ("VarianceScaling", {"sead": 1}),
        ("HeNormal", {"seed": 1.5}),
        ("HeNormal", {"scale": 1.0}),
        ("Orthogonal", {"seed": "1"}),
        ("STFT", {"side": "left"}),
        ("STFT", {"scaling": "power", "window": None}),
        ("STFT", {"window": "no such window"}),
        ("Zeros", {"seed": 1}),
    ],
)
def test_refused_by_constructors(theirs: Any, name: str, arguments: dict[str, Any]) -> None:
    """With the same words; but for their order, where Keras prints a set."""
    need("scipy")  # for the names of windows
    raised = []
    for module in (theirs, keras, _standalone):
        with pytest.raises((TypeError, ValueError, AttributeError)) as error:
            getattr(module, name)(**arguments)
        said = str(error.value).partition("; ")[0]  # what was meant is said by ours alone
        raised.append((error.type, sorted(said.replace("_Preset", name))))
    assert raised[0] == raised[1] == raised[2]


@pytest.mark.parametrize("config", [{"class_name": "Zeros"}, {"class": "Zeros", "config": {}}, "typo", {}, 3, "Zeroes"])
def test_refused_by_get(theirs: Any, config: Any) -> None:
    def answer(get: Any) -> Any:
        try:
            return type(get(config)).__qualname__
        except ValueError as error:
            return str(error)

    assert answer(keras.get) == answer(theirs.get)


@pytest.mark.parametrize("name", CLASSES)
def test_round_trip(name: str) -> None:
    """Through JSON; clones of a seed draw what it drew."""
    initializer = getattr(keras, name)(**EXAMPLES[name])
    shape = (4, 1, 3) if name == "STFT" else (4, 3)
    config = json.loads(json.dumps(keras.serialize(initializer)))
    assert config["registered_name"] == config["class_name"] == f"initcore>{SNAKE[name]}"
    assert config["module"] == "initcore.keras"
    by_name = {"class_name": name, "config": config["config"]}
    for twin in (initializer.clone(), keras.deserialize(config), keras.get(config), keras.get(by_name)):
        assert type(twin) is type(initializer)
        assert twin.get_config() == initializer.get_config()
        assert same(twin(shape), initializer(shape))


@pytest.mark.parametrize("name", CLASSES)
def test_older_configurations(name: str) -> None:
    """Of files that were saved when the registered names were those of the classes."""
    initializer = getattr(keras, name)(**EXAMPLES[name])
    config = {**keras.serialize(initializer), "class_name": name, "registered_name": f"initcore>{name}"}
    twin = keras.deserialize(json.loads(json.dumps(config)))
    assert type(twin) is type(initializer)
    assert twin.get_config() == initializer.get_config()


def test_pickles() -> None:
    twin = pickle.loads(pickle.dumps(keras.HeNormal(seed=3)))
    assert type(twin) is keras.HeNormal
    assert twin.seed == 3


def test_serialized_alike(theirs: Any) -> None:
    """Without Keras too, so that what one saves the other reads."""
    seeds = (1, None, keras.SeedGenerator(3, name="a"))
    examples = [*(keras.HeNormal(seed) for seed in seeds), keras.Constant(2), keras.STFT(window=[1, 2]), keras.Zeros()]
    for initializer in examples:
        config = keras.serialize(initializer)
        if isinstance(initializer, keras.HeNormal) and initializer.seed is seeds[2]:
            alone = _standalone.SeedGenerator(3, name="a")
            assert config["config"]["seed"] == _configs.serialize(alone)
        else:
            assert config == _configs.serialize(initializer)


def test_keras_own_become_ours(theirs: Any) -> None:
    config = theirs.serialize(theirs.GlorotNormal(seed=4))
    assert type(keras.deserialize(config)) is keras.GlorotNormal
    assert type(theirs.deserialize(config)) is theirs.GlorotNormal
    ours = keras.HeNormal(seed=4)
    assert theirs.get(ours) is ours
    assert type(theirs.get(keras.serialize(ours))) is keras.HeNormal
    for name in ("initcore>he_normal", "initcore>HeNormal"):
        assert type(theirs.get(name)) is keras.HeNormal
    assert type(theirs.get("HeNormal")) is theirs.HeNormal


def test_a_seed_generator_is_saved_as_it_began() -> None:
    initializer = keras.RandomNormal(seed=keras.SeedGenerator(3))
    first = values(initializer((5,)))
    twin = keras.deserialize(json.loads(json.dumps(keras.serialize(initializer))))
    assert same(twin((5,)), first)
    assert not same(twin((5,)), first)


@pytest.mark.parametrize("seed", [1.5, "1"])
def test_seed_generators_take_ints(seed: Any) -> None:
    with pytest.raises(ValueError, match=f"Argument `seed` must be an integer. Received: seed={seed}"):
        keras.SeedGenerator(seed)


def test_arrays_as_values() -> None:
    array = np.arange(6.0).reshape(2, 3)
    constant = keras.deserialize(json.loads(json.dumps(keras.serialize(keras.Constant(array)))))
    assert same(constant((2, 3)), array.astype(np.float32))
    given = keras.get(array)
    assert same(given((2, 3)), array.astype(np.float32))
    assert same(given((2, 3), "float16"), array.astype(np.float16))
    with pytest.raises(ValueError, match=r"^Expected `shape` to be \(2, 3\) for direct tensor as initializer"):
        given((3, 2))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, name) for name in CLASSES if name != "Constant"),  # whose configuration needs a value, in Keras too
        *(("normal", "RandomNormal"), ("uniform", "RandomUniform"), ("zero", "Zeros"), ("one", "Ones")),
        *(("he_normal", "HeNormal"), ("lecun_uniform", "LecunUniform"), ("stft", "STFT"), ("orthogonal", "Orthogonal")),
        *(("OrthogonalInitializer", "Orthogonal"), ("IdentityInitializer", "Identity"), ("STFTInitializer", "STFT")),
        *(("initcore>HeNormal", "HeNormal"), ("initcore>he_normal", "HeNormal")),
        ("variance_scaling", "VarianceScaling"),
    ],
)
def test_get(name: str, kind: str) -> None:
    if kind == "STFT":
        need("scipy")  # for its default window
    expected = getattr(keras, kind)
    assert type(keras.get(name)) is expected
    assert type(keras.get({"class_name": name, "config": {}})) is expected


@pytest.mark.parametrize("name", ["xavier_normal", "kaiming_normal", "henormal", "HE_NORMAL", "Normal", ""])
def test_no_such_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^Could not interpret initializer identifier: {name}$"):
        keras.get(name)


def test_get_other_things() -> None:
    assert keras.get(None) is None
    assert type(keras.get(keras.HeNormal)) is keras.HeNormal
    for callable_ in (keras.HeNormal(), lambda shape, dtype=None: np.zeros(shape)):
        assert keras.get(callable_) is callable_
    with pytest.raises(ValueError, match="Could not interpret initializer identifier: 3"):
        keras.get(3)


class Halves(keras.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.Constant(0.5)(shape, dtype)


def test_initializers_of_users() -> None:
    assert type(Halves().clone()) is Halves
    config = {"class_name": "Halves", "config": {}}
    assert type(keras.deserialize(config, custom_objects={"Halves": Halves})) is Halves
    with pytest.raises(NotImplementedError, match="must implement"):
        keras.get("Initializer")((3,))
    assert issubclass(keras.HeNormal, (keras.RandomInitializer, keras.VarianceScaling))
