"""Whole models: which parameter is filled how, from rules that anyone can read."""

from initcore.models.errors import PlanError
from initcore.models.parameter import Parameter
from initcore.models.plan import Plan
from initcore.models.resolve import Resolved
from initcore.models.rule import Rule
from initcore.models.verify import Row, Verification

__all__ = ["Parameter", "Plan", "PlanError", "Resolved", "Row", "Rule", "Verification"]
