"""See what an initialisation does: gains, recommendations, mean-field theory, and networks measured layer by layer.

``import initcore`` does not import this package.
"""

from initcore.lab.activations import Activation, activation_names
from initcore.lab.comparison.compare import Comparison, compare
from initcore.lab.gains import gain
from initcore.lab.network.propagate import propagate
from initcore.lab.network.propagation import Propagation
from initcore.lab.recommend import Recommendation, critical, recommend
from initcore.lab.theory.recursion import MeanField, Step, recursion

__all__ = [
    "Activation",
    "Comparison",
    "MeanField",
    "Propagation",
    "Recommendation",
    "Step",
    "activation_names",
    "compare",
    "critical",
    "gain",
    "propagate",
    "recommend",
    "recursion",
]
