"""The experiments of examples/lab: what they measure, at small sizes, and the page that shows them."""

from __future__ import annotations

import importlib
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT, need

pytestmark = pytest.mark.any_isa

FOLDER = ROOT / "examples" / "lab"
SMALL: dict[str, dict[str, Any]] = {
    "unit_variance": {"units": 2000},
    "symmetry": {"steps": 20},
    "scales": {"width": 60, "batch": 20},
    "saturation": {"most": 30, "units": 50},
    "digits": {"epochs": 1, "runs": 1, "hidden": 1, "width": 8},
    "exploding": {"width": 32, "depth": 30, "batch": 4},
    "depth_200": {"width": 8, "depth": 5, "inputs": 3},
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a file of the folder as its neighbours do."""
    need("matplotlib")
    monkeypatch.syspath_prepend(FOLDER)

    def module(name: str) -> Any:
        if name == "digits":
            need("torch")
            need("sklearn")
        return importlib.import_module(name)

    yield module
    for name in [*SMALL, "experiment", "gallery"]:
        sys.modules.pop(name, None)


def test_unit_variance(load: Any) -> None:
    """A sum of 250 weights of variance 1 has a std of 15.8, within 2 %."""
    found = load("unit_variance").measure(units=20_000)
    assert found.std == pytest.approx(math.sqrt(250), rel=0.02)
    assert found.scaled.std() == pytest.approx(1, rel=0.02)
    assert found.stuck == pytest.approx(math.erfc(math.atanh(0.99) / math.sqrt(500)), abs=0.01)


def test_symmetry(load: Any) -> None:
    """Hidden units that are equal stay equal to rounding, and zeros where they were; random ones learn the ring."""
    runs = load("symmetry").measure(steps=600).runs
    zeros, constant, random = runs.values()
    assert not zeros.net.hidden.any()
    assert not zeros.spreads.any()
    assert np.abs(constant.net.hidden - constant.start).max() > 0.1  # it moves, all units alike
    assert max(constant.spreads.max(), constant.net.spread) < 1e-9
    assert random.net.spread > 0.5
    assert zeros.accuracy == 0.5
    assert constant.accuracy < 0.75
    assert random.accuracy > 0.95
    assert zeros.losses[-1] == pytest.approx(math.log(2), rel=1e-3)


def test_scales(load: Any) -> None:
    """Where tanh is linear, a layer multiplies the std by sqrt(n) times that of the weights."""
    module = load("scales")
    narrow, wide, rule, kept = module.stds(module.measure(width=400, batch=100)).values()
    np.testing.assert_allclose(narrow[3:] / narrow[2:-1], 0.01 * 20, rtol=0.1)
    np.testing.assert_allclose(rule[6:] / rule[5:-1], 3**-0.5, rtol=0.1)
    assert wide.min() > 0.95
    assert 0.2 < kept[-1] < kept[-2] < 0.5
    assert rule[-1] < 0.005


def test_saturation(load: Any) -> None:
    """Shares are those of a normal of variance n beyond the edge, and of variance 1 if the weights are scaled."""
    module = load("saturation")
    found = module.measure(most=300, units=2000)
    for name in module.EDGES:
        np.testing.assert_allclose(found.unit[name], found.expected(name), atol=0.012)
        assert np.all(np.diff(found.unit[name])[1:] > 0)
        np.testing.assert_allclose(found.scaled[name], found.expected(name)[0], atol=0.003)
    np.testing.assert_allclose(module.slope("sigmoid", np.array([module.EDGES["sigmoid"]])), 0.01)
    np.testing.assert_allclose(module.slope("tanh", np.array([module.EDGES["tanh"]])), 0.01)


def test_digits(load: Any) -> None:
    """He before Xavier; with torch's default and plain uniform weights, nine layers do not begin to learn."""
    found = load("digits").measure(epochs=5, runs=1)
    late = {init: runs[0, -1] for init, runs in found.accuracies.items()}
    assert late["He"] > 0.7
    assert late["He"] > late["Xavier"] + 0.1
    assert late["Xavier"] > max(late["torch's default"], late["plain uniform(0, 1)"]) + 0.1
    assert late["plain uniform(0, 1)"] < 0.2


def test_exploding(load: Any) -> None:
    """The std is a power until it leaves float32: near its largest, and in the next layer NaN."""
    wide, narrow, kept = load("exploding").measure(depth=75, batch=8).values()
    assert wide.infinite == math.ceil(math.log(float(np.finfo(np.float32).max) / 4.5) / math.log(math.sqrt(512)))
    assert wide.nan == wide.infinite + 1
    np.testing.assert_allclose(wide.std[:28], wide.expected[:28], rtol=0.25)
    np.testing.assert_allclose(narrow.std[:60], narrow.expected[:60], rtol=0.5)
    assert narrow.std[-1] == 0
    assert kept.std[-1] == pytest.approx(1, abs=0.5)
    assert narrow.nan is kept.nan is None


def test_depth_200(load: Any) -> None:
    """Orthogonal products stretch nothing; Gaussian ones have the exponents that are known of them."""
    module = load("depth_200")
    found = module.measure(width=40)
    orthogonal, gaussian = found.stacks["orthogonal"], found.stacks["Gaussian"]
    np.testing.assert_allclose(orthogonal.stretches, 0, atol=1e-12)
    np.testing.assert_allclose(orthogonal.lengths, 0, atol=1e-12)
    assert gaussian.stretches[0] - gaussian.stretches[-1] > 200
    np.testing.assert_allclose(gaussian.stretches[2:-2], found.expected[2:-2], rtol=0.1, atol=1.5)


def test_singular_values_are_those_of_the_product(load: Any) -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.normal(size=(6, 6)) for _ in range(4)]
    product = np.linalg.multi_dot(matrices[::-1])
    found = load("depth_200").log_singular_values(matrices, sweeps=60)
    np.testing.assert_allclose(found, np.log10(np.linalg.svd(product, compute_uv=False)), atol=1e-8)


@pytest.mark.parametrize("name", SMALL)
def test_as_a_script(
    name: str, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes are options; it writes its figure and says what one sees."""
    words = [f"--{option}={value}" for option, value in SMALL[name].items()]
    path = tmp_path / f"{name}.svg"
    monkeypatch.setattr(sys, "argv", [name, *words, "-o", str(path)])
    load(name).EXPERIMENT.main()
    said, written = capsys.readouterr().out.splitlines()
    assert written == str(path)
    assert len(said) > 80
    assert path.stat().st_size > 5000


def test_the_page_has_every_experiment(load: Any) -> None:
    """Each with a command and a picture that is small."""
    gallery = load("gallery")
    files = {path.stem for path in FOLDER.glob("*.py")} - {"experiment", "gallery"}
    assert set(gallery.EXPERIMENTS) == files == set(SMALL)
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    assert pictures == [f"figures/gallery/{name}.svg" for name in ("lab", *gallery.EXPERIMENTS)]
    assert all((ROOT / "docs" / picture).stat().st_size < 120_000 for picture in pictures)
    assert re.findall(r"^python examples/lab/(\w+)\.py$", page, re.MULTILINE) == list(gallery.EXPERIMENTS)


def test_the_page_is_made_between_its_marks(load: Any) -> None:
    gallery = load("gallery")
    text = f"before\n{gallery.BEGIN}\nold\n{gallery.END}\nafter\n"
    assert gallery.spliced(text, "new") == f"before\n{gallery.BEGIN}\n\nnew\n{gallery.END}\nafter\n"
    assert gallery.spliced(gallery.spliced(text, "one"), "new") == gallery.spliced(text, "new")
    with pytest.raises(SystemExit, match="must have"):
        gallery.spliced("before\nafter\n", "new")
