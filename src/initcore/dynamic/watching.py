"""What DynamicScaler asks of the layers it watches; and a stack over NumPy that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from initcore.dynamic.arguments import check_batch, kept_by
from initcore.dynamic.lsuv import KEPT, settle_stack, tied
from initcore.dynamic.moments import Moments
from initcore.dynamic.settling import Goal, Outcome
from initcore.dynamic.stack import LayerLike, scale_free, stack_of

__all__ = ["StackWatch", "Watch"]


class Watch(Protocol):
    """Layers, with what they were last run on."""

    names: list[str]
    left: dict[str, str]
    widths: dict[str, int]

    def attach(self, record: Callable[[str, str, Moments], None]) -> None:
        """Call `record` with name, "outputs", "output_gradients" or "input_gradients", and what was seen."""

    def detach(self) -> None:
        """See nothing any more, and let go of the batch."""

    def scale_free(self) -> set[str]:
        """Return those whose scale does not matter."""

    def settle(self, goal: Goal, enter: Callable[[Moments], bool], left: dict[str, str]) -> dict[str, Outcome]:
        """Settle all but those left alone, in their order, on the batch that was seen last; on error put all back."""

    def rescale(self, name: str, factor: float) -> bool:
        """Multiply weights, and say whether the dtype could hold it; if not, they are as before."""

    def forget_gradients(self) -> None:
        """Drop what was computed for other weights."""


class StackWatch:
    """Of callables over NumPy, which are run by :meth:`run`."""

    def __init__(self, layers: Iterable[LayerLike], keep: Iterable[str]) -> None:
        self.stack = stack_of(layers)
        self.names = [layer.name for layer in self.stack if layer.weight is not None]
        self.left = {**tied(self.stack), **dict.fromkeys(kept_by(keep, self.names), KEPT)}
        self.widths = {layer.name: layer.weight.shape[0] for layer in self.stack if layer.weight is not None}
        self._record: Callable[[str, str, Moments], None] | None = None
        self._batch: Any = None

    def attach(self, record: Callable[[str, str, Moments], None]) -> None:
        self._record = record

    def detach(self) -> None:
        self._record = self._batch = None

    def run(self, x: Any) -> Any:
        check_batch(x)
        if self._record is not None:
            self._batch = x
        for layer in self.stack:
            x = layer.call(x)
            if self._record is not None and layer.weight is not None:
                self._record(layer.name, "outputs", Moments.of(x))
        return x

    def scale_free(self) -> set[str]:
        return scale_free(self.stack, self._batch)

    def settle(self, goal: Goal, enter: Callable[[Moments], bool], left: dict[str, str]) -> dict[str, Outcome]:
        original = {layer.name: layer.weight.copy() for layer in self.stack if layer.weight is not None}
        try:
            return settle_stack(self.stack, self._batch, goal, enter, left, original)
        except BaseException:
            for layer in self.stack:
                if layer.weight is not None:
                    layer.weight[...] = original[layer.name]
            raise

    def rescale(self, name: str, factor: float) -> bool:
        layer = next(layer for layer in self.stack if layer.name == name)
        layer.begin()
        return layer.rescale(factor) or not layer.rescale(1.0)

    def forget_gradients(self) -> None:
        pass
