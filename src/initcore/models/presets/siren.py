"""SIREN: networks of sines, whose first layer is told apart."""

from __future__ import annotations

from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import biases_of_torch, check_positive, preset

__all__ = ["siren"]


def siren(in_features: int, first: str = "net.0.linear.weight", omega: float = 30.0, **options: Any) -> Plan:
    r"""Return SIREN's plan of a network of sines.

    Parameters
    ----------
    in_features : int
        Of the first layer.
    first : str
        A glob of its weight's name.
    omega : float
        What the arguments of the sines are multiplied with.
    **options
        `seed` and `dtype`.

    Notes
    -----
    The first layer :math:`U(\pm 1 / in_{features})`, all others, the last too, :math:`U(\pm \sqrt{6 / fan_{in}} /
    \omega)`; biases as torch's, :math:`U(\pm 1/\sqrt{fan_{in}})`. V. Sitzmann, J. Martel, A. Bergman, D. Lindell,
    G. Wetzstein, "Implicit neural representations with periodic activation functions", NeurIPS 2020, section 3.2 and
    supplement 1.5, and the authors' ``explore_siren.ipynb``, whose names these are.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {"net.0.linear.weight": (256, 2), "net.1.linear.weight": (256, 384)}
    >>> [round(parameter.bound, 5) for parameter in presets.siren(2).resolve(shapes).values()]
    [0.5, 0.00417]
    """
    check_positive(in_features=in_features, omega=omega)
    rules = [
        Rule(
            "uniform",
            match=first,
            where={"shape": [-1, in_features]},
            settings={"a": -1 / in_features, "b": 1 / in_features},
            note=f"the first layer: 1 / {in_features}",
        ),
        Rule(
            "variance_scaling",
            match="*weight",
            where={"rank": 2},
            settings={"scale": 2 / omega**2, "distribution": "uniform"},
            note=f"sqrt(6 / fan_in) / {omega:g}",
        ),
        biases_of_torch(),
    ]
    return preset(rules, "SIREN: Sitzmann et al., 2020", options)
