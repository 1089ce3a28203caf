"""A stack over NumPy that :class:`DynamicScaler` watches while it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from initcore.dynamic.moments import Moments
from initcore.dynamic.protocol import LayerOutput
from initcore.dynamic.stacks.layers import Array, LayerLike
from initcore.dynamic.stacks.net import StackNet

__all__ = ["WatchedStack"]


class WatchedStack(StackNet):
    """A :class:`initcore.dynamic.protocol.WatchedNet`, which :meth:`__call__` runs."""

    def __init__(self, layers: Iterable[LayerLike], keep: Iterable[str]) -> None:
        super().__init__(layers, keep)
        self.widths = {name: weights.array.shape[0] for name, weights in self.weights.items()}
        self._record: Callable[[str, str, Moments], None] | None = None

    def attach(self, record: Callable[[str, str, Moments], None]) -> None:
        self._record = record

    def detach(self) -> None:
        self._record = self._batch = None

    def __call__(self, x: Any) -> Array:
        self.take(x)
        if self._record is None:
            self._batch = None
        return self._run(x, self._see if self._record else None)

    def _see(self, name: str, output: LayerOutput) -> bool:
        if self._record is not None:
            self._record(name, "outputs", output.moments)
        return False

    def forget_gradients(self) -> None:
        """Do nothing: gradients are the user's."""
