"""Samplers that other packages have copied: drawn by the same distribution under patch(), if they were checked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
from support import need, wanted

pytestmark = pytest.mark.any_isa

for package in ("torch", "scipy"):
    need(package)
torch, stats = need("torch"), need("scipy.stats")
init, samplers = need("initcore.torch"), need("initcore.torch.patching.samplers")

P = 1e-6  # of each test against the original, with fixed seeds
N = 200000
ROWS = list(samplers.SAMPLERS)


def module_of(row: Any) -> Any:
    """Return a row's module; transformers 5 has those of transformers 4 without their functions."""
    if importlib.util.find_spec("torchvision"):
        importlib.import_module("torchvision_for_tests")  # which all of them would import
    package = row.module.partition(".")[0]
    wanted(package)
    module = importlib.import_module(row.module)
    if package == "transformers" and not hasattr(module, row.name):
        pytest.skip("transformers 4 only")
    return module


ARGUMENTS = [(0.0, 1.0, -2.0, 2.0), (0.0, 0.02, -2.0, 2.0), (0.5, 0.1, 0.4, 0.55), (0.0, 1.0, -1.0, 3.0)]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.module}.{row.name}")
def test_the_distribution_is_the_originals(row: Any, arguments: Any) -> None:
    """By Kolmogorov and Smirnov, by moments, and within the bounds; and no value is far out, where theirs may be."""
    function = getattr(module_of(row), row.name)
    torch.manual_seed(1)
    theirs = torch.empty(N)
    function(theirs, *arguments)
    original = theirs.double().numpy()
    with init.patch() as drawn:
        weight = torch.empty(N)
        assert function(weight, *arguments) is (weight if row.returns else None)
    got = weight.double().numpy()
    assert drawn.initcore[row.name] == (1, N)
    assert drawn.share == 1
    assert stats.ks_2samp(got, original).pvalue > P
    mean, std, a, b = arguments
    low, high = (mean + a * std, mean + b * std) if row.name == "trunc_normal_tf_" else (a, b)
    distribution = stats.truncnorm((low - mean) / std, (high - mean) / std, mean, std)
    assert stats.kstest(got, distribution.cdf).pvalue > P
    assert abs(got.mean() - distribution.mean()) < 5 * distribution.std() / N**0.5
    assert abs(got.std() / distribution.std() - 1) < 5 / N**0.5
    assert got.min() >= np.float32(low)
    assert got.max() <= np.float32(high)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.module}.{row.name}")
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_what_is_refused_or_far_is_theirs(row: Any) -> None:
    function = getattr(module_of(row), row.name)
    for arguments, error in (((0.0, 0.0, -2.0, 2.0), ZeroDivisionError), ((0.0, 1.0, 2.0, -2.0), RuntimeError)):
        for patched in (False, True):
            try:
                if patched:
                    with init.patch():
                        function(torch.empty(5), *arguments)
                else:
                    function(torch.empty(5), *arguments)
            except error:
                outcome = True
            else:
                outcome = False
            expected = outcome if not patched else expected  # noqa: F821  # of the round before
            assert outcome == expected
    parameter = torch.nn.Parameter(torch.empty(5))
    if row.name == "_trunc_normal_":
        with init.patch(), pytest.raises(RuntimeError, match="leaf Variable"):
            function(parameter, 0.0, 1.0, -2.0, 2.0)
    with init.patch(), torch.no_grad():
        function(parameter, 0.0, 1.0, -2.0, 2.0)
    assert parameter.is_leaf


SOURCE = """
def _trunc_normal_(tensor, mean, std, a, b):
    tensor.uniform_(a, b)
    return tensor
"""


@pytest.fixture
def package(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package with a sampler, which is not yet imported, and its row."""
    folder = tmp_path / "has_samplers"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "weights.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "has_samplers", raising=False)
    monkeypatch.delitem(sys.modules, "has_samplers.weights", raising=False)
    source = samplers.hashlib.sha256(SOURCE[1:].encode()).hexdigest()[:16]
    return samplers.Sampler("has_samplers.weights", "_trunc_normal_", samplers._truncated, (source,))


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let patch() have another table."""

    def exchange(*rows: Any) -> Any:
        others = samplers.Samplers(rows)
        monkeypatch.setattr(need("initcore.torch.patching.patch"), "_samplers", others)
        return others

    return exchange


def test_a_module_that_is_imported_meanwhile_is_reached(package: Any, use: Any) -> None:
    """At its first import inside, and then as the others; its loader and specification are its own."""
    use(package)
    finders = list(sys.meta_path)
    with init.patch() as drawn:
        module = importlib.import_module("has_samplers.weights")
        own = module._trunc_normal_.__code__
        module._trunc_normal_(torch.empty(9), 0.0, 1.0, -2.0, 2.0)
    assert drawn.initcore == {"_trunc_normal_": (1, 9)}
    assert not drawn.notes
    assert module._trunc_normal_.__code__ is not own
    assert sys.meta_path == finders
    assert type(module.__loader__) is type(module.__spec__.loader) is importlib.machinery.SourceFileLoader
    with init.patch() as again:
        module._trunc_normal_(torch.empty(9), 0.0, 1.0, -2.0, 2.0)
    assert again.initcore == drawn.initcore
    assert torch.equal(module._trunc_normal_(torch.empty(9), 0.0, 1.0, 3.0, 3.0), torch.full((9,), 3.0))


def test_a_function_of_another_source_is_left_alone_and_named(package: Any, use: Any) -> None:
    """It draws as it says, and so do those that call it."""
    caller = package._replace(name="trunc_normal_tf_", uses="_trunc_normal_")
    use(package._replace(sources=("0123456789abcdef",)), caller)
    module = importlib.import_module("has_samplers.weights")
    module.trunc_normal_tf_ = module._trunc_normal_
    with init.patch() as drawn:
        assert (module._trunc_normal_(torch.zeros(9), 0.0, 1.0, 5.0, 6.0) >= 5).all()
    assert list(drawn.initcore) == ["uniform_"]
    assert any("has_samplers.weights._trunc_normal_ is not one that was checked" in note for note in drawn.notes)
    assert "note: has_samplers.weights._trunc_normal_" in str(drawn)
    module._trunc_normal_ = lambda *_: None
    fresh = samplers.Samplers((package,))
    fresh.install_in(module)
    assert fresh.notes()


def test_a_module_that_fails_to_import_fails_as_ever(package: Any, use: Any, tmp_path: Any) -> None:
    (tmp_path / "has_samplers" / "weights.py").write_text("raise KeyError('its own')\n")
    use(package, package._replace(module="no_such_package.weights"))
    with init.patch():
        with pytest.raises(KeyError, match="its own"):
            importlib.import_module("has_samplers.weights")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_package.weights")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.module}.{row.name}")
def test_the_table_is_about_what_is_installed(row: Any) -> None:
    """Each row's function still exists in the package that is here, with one of the sources that were checked."""
    function = getattr(module_of(row), row.name)
    assert isinstance(function, types.FunctionType)
    assert samplers._source(function) in row.sources


def test_it_warns_as_theirs_does() -> None:
    timm = module_of(ROWS[0])
    for patched in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if patched:
                with init.patch():
                    timm._trunc_normal_(torch.empty(9), 9.0, 1.0, -2.0, 2.0)
            else:
                timm._trunc_normal_(torch.empty(9), 9.0, 1.0, -2.0, 2.0)
        assert [str(w.message)[:27] for w in caught] == ["mean is more than 2 std from"[:27]]
