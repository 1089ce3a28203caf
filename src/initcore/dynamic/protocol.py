"""What the algorithms of this package ask of a net; stacks of NumPy callables and torch modules each meet it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from initcore.dynamic.moments import Moments
from initcore.streams import Stream

__all__ = ["LayerOutput", "Net", "Visit", "WatchedNet", "WeightSet", "Weights", "restored_on_error"]


@dataclass(frozen=True)
class LayerOutput:
    """The moments of what a layer returned in one call; `recompute` returns those with the current weights."""

    moments: Moments
    recompute: Callable[[], Moments]


#: Is given the name of weights and the output that they gave; returns whether the layer is to be run again
Visit: TypeAlias = Callable[[str, LayerOutput], bool]


class Weights(Protocol):
    """An array of weights, or a part of one, that is scaled as one."""

    @property
    def drawable(self) -> bool:
        """Whether :func:`lsuv_` may draw them orthogonal."""

    def draw(self, base: Stream) -> None:
        """Draw them orthogonal from the stream of their name, and set the biases beside them to zero."""

    def save(self) -> None:
        """Copy the weights, for :meth:`restore`; the copy is also the reference of :meth:`rescale`."""

    def restore(self) -> None:
        """Write back what was saved."""

    def set_reference(self) -> None:
        """Take the weights as they are for the reference of :meth:`rescale`."""

    def rescale(self, factor: float) -> bool:
        """Set the weights to the reference times `factor`, and return whether the dtype could hold that."""


@contextmanager
def restored_on_error(weights: Collection[Weights]) -> Iterator[None]:
    """Save weights, and restore them if anything is raised."""
    for one in weights:
        one.save()
    try:
        yield
    except BaseException:
        for one in weights:
            one.restore()
        raise


class WeightSet(Protocol):
    """Weights that are scaled beside one another."""

    @property
    def weights(self) -> Mapping[str, Weights]:
        """All weights by name."""

    @property
    def left(self) -> Mapping[str, str]:
        """The weights that are left alone from the start, and why."""

    @property
    def others(self) -> Mapping[str, str]:
        """The names of other matrices, which are no weights of a layer, and why not."""

    def preserved(self, names: Collection[str]) -> AbstractContextManager[None]:
        """Restore these weights if anything is raised, and all but weights in any case."""


class Net(WeightSet, Protocol):
    """Layers with weights, and the batch that they are run on."""

    def take(self, batch: Any) -> None:
        """Check a batch, and run the net on it from now on."""

    def base_stream(self, rng: Any) -> Stream:
        """Return the stream that names of weights continue; of a generator, the next words are its seed."""

    def run(self, visit: Visit | None = None, chosen: Collection[str] | None = None, gradients: bool = False) -> Any:
        """Run the batch, and return the output.

        Parameters
        ----------
        visit : callable, optional
            Is called after each call of a layer.
        chosen : collection of str, optional
            The names of weights that are about to be rescaled; the others are not visited.
        gradients : bool
            Whether the output can be differentiated.
        """

    def scale_invariant(self, probes: Stream, output: Any = None) -> set[str]:
        """Return the names of weights whose scale does not show in the output.

        `output` is that of :meth:`run` with gradients; without it, the batch is run. Random probes, where the test
        needs any, are of the stream.
        """


class WatchedNet(Net, Protocol):
    """A net that a user runs; its batch is the last one that it was run on."""

    @property
    def widths(self) -> Mapping[str, int]:
        """How many features each layer puts out."""

    def attach(self, record: Callable[[str, str, Moments], None]) -> None:
        """Call `record` with a name, "outputs", "output_gradients" or "input_gradients", and their moments."""

    def detach(self) -> None:
        """Record nothing any more, and let go of the batch."""

    def forget_gradients(self) -> None:
        """Drop gradients, and the optimizer's state, which were computed for other weights."""
