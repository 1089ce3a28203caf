"""What is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Operation:
    """One initializer and its settings.

    Attributes
    ----------
    name : str
        initcore's, without underscore.
    settings : mapping
        initcore's parameters by name.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
