"""Initialisation by activations and gradients: of stacks of NumPy callables, and of torch modules.

:func:`lsuv_` before training, :class:`DynamicScaler` in its first steps, :func:`balance_gradients_` for the norms of
gradients. ``docs/dynamic.md`` says what they promise. torch is only imported for a module.
"""

from initcore.dynamic.balance import balance_gradients_
from initcore.dynamic.lsuv import lsuv_
from initcore.dynamic.report import Report, Row
from initcore.dynamic.scaler import DynamicScaler
from initcore.dynamic.state import Change

__all__ = ["Change", "DynamicScaler", "Report", "Row", "balance_gradients_", "lsuv_"]
