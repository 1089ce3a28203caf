"""Which parameter of a model a tensor is: for the stream that it takes, and to know that it was written."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from initcore._core import KeyedStream
from initcore.streams import Stream
from initcore.torch.generators import keys_of

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
    """

    def __init__(self, model: nn.Module, base: Stream) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.base = base
        self.written: set[str] = set()
        self._by_id: dict[int, str] = {}
        self._by_storage: dict[Place, list[tuple[int, int, Tensor, str]]] = {}
        self._tokens: list[Token[Naming | None]] = []
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            self._by_id[id(tensor)] = name
            if (place := _place(tensor)) is not None:
                self._by_storage.setdefault(place, []).append((*_range(tensor), tensor, name))

    def __enter__(self) -> Naming:
        self._tokens.append(NAMING.set(self))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        NAMING.reset(self._tokens.pop())

    def stream_of(self, tensor: Tensor) -> KeyedStream:
        """Return the stream of a parameter's name, or of its name and where a part begins; for others, torch's."""
        name = self._by_id.get(id(tensor))
        if name is not None:
            return self.base / name
        begin, end = _range(tensor)
        for first, last, owner, name in self._by_storage.get(_place(tensor) or (tensor.device, 0), ()):
            if first == begin and owner.numel() == tensor.numel():
                return self.base / name
            if first <= begin and end <= last:
                return self.base / name / ((begin - first) // tensor.element_size())
        return keys_of(None)

    def note(self, tensor: Tensor) -> None:
        """Take down that a tensor was written to."""
        name = self._by_id.get(id(tensor))
        if name is not None:
            self.written.add(name)
        elif (place := _place(tensor)) is not None and place in self._by_storage:
            begin, end = _range(tensor)
            self.written.update(
                name for first, last, _, name in self._by_storage[place] if begin < last and first < end
            )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for i, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = args[i] if i < len(args) else kwargs.get(argument.name)
                for tensor in given if isinstance(given, (list, tuple)) else (given,):
                    if isinstance(tensor, Tensor):
                        self.note(tensor)
        return func(*args, **kwargs)


def _place(tensor: Tensor) -> Place | None:
    try:
        return tensor.device, tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # of what has no memory of its own
        return None


def _range(tensor: Tensor) -> tuple[int, int]:
    """Where its first element begins in the storage and its last one ends, in bytes."""
    if tensor.layout is not torch.strided or tensor.numel() == 0:
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin, size = int(tensor.storage_offset()), tensor.element_size()
    return begin * size, (begin + int(last) + 1) * size
