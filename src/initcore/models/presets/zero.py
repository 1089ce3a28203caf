"""ZerO, which draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import biases_to_zero, norms_to_one, preset

__all__ = ["zero"]


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
