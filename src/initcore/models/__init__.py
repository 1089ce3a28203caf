"""Whole models: which parameter is filled how, from rules that anyone can read."""

from typing import TYPE_CHECKING, Any

from initcore.choices import about_attribute
from initcore.errors import CheckpointError, PlanError
from initcore.models.plan.parameter import Parameter
from initcore.models.plan.plan import Plan
from initcore.models.plan.resolve import Resolved
from initcore.models.plan.rule import Rule
from initcore.models.verification.verify import Row, Verification

if TYPE_CHECKING:
    from initcore.checkpoint.saving import save_checkpoint
    from initcore.checkpoint.writer import Written
    from initcore.formats.reader import open_checkpoint
    from initcore.models.architectures.shapes_like import ModelShapes, shapes_like

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
    "ModelShapes": "models.architectures.shapes_like",
    "Written": "checkpoint.writer",
    "open_checkpoint": "formats.reader",
    "save_checkpoint": "checkpoint.saving",
    "shapes_like": "models.architectures.shapes_like",
}


def __getattr__(name: str) -> Any:
    """Load what writes and reads checkpoints when it is asked for."""
    if name not in _MODULES:
        raise about_attribute(__name__, name, __all__, ("presets",))
    from importlib import import_module

    return getattr(import_module(f"initcore.{_MODULES[name]}"), name)
