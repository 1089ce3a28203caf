"""Several initializers and activations side by side: numbers, a verdict on each, a table and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from initcore.lab.activations import Function, name_of
from initcore.lab.comparison.case import RECOMMENDED, ComparedCase, NamedInit, label_of
from initcore.lab.comparison.data import ComparisonData
from initcore.lab.network.propagate import propagate
from initcore.lab.network.propagation import Propagation
from initcore.lab.recommend import recommend
from initcore.streams import RngLike
from initcore.tables import plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

__all__ = ["ACTIVATIONS", "FORMATS", "INITS", "Comparison", "compare"]

#: Two that beginners try, torch's default for a Linear, three from textbooks, and the one that suits the activation
INITS: tuple[NamedInit, ...] = (
    ("normal", {"std": 0.01}),
    ("normal", {"std": 1.0}),
    ("kaiming_uniform", {"a": 5**0.5}),
    "xavier_normal",
    "kaiming_normal",
    "orthogonal",
    RECOMMENDED,
)
ACTIVATIONS = ("tanh", "relu")
FORMATS = (".html", ".json", ".pdf", ".png", ".svg")


class Comparison(ComparisonData):
    """What `compare` found; `print` shows its table.

    Parameters
    ----------
    cases : sequence of Case
        What was measured, a case for each initializer and activation.
    title : str
        The heading of tables and pictures.
    """

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The row of each case."""
        return [case.row for case in self.cases]

    def table(self) -> Table:
        """Return the numbers as a table of `rich`."""
        from initcore.lab.comparison.summary import table_of

        return table_of(self)

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return plain_text(self.table())

    def __repr__(self) -> str:
        verdicts = [case.verdict for case in self.cases]
        return f"<Comparison in {self.title}: {verdicts.count('steady')} of {len(verdicts)} are steady>"

    def _repr_html_(self) -> str:
        from initcore.lab.comparison.summary import html_of

        return html_of(self)

    def figure(self) -> Figure:
        """Return the picture: a row for each activation, a line for each initializer."""
        from initcore.lab.comparison.drawing import draw

        return draw(self)

    def html(self) -> str:
        """Return a page that needs no other file: the picture and the table."""
        from initcore.lab.comparison.page import page_of

        return page_of(self)

    def json(self) -> str:
        """Return the table, and every layer's numbers; null stands for numbers that are not finite."""
        from initcore.lab.comparison.summary import json_of

        return json_of(self)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the format of the name's ending: .png, .svg, .pdf, .html or .json.

        Parameters
        ----------
        path : str or Path
            The file to write.
        """
        path = Path(path)
        if path.suffix in (".html", ".json"):
            path.write_text(self.html() if path.suffix == ".html" else self.json(), encoding="utf-8")
        elif path.suffix in FORMATS:
            from initcore.lab.figures import save

            save(self.figure(), path)
        else:
            raise ValueError(f"the name must end in one of {', '.join(FORMATS)}, got {path.name!r}")
        return path


def compare(
    inits: Sequence[NamedInit] = INITS,
    activations: Sequence[str | Function] = ACTIVATIONS,
    *,
    depth: int = 50,
    width: int | None = None,
    rng: RngLike = 0,
    jacobian: bool = False,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Send a batch through a stack of layers and a gradient back, for each initializer with each activation.

    Parameters
    ----------
    inits : sequence of str or (str, dict)
        Names of initializers, or pairs with their parameters: ``("normal", {"std": 0.01})``. "recommended" stands for
        the initializer that `recommend` returns for the activation.
    activations : sequence of str or callable
        Names, or functions of an array.
    depth, width : int
        The number of layers, and of units (channels) in each: 1024 (64) if not given.
    rng : int, Stream, Generator or None
        An int or a Stream gives all cases the same inputs and the same random words.
    jacobian : bool
        Whether to find the extreme singular values of the derivative of output by input, which takes longest.
    progress : callable
        Is called with the name of each case before it is computed.
    **options
        Other arguments of `propagate`: `batch`, `kind`, `residual`, `bias_std`, `inputs`, `dtype` and more.

    Returns
    -------
    Comparison
        ``print`` shows its table; `Comparison.save` writes pictures and pages.

    Raises
    ------
    ValueError
        If there is nothing to compare, or something is given twice.

    Examples
    --------
    >>> from initcore.lab import compare
    >>> found = compare(["xavier_normal", ("normal", {"std": 1.0})], ["tanh"], depth=20, width=256)
    >>> [case.verdict for case in found.cases]
    ['steady', 'gradient explodes, units saturate']
    """
    names = [given if isinstance(given, str) else name_of(given) for given in activations]
    for what, given in (("an initializer", list(map(label_of, inits))), ("an activation", names)):
        if not given:
            raise ValueError(f"compare needs {what} at least")
        if twice := {name for name in given if given.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))}: given more than once")
    options = {"depth": depth, "width": width, "rng": rng, "jacobian": jacobian, **options}
    cases = []
    for activation, of in zip(activations, names, strict=True):
        for init in inits:
            if progress:
                progress(f"{label_of(init)}, {of}")
            used, bias_std, warning = _resolved(init, activation, options)
            name, settings = (used, {}) if isinstance(used, str) else used
            found = propagate(name, activation, settings=settings, **{**options, "bias_std": bias_std})
            cases.append(ComparedCase(label_of(init), of, used, found, bias_std, warning))
    return Comparison(tuple(cases), _title(cases[0].propagation))


def _resolved(init: NamedInit, activation: str | Function, options: Mapping[str, Any]) -> tuple[NamedInit, float, str]:
    """Return the initializer of weights, the standard deviation of biases, and the warning of a recommendation."""
    bias_std = options.get("bias_std", 0.0)
    if init != RECOMMENDED:
        return init, bias_std, ""
    found = recommend(activation, depth=options["depth"], residual=bool(options.get("residual", False)))
    return (found.init, found.settings), found.bias_std or bias_std, found.warning


def _title(found: Propagation) -> str:
    kind = f"residual {found.kind}" if found.residual else found.kind
    return f"{found.depth} {kind} layers of {found.width} {'units' if found.kind == 'dense' else 'channels'}"
