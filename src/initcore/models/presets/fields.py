"""SIREN, whose first layer is told apart, and ZerO, which draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from initcore.models.plan import Plan
from initcore.models.presets.parts import biases_of_torch, biases_to_zero, check_positive, norms_to_one, preset
from initcore.models.rule import Rule

__all__ = ["siren", "zero"]


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


def zero(zeros: Sequence[str] = (), **options: Any) -> Plan:
    r"""Return ZerO's plan, of no randomness at all.

    Parameters
    ----------
    zeros : sequence of str
        Globs of the weights that are zero: the last of each residual branch, and the classifier.
    **options
        `seed`, which changes nothing, and `dtype`.

    Notes
    -----
    A matrix or a convolution's central tap with no more outputs than inputs is the identity, cut; one with more is a
    Hadamard matrix, cut, over the root of its whole size; all else, and the biases, zero; norms one. J. Zhao,
    F. Schaefer, A. Anandkumar, "ZerO initialization: initializing neural networks with only zeros and ones", TMLR 2022,
    algorithms 1 and 2, and the authors' notebook, which scales by :math:`2^{-c/2}`, :math:`2^c` the size of the
    Hadamard matrix, where algorithm 1 has :math:`2^{-(c-1)/2}`.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore.models import presets
    >>> model = {"up.weight": np.empty((4, 2)), "down.weight": np.empty((2, 4)), "up.bias": np.empty(4)}
    >>> presets.zero().fill(model)
    >>> model["down.weight"] @ model["up.weight"]
    array([[ 0.5,  0.5],
           [ 0.5, -0.5]])
    """
    square = "no more outputs than inputs"
    rules = [
        *(Rule("zeros", match=pattern, note="the end of a residual branch, or the classifier") for pattern in zeros),
        Rule("hadamard", match="*weight", where={"min_rank": 2, "tall": True}, optional=True, note="more outputs"),
        Rule("eye", match="*weight", where={"rank": 2}, optional=True, note=square),
        Rule("dirac", match="*weight", where={"min_rank": 3}, optional=True, note=square),
        norms_to_one(),
        biases_to_zero(),
    ]
    return preset(rules, "ZerO: Zhao, Schaefer, Anandkumar, 2022", options)
