"""Which parameter of a model a tensor is: for the stream that it takes, and to know that it was written."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from initcore._core import KeyedStream
from initcore.streams import Generator, Stream
from initcore.torch.generators import keys_of
from initcore.torch.layouts import inner_of, is_distributed, start_of

__all__ = ["NAMING", "Naming"]

NAMING: ContextVar[Naming | None] = ContextVar("NAMING", default=None)
Place = tuple[torch.device, int]


# torch's modes have no types
class Naming(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is active, the tensors of a model take the streams of their names, and writes to them are noted.

    Parameters
    ----------
    model : torch.nn.Module
        Of which parameters and buffers are known, and views of them.
    base : Stream
        What their names continue.
    methods : dict
        What draws instead of the operations that are tensors' own methods.
    """

    def __init__(self, model: nn.Module, base: Stream, methods: dict[Any, Callable[..., Tensor]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.base = base
        self._methods = methods
        self._generators: dict[Stream, Generator] = {}
        self.written: set[str] = set()
        self._by_id: dict[int, str] = {}
        self._by_storage: dict[Place, list[tuple[int, int, Tensor, str]]] = {}
        self._tokens: list[Token[Naming | None]] = []
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            self._by_id[id(tensor)] = name
            inner = inner_of(tensor)
            if (place := _place(inner)) is not None:
                self._by_storage.setdefault(place, []).append((*_range(inner), tensor, name))

    def __enter__(self) -> Naming:
        self._tokens.append(NAMING.set(self))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        NAMING.reset(self._tokens.pop())

    def stream_of(self, tensor: Tensor) -> KeyedStream:
        """Return the stream of a parameter's name, or of its name and where a part begins; for others, torch's.

        Raises
        ------
        RuntimeError
            If it is a part of a DTensor, of other axes, so that it cannot be said where in the whole it begins.
        """
        name = self._by_id.get(id(tensor))
        if name is not None:
            return self.base / name
        inner = inner_of(tensor)
        begin, end = _range(inner)
        for first, last, owner, name in self._by_storage.get(_place(inner) or (inner.device, 0), ()):
            if owner.numel() == tensor.numel() and (first == begin or not inner.numel()):
                return self.base / name
            if begin < end and first <= begin and end <= last:
                return self.base / name / _start(tensor, owner, (begin - first) // inner.element_size(), name)
        return keys_of(None)

    def note(self, tensor: Tensor) -> None:
        """Take down that a tensor was written to."""
        name = self._by_id.get(id(tensor))
        if name is not None:
            self.written.add(name)
            return
        inner = inner_of(tensor)
        if (place := _place(inner)) is not None and place in self._by_storage:
            begin, end = _range(inner)
            self.written.update(
                name for first, last, _, name in self._by_storage[place] if begin < last and first < end
            )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            drawn = self._drawn(func, args)
            if drawn is not None:
                return drawn
        for i, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = args[i] if i < len(args) else kwargs.get(argument.name)
                for tensor in given if isinstance(given, (list, tuple)) else (given,):
                    if isinstance(tensor, Tensor):
                        self.note(tensor)
        return func(*args, **kwargs)

    def _drawn(self, func: Any, args: Any) -> Tensor | None:
        """Draw what a tensor's own method would: each time anew, from a generator of the stream of its name.

        What a DTensor would draw by itself depends on how it is distributed, so that nothing of it is left to torch.
        """
        tensor = next((arg for arg in args if isinstance(arg, Tensor)), None)
        if tensor is None:
            return None
        ours = self._methods.get(func)
        if ours is None:
            if is_distributed(tensor):
                raise RuntimeError(
                    f"{func} gives a DTensor values that depend on how it is distributed: "
                    "use normal_, uniform_ or the functions of torch.nn.init"
                )
            return None
        stream = self.stream_of(tensor)
        if isinstance(stream, Stream):
            return ours(tensor, *args[1:], generator=self._generators.setdefault(stream, Generator(stream)))
        return ours(tensor, *args[1:])


def _place(tensor: Tensor) -> Place | None:
    try:
        return tensor.device, tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # of what has no memory of its own
        return None


def _start(part: Tensor, owner: Tensor, place: int, name: str) -> int:
    """How many elements of a parameter are before a part of it, which begins so far into the parameter's memory."""
    if not is_distributed(owner):
        return place
    start = start_of(part, owner, place)
    if start is None:
        raise RuntimeError(
            f"where in {name}, which is distributed, a part of shape {tuple(part.shape)} begins cannot be said: "
            f"fill parts of {owner.ndim} axes"
        )
    return start


def _range(tensor: Tensor) -> tuple[int, int]:
    """Where its first element begins in the storage and its last one ends, in bytes."""
    if tensor.layout is not torch.strided or tensor.numel() == 0:
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin, size = int(tensor.storage_offset()), tensor.element_size()
    return begin * size, (begin + int(last) + 1) * size
