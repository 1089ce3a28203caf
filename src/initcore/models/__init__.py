"""Whole models: which parameter is filled how, from rules that anyone can read."""

from typing import TYPE_CHECKING, Any

from initcore.models.errors import PlanError
from initcore.models.parameter import Parameter
from initcore.models.plan import Plan
from initcore.models.resolve import Resolved
from initcore.models.rule import Rule
from initcore.models.verify import Row, Verification

if TYPE_CHECKING:
    from initcore.models.checkpoint import Written
    from initcore.models.headers import CheckpointError
    from initcore.models.opening import open_checkpoint
    from initcore.models.saving import save_checkpoint
    from initcore.models.sources import ModelShapes, shapes_like

__all__ = [
    "CheckpointError",
    "ModelShapes",
    "Parameter",
    "Plan",
    "PlanError",
    "Resolved",
    "Row",
    "Rule",
    "Verification",
    "Written",
    "open_checkpoint",
    "save_checkpoint",
    "shapes_like",
]

_MODULES = {
    "CheckpointError": "headers",
    "ModelShapes": "sources",
    "Written": "checkpoint",
    "open_checkpoint": "opening",
    "save_checkpoint": "saving",
    "shapes_like": "sources",
}


def __getattr__(name: str) -> Any:
    """Load what writes and reads checkpoints when it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
