"""See what an initialisation does: gains, mean-field theory, and networks through which a batch is sent."""

from initcore.lab.activations import Activation, activation_names
from initcore.lab.gains import gain
from initcore.lab.propagate import propagate
from initcore.lab.propagation import Propagation

__all__ = ["Activation", "Propagation", "activation_names", "gain", "propagate"]
