"""Files of models whose initializers are initcore's, in processes that have not imported initcore.keras."""

from __future__ import annotations

import json
import pathlib
import zipfile

import pytest
from support import Run, need
from test_keras import EXAMPLES
from test_keras_config import SNAKE

from initcore import keras as ours

pytestmark = [
    pytest.mark.any_isa,
    pytest.mark.filterwarnings("ignore:.* encountered in :RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),  # Keras' with NumPy 2
]

#: How Keras reads a model from a file, and an initializer from a configuration
MODELS = (
    "keras.models.load_model('model.keras')",
    "keras.models.load_model('model.h5')",
    "keras.models.model_from_json(open('model.json').read())",
)
CONFIGURATIONS = (
    "keras.initializers.get(config)",
    "keras.layers.Dense(3, kernel_initializer=config)",
    "keras.saving.deserialize_keras_object(config)",
)
REFUSED = f"""
import json, keras, sys

def refused(source, **names):
    try:
        found = eval(source, {{"keras": keras, **names}})
    except (TypeError, ValueError) as error:
        assert "initcore>" in str(error) and "'module': 'initcore.keras'" in str(error), error
    else:
        raise AssertionError((source, found))

for source in {MODELS}:
    refused(source)
for source in {CONFIGURATIONS}:
    for config in json.load(open("configs.json")):
        refused(source, config=config)
assert "initcore" not in sys.modules
"""
LOADED = """
import keras, numpy, initcore.keras
model = keras.models.load_model("model.keras")
assert type(model.layers[0].kernel_initializer) is initcore.keras.HeNormal
expected = initcore.he_normal((4, 3), fans=(4, 3), rng=1)
assert numpy.array_equal(model.layers[0].kernel, expected)
"""


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with files of one model, and a configuration of each initializer."""
    keras = need("keras")
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, kernel_initializer=ours.HeNormal(seed=1))])
    model.save("model.keras")
    model.save("model.h5")
    pathlib.Path("model.json").write_text(model.to_json())
    configs = [ours.serialize(getattr(ours, name)(**arguments)) for name, arguments in EXAMPLES.items()]
    pathlib.Path("configs.json").write_text(json.dumps(configs))
    return tmp_path


def older(path: pathlib.Path) -> None:
    """Write the names into a file that were written before they were those of no class of Keras."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["config.json"].decode()
    for name, snake in SNAKE.items():
        text = text.replace(f'"class_name": "initcore>{snake}"', f'"class_name": "{name}"')
        text = text.replace(f'"initcore>{snake}"', f'"initcore>{name}"')
    assert '"initcore>HeNormal"' in text
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in {**parts, "config.json": text.encode()}.items():
            archive.writestr(name, part)


def test_no_class_of_keras_takes_the_place(files: pathlib.Path, run_python: Run) -> None:
    """Where initcore.keras is not imported, files and configurations are refused by an error that names it."""
    run_python(REFUSED)


@pytest.mark.parametrize("age", ["new", "older"])
def test_files_load_where_it_is_imported(files: pathlib.Path, run_python: Run, age: str) -> None:
    if age == "older":
        older(files / "model.keras")
    run_python(LOADED)
