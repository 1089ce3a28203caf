"""Which parameter of a model a tensor is, or is a part of; and how much of each was written."""

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

    ``zero_rows`` are those that are set to zero afterwards.
    """

    fill: Any
    args: tuple[Any, ...]
    zero_rows: tuple[int, ...] = ()


class Found(NamedTuple):
    """A tensor that is a parameter, or a part of one.

    Attributes
    ----------
    name : str
        Of the parameter.
    owner : torch.Tensor
        It.
    start : int or None
        None if it is the whole; else how many elements of the parameter's memory are before the part.
    is_local : bool
        Whether it is a plain tensor in the memory of one that is distributed.
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
    """The parameters and buffers of a model, found by themselves and by their memory.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        A tied one under each of its names: the first is its name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._by_id: dict[int, tuple[str, Tensor]] = {}
        self._by_storage: dict[Place, list[_Extent]] = {}
        self._twins: dict[int, tuple[str, Tensor, Tensor]] = {}
        self._twin_of: dict[str, Tensor] = {}
        self._written: dict[str, NDArray[np.bool_] | None] = {}
        #: The call that filled a parameter, if nothing else has been written to it since
        self.laws: dict[str, Call | None] = {}
        for name, tensor in tensors.items():
            self.add(name, tensor)

    def add(self, name: str, tensor: Tensor) -> None:
        """Take in one more."""
        if id(tensor) in self._by_id:
            return
        self._by_id[id(tensor)] = (name, tensor)
        inner = inner_of(tensor)
        if (place := _place(inner)) is not None:
            self._by_storage.setdefault(place, []).append(_Extent(*_range(inner), tensor, name))

    def find(self, tensor: Tensor) -> Found | None:
        """Return which parameter a tensor is, or is a part of."""
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
        """Take down what would be written to a parameter, or to `size` elements of it from one on; None if no call."""
        before, row = self.laws.get(name), owner.numel() // owner.shape[0] if owner.ndim and owner.numel() else 0
        is_zero_row = call is not None and call.args == (0.0,) and row == size and start is not None and not start % row
        if start is None:
            self.laws[name] = call
        elif is_zero_row and before is not None and owner.is_contiguous():
            self.laws[name] = before._replace(zero_rows=(*before.zero_rows, start // row))
        else:
            self.laws[name] = None

    # Of a distributed parameter, torch gives parts that are gathered copies: what is written there is lost. While names
    # are given, a part is cut from a tensor without memory instead, of the shape of the whole, so that it is known
    # which elements are meant.

    def twin(self, name: str, owner: Tensor) -> Tensor:
        """Return the tensor without memory that parts of a distributed parameter are cut from."""
        twin = self._twin_of.get(name)
        if twin is None:
            twin = torch.empty(tuple(owner.shape), dtype=owner.dtype, device="meta")
            self._twin_of[name] = twin
            self._twins[twin.untyped_storage()._cdata] = (name, owner, twin)
        return twin

    def part_of_twin(self, tensor: Tensor) -> tuple[str, Tensor, Tensor] | None:
        """Return name, parameter and twin of a tensor that is cut from a twin."""
        if not self._twins or not tensor.is_meta or is_distributed(tensor):
            return None
        return self._twins.get(tensor.untyped_storage()._cdata)

    def note(self, tensor: Tensor) -> None:
        """Take down that all elements of a tensor were written."""
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

    def note_name(self, name: str) -> None:
        """Take down that a parameter was written, or replaced."""
        self._written[name] = None

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
        """The names of those of which every element was written."""
        return {name for name, mask in self._written.items() if mask is None}

    @property
    def partly(self) -> set[str]:
        """The names of those of which some elements were written, and others not."""
        return {name for name, mask in self._written.items() if mask is not None}


def _place(tensor: Tensor) -> Place | None:
    try:
        storage: Any = tensor.untyped_storage()
        # what has no elements has no address: then it is known by the object that would own the memory
        address = 0 if tensor.is_meta else storage.data_ptr()
        return tensor.device, address or -storage._cdata
    except (RuntimeError, NotImplementedError):  # of what has no memory of its own
        return None


def _range(tensor: Tensor) -> tuple[int, int]:
    """Where its first element begins in the storage and its last one ends, in bytes."""
    if tensor.layout is not torch.strided or tensor.numel() == 0:
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin, size = int(tensor.storage_offset()), tensor.element_size()
    return begin * size, (begin + int(last) + 1) * size
