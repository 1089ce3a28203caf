"""Build a model so that what its constructor draws comes from the streams of the parameters' names.

When a constructor draws a weight, the weight has no name yet. So the model is built twice. The first time, on the meta
device if its constructor runs there, shows which parameter each draw goes into. The second time, the same draws, in the
same order, take the streams of these parameters' names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils._pytree import tree_leaves

from initcore.streams import Stream
from initcore.torch.known import Call
from initcore.torch.modules.names import held_in
from initcore.torch.naming import Naming, overwrites, written_by

__all__ = ["RecordedDraw", "Recorder", "Replayer", "TooDifferentError", "built", "small_only"]

M = TypeVar("M", bound=nn.Module)
_LARGE = 1 << 16  # elements; larger parameters get no memory while only constants are looked for


class TooDifferentError(RuntimeError):
    """A constructor did not make the same draws the second time as the first time."""


class RecordedDraw(NamedTuple):
    """A draw of a constructor: the number of the memory it goes into, its first element there, and its shape."""

    memory: int
    offset: int
    shape: tuple[int, ...]


class Recorder(Naming):  # type: ignore[no-untyped-call]
    """Records what a constructor draws, and which memories contain values made from each draw."""

    def __init__(self, base: Stream, methods: dict[Any, Callable[..., Tensor]]) -> None:
        super().__init__({}, {}, base, methods)
        self.draws: list[RecordedDraw] = []
        #: The draws that the contents of a memory are made from. Memories are numbered, since addresses are used again
        self._made_of: dict[int, set[int]] = {}
        self._memories: dict[int, int] = {}
        self._is_new = False
        self._next = 0
        #: The memories that are not yet fully written, and how many elements they have
        self._empty: dict[int, int] = {}

    def _memory(self, tensor: Tensor, *, new: bool = False) -> int:
        address = _storage(tensor)
        if new or address not in self._memories:
            self._next += 1
            self._memories[address] = self._next
        return self._memories[address]

    def _draw(self, tensor: Tensor, *, new: bool = False) -> RecordedDraw:
        return RecordedDraw(self._memory(tensor, new=new), int(tensor.storage_offset()), tuple(tensor.shape))

    def is_skipped(self, tensor: Tensor, overwritten: bool = True, call: Call | None = None) -> bool:
        return False

    def is_named(self, tensor: Tensor) -> bool:
        return True

    def is_recorded(self, tensor: Tensor) -> bool:
        if tensor.is_meta:
            self.stream_of(tensor)
        return tensor.is_meta

    def stream_of(self, tensor: Tensor) -> Stream:
        number = len(self.draws)
        self.draws.append(self._draw(tensor, new=self._is_new))
        self._is_new = False
        self._fill(tensor)
        self._made_of.setdefault(self.draws[-1].memory, set()).add(number)
        return self.stream(number)

    def temporary(self) -> Stream:
        self.draws.append(_UNKNOWN)
        return self.stream(len(self.draws) - 1)

    def stream(self, number: int) -> Stream:
        """Return the stream of a draw."""
        return self.base / "torch.default_generator" / number

    def note(self, tensor: Tensor) -> None:
        pass

    def note_filled(self, tensor: Tensor, part: Any) -> None:
        pass

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self._recorded(func, args, kwargs)
        result = func(*args, **kwargs)
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        addresses = set() if func is _LIFTED else {_storage(one) for one in given}
        numbers = {number for one in given for number in self._made_of.get(self._memory(one), ())}
        if overwrites(func):
            for one in written_by(func, args, kwargs):
                self._fill(one)
        empty = func.overloadpacket in _EMPTY or any(self._memory(one) in self._empty for one in given)
        empty = empty and func is not _LIFTED
        for one in tree_leaves(result):
            if isinstance(one, Tensor):
                is_new = _storage(one) not in addresses
                memory = self._memory(one, new=is_new)
                addresses.add(_storage(one))
                if is_new and empty:
                    self._empty[memory] = one.numel()
                if numbers:
                    self._made_of.setdefault(memory, set()).update(numbers)
        return result

    def _fill(self, tensor: Tensor) -> None:
        """Record that all of a tensor was written."""
        if tensor.numel() >= self._empty.get(self._memory(tensor), 0):
            self._empty.pop(self._memory(tensor), None)

    def is_empty(self, tensor: Tensor) -> bool:
        """Whether some elements of a tensor may not have been written."""
        return self._memory(tensor) in self._empty

    def _recorded(self, func: Any, args: Any, kwargs: Any) -> Any:
        target = next(iter(written_by(func, args, kwargs)), None)
        number = len(self.draws)
        self._is_new = target is None
        result = self.draw_operation(func, args, kwargs, target)
        self._is_new = False
        made = next((one for one in tree_leaves(result) if isinstance(one, Tensor)), None)
        if target is None and made is not None and number < len(self.draws) and self.draws[number] is _UNKNOWN:
            self.draws[number] = self._draw(made, new=True)
            self._made_of[self.draws[number].memory] = {number}
        return result

    def streams(self, model: nn.Module) -> list[Stream]:
        """Return the stream of each draw: that of the name of the parameter that the draw is, or is used to make."""
        places: dict[int, list[tuple[int, int, str]]] = {}
        for held in reversed(list(held_in(model))):
            first = int(held.tensor.storage_offset())
            places.setdefault(self._memory(held.tensor), []).insert(0, (first, held.tensor.numel(), held.name))
        goes_into: dict[int, str] = {}
        for memory, here in reversed(list(places.items())):
            for number in self._made_of.get(memory, ()):
                goes_into[number] = here[0][2]
        counts: dict[str, int] = {}
        return [self._stream_of(number, places, goes_into, counts) for number in range(len(self.draws))]

    def _stream_of(
        self,
        number: int,
        places: dict[int, list[tuple[int, int, str]]],
        goes_into: dict[int, str],
        counts: dict[str, int],
    ) -> Stream:
        memory, offset, shape = self.draws[number]
        count = torch.Size(shape).numel()
        for first, size, name in places.get(memory, ()):
            if first == offset and size == count:
                return self.base / name
            if first <= offset < first + size:
                return self.base / name / (offset - first)
        if number not in goes_into:
            return self.stream(number)
        name = goes_into[number]
        counts[name] = counts.get(name, -1) + 1
        return self.base / name / "torch.default_generator" / counts[name]

    def is_drawn(self, tensor: Tensor) -> bool:
        """Whether the contents of a tensor are made from draws."""
        return bool(self._made_of.get(self._memory(tensor)))


class Replayer(Recorder):  # type: ignore[no-untyped-call]
    """Gives each draw of a constructor the stream that a Recorder has found for it."""

    def __init__(self, base: Stream, methods: dict[Any, Callable[..., Tensor]], like: Recorder, streams: list[Stream]):
        super().__init__(base, methods)
        self._like = like.draws
        self._streams = streams

    def stream(self, number: int) -> Stream:
        here = self.draws[number]
        if number >= len(self._streams) or (here is not _UNKNOWN and self._like[number].shape != here.shape):
            raise TooDifferentError("the constructor draws other tensors the second time than the first time")
        return self._streams[number]


_UNKNOWN = RecordedDraw(0, 0, ())
_aten = torch.ops.aten
_EMPTY = {_aten.empty, _aten.empty_like, _aten.empty_strided, _aten.new_empty, _aten.new_empty_strided}
#: The operation that makes a tensor of Python's numbers, in memory that no recorded operation has allocated
_LIFTED = torch.ops.aten.lift_fresh.default


def _storage(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return 0


Under = Callable[[Naming], Any]


def built(
    factory: Callable[[], M],
    base: Stream,
    methods: dict[Any, Callable[..., Tensor]],
    under: Under,
    device: torch.device | None,
) -> M:
    """Build a model whose constructor's draws take the streams of the parameters' names.

    `under` returns the context manager under which a Naming is active.

    Raises
    ------
    TypeError
        If `factory` does not return a module.
    TooDifferentError
        If the constructor does not draw the same tensors each time.
    """
    where = nullcontext() if device is None else device
    first = Recorder(base, methods)
    try:
        with under(first), torch.device("meta"):
            model: M | None = factory()
    except Exception:  # a model that cannot be built on the meta device is built with memory
        model = None
    if model is not None:
        _check(model)
        replayer = Replayer(base, methods, first, first.streams(model))
        del model
        try:
            with under(replayer), where:
                return _complete(factory(), replayer)
        except TooDifferentError:
            pass
    first = Recorder(base, methods)
    with under(first), where:
        model = _check(factory())
    streams = first.streams(model)
    del model
    replayer = Replayer(base, methods, first, streams)
    with under(replayer), where:
        return _complete(factory(), replayer)


def _check(model: M) -> M:
    if not isinstance(model, nn.Module):
        raise TypeError(f"a function that builds a model must return a torch.nn.Module, not a {type(model).__name__}")
    return model


def _complete(model: M, replayer: Replayer) -> M:
    if len(replayer.draws) != len(replayer._like):
        raise TooDifferentError("the constructor draws fewer tensors the second time than the first time")
    return model


@contextmanager
def small_only(wanted: set[int]) -> Iterator[list[nn.Parameter]]:
    """Put large parameters on the meta device while a model is built, except those whose numbers are wanted.

    The list that this yields collects the parameters as they are registered; their numbers are their indices in it.
    """
    registered: list[nn.Parameter] = []

    def register(module: nn.Module, name: str, parameter: Any) -> Any:
        if isinstance(parameter, nn.Parameter):
            if parameter.numel() > _LARGE and len(registered) not in wanted and not parameter.is_meta:
                parameter = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
            registered.append(parameter)
        return parameter

    handle = register_module_parameter_registration_hook(register)
    try:
        yield registered
    finally:
        handle.remove()
