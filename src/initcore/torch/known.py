"""Find which parameter of a model a tensor is or is part of, and record which elements of each were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initcore.torch.layouts import inner_of, is_distributed

__all__ = ["Call", "Found", "Known"]

Place = tuple[torch.device, int]


class Call(NamedTuple):
    """A call that fills a tensor: a function of initcore, and its arguments.

    ``zero_rows`` are the rows that are set to zero after the call.
    """

    fill: Any
    args: tuple[Any, ...]
    zero_rows: tuple[int, ...] = ()


class Found(NamedTuple):
    """What is known of a tensor that is a parameter or part of one.

    Attributes
    ----------
    name : str
        The name of the parameter.
    owner : torch.Tensor
        The parameter.
    start : int or None
        None if the tensor is the whole parameter; otherwise the number of elements of the parameter's memory that are
        before the part.
    is_local : bool
        Whether the tensor is a plain tensor that shares the memory of a distributed parameter.
    """

    name: str
    owner: Tensor
    start: int | None
    is_local: bool = False


class _Extent(NamedTuple):
    first: int
    last: int
    owner: Tensor
    name: str


class Known:
    """The parameters and buffers of a model, found by their identity or by their memory.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        Parameters and buffers by name. If a tied tensor is here several times, the first of its names counts.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._by_id: dict[int, tuple[str, Tensor]] = {}
        self._by_storage: dict[Place, list[_Extent]] = {}
        self._twins: dict[int, tuple[str, Tensor, Tensor]] = {}
        self._twin_of: dict[str, Tensor] = {}
        self._written: dict[str, NDArray[np.bool_] | None] = {}
        #: By name: the call that filled a parameter; None if something else has been written to it since
        self.calls: dict[str, Call | None] = {}
        for name, tensor in tensors.items():
            self.add(name, tensor)

    def add(self, name: str, tensor: Tensor) -> None:
        """Add a parameter or a buffer."""
        if id(tensor) in self._by_id:
            return
        self._by_id[id(tensor)] = (name, tensor)
        inner = inner_of(tensor)
        if (place := _place(inner)) is not None:
            self._by_storage.setdefault(place, []).append(_Extent(*_range(inner), tensor, name))

    def find(self, tensor: Tensor) -> Found | None:
        """Return the parameter that a tensor is, or is part of; None if there is none."""
        known = self._by_id.get(id(tensor))
        if known is not None:
            return Found(*known, None)
        inner = inner_of(tensor)
        place = _place(inner)
        if place is None:
            return None
        begin, end = _range(inner)
        for first, last, owner, name in self._by_storage.get(place, ()):
            is_local = is_distributed(owner) and not is_distributed(tensor)
            if not is_local and owner.numel() == tensor.numel() and (first == begin or not inner.numel()):
                return Found(name, owner, None)
            if begin < end and first <= begin and end <= last:
                return Found(name, owner, (begin - first) // inner.element_size(), is_local)
        return None

    def record(self, name: str, owner: Tensor, start: int | None, size: int, call: Call | None) -> None:
        """Record the call that would fill a parameter, or `size` elements of it from `start` on.

        `call` is None if what would be written is not one call of an initializer.
        """
        before, row = self.calls.get(name), owner.numel() // owner.shape[0] if owner.ndim and owner.numel() else 0
        is_zero_row = call is not None and call.args == (0.0,) and row == size and start is not None and not start % row
        if start is None:
            self.calls[name] = call
        elif is_zero_row and before is not None and owner.is_contiguous():
            self.calls[name] = before._replace(zero_rows=(*before.zero_rows, start // row))
        else:
            self.calls[name] = None

    # torch slices a distributed parameter by gathering a copy, and what is written to the copy is lost. Under this mode
    # a slice is therefore taken from the parameter's twin instead, a meta tensor of the shape of the whole parameter:
    # the offset and strides of the slice then say which elements of the parameter are to be written.

    def twin(self, name: str, owner: Tensor) -> Tensor:
        """Return the twin of a distributed parameter: the meta tensor that its slices are taken from."""
        twin = self._twin_of.get(name)
        if twin is None:
            twin = torch.empty(tuple(owner.shape), dtype=owner.dtype, device="meta")
            self._twin_of[name] = twin
            self._twins[twin.untyped_storage()._cdata] = (name, owner, twin)
        return twin

    def part_of_twin(self, tensor: Tensor) -> tuple[str, Tensor, Tensor] | None:
        """Return name, parameter and twin of a tensor that is a slice of a twin; None of any other tensor."""
        if not self._twins or not tensor.is_meta or is_distributed(tensor):
            return None
        return self._twins.get(tensor.untyped_storage()._cdata)

    def note(self, tensor: Tensor) -> None:
        """Record that all elements of a tensor were written."""
        known = self._by_id.get(id(tensor))
        if known is not None:
            self._written[known[0]] = None
            return
        inner = inner_of(tensor)
        if (place := _place(inner)) is None:
            return
        begin, end = _range(inner)
        for first, last, owner, name in self._by_storage.get(place, ()):
            if begin < last and first < end:
                if begin <= first and last <= end and inner.is_contiguous():
                    self._written[name] = None
                elif self._written.get(name, self) is not None:
                    self._mark(name, inner_of(owner), inner, (begin - first) // inner.element_size())

    def _mark(self, name: str, owner: Tensor, part: Tensor, start: int) -> None:
        mask = self._written.get(name)
        if mask is None:
            last = sum((size - 1) * stride for size, stride in zip(owner.shape, owner.stride(), strict=True))
            mask = self._written[name] = np.ones(int(last) + 1, np.bool_)
            torch.from_numpy(mask).as_strided(owner.shape, owner.stride()).zero_()
        if start < 0 or start >= mask.size:
            return
        torch.from_numpy(mask).as_strided(part.shape, part.stride(), start).fill_(True)
        if mask.all():
            self._written[name] = None

    @property
    def written(self) -> set[str]:
        """The names of the parameters and buffers of which every element was written."""
        return {name for name, mask in self._written.items() if mask is None}


def _place(tensor: Tensor) -> Place | None:
    try:
        storage: Any = tensor.untyped_storage()
        # a tensor without elements has no address: it is identified by its storage object instead
        address = 0 if tensor.is_meta else storage.data_ptr()
        return tensor.device, address or -storage._cdata
    except (RuntimeError, NotImplementedError):  # the tensor has no storage of its own
        return None


def _range(tensor: Tensor) -> tuple[int, int]:
    """Return where a tensor's first element begins in its storage and where its last one ends, in bytes."""
    if tensor.layout is not torch.strided or tensor.numel() == 0:
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin, size = int(tensor.storage_offset()), tensor.element_size()
    return begin * size, (begin + int(last) + 1) * size
