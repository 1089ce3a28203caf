"""The dispatch mode under which a model's own code initialises it.

Each parameter takes the stream of its name, and what is written to parameters is recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from initcore.patterns import constant_
from initcore.streams import Stream
from initcore.torch.generators import seed_of
from initcore.torch.known import Call, Found, Known
from initcore.torch.layouts import Local, is_distributed, is_whole, part_of

__all__ = ["NAMING", "LayoutError", "Naming", "overwrites", "written_by"]

NAMING: ContextVar[Naming | None] = ContextVar("NAMING", default=None)
_aten = torch.ops.aten

#: Operations that slice a tensor; for a distributed tensor the result can be a gathered copy
_CUTS = {_aten.select.int, _aten.slice.Tensor, _aten.split.Tensor, _aten.split_with_sizes.default, _aten.unbind.int}
#: Operations that return a new tensor of random numbers, and the tensor method that draws the same numbers
_FACTORIES = {
    _aten.randn.default: _aten.normal_.default,
    _aten.randn_like.default: _aten.normal_.default,
    _aten.rand.default: _aten.uniform_.default,
    _aten.rand_like.default: _aten.uniform_.default,
}
#: Operations that write every element of their first argument and do not read it
_OVERWRITES = {"copy_", "fill_", "zero_", "set_", "_foreach_copy_", "_foreach_zero_"}
#: The attribute that marks tensors which were drawn and are not parameters
_DRAWN = "_initcore_drawn"


class LayoutError(RuntimeError):
    """The values that would be written to a parameter depend on how it is distributed."""


# torch's modes are not typed
class Naming(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode: while it is active, a model's tensors take the streams of their names, and writes are recorded.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        Parameters and buffers by name. They and their parts take streams by these names.
    modules : mapping of int to str
        From the ``id`` of each module to its name. Draws into other tensors take streams by these names.
    base : Stream
        The stream to whose path the names are appended.
    methods : dict
        From an operation of torch, such as ``aten.normal_``, to the function that draws instead of it.
    kept : iterable of str
        Names of the parameters and buffers that are not written to.
    dry : bool
        Whether no parameter and no buffer is written to: writes are then only recorded.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        modules: Mapping[int, str],
        base: Stream,
        methods: dict[Any, Callable[..., Tensor]],
        *,
        kept: Iterable[str] = (),
        dry: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.base = base
        self.known = Known(tensors)
        self._modules = modules
        self._methods = methods
        self._kept = frozenset(kept)
        self._dry = dry
        self._temporaries: dict[str, int] = {}
        self._tokens: list[Token[Naming | None]] = []

    def __enter__(self) -> Naming:
        self._tokens.append(NAMING.set(self))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        NAMING.reset(self._tokens.pop())

    @property
    def written(self) -> set[str]:
        """The names of the parameters and buffers of which every element was written."""
        return self.known.written

    def is_skipped(self, tensor: Tensor, overwritten: bool = True, call: Call | None = None) -> bool:
        """Whether a tensor must not be written to; what would have been written to it is then recorded.

        `overwritten` says that all of it would be written, and `call` is the call that would fill it.
        """
        if not self._dry and not self._kept:
            return False
        found = self.known.find(tensor)
        twin = self.known.part_of_twin(tensor) if found is None else None
        if found is not None:
            name, owner, start = found.name, found.owner, found.start
        elif twin is not None:
            name, owner, start = twin[0], twin[1], int(tensor.storage_offset())
        else:
            return False
        if not self._dry and name not in self._kept:
            return False
        self.known.record(name, owner, start, tensor.numel(), call if overwritten else None)
        if not overwritten:
            return True
        if twin is not None:
            part = self.local_of(tensor)
            self.note_filled(tensor, part[0] if part else None)
            return True
        self.known.note(tensor)
        return True

    def is_named(self, tensor: Tensor) -> bool:
        """Whether a tensor takes the stream of a name, even if the call that draws it is given a generator."""
        return (self.known.find(tensor) or self.known.part_of_twin(tensor)) is not None

    def is_recorded(self, tensor: Tensor) -> bool:
        """Record a draw into a tensor, and return whether nothing is to be drawn."""
        return False

    def stream_of(self, tensor: Tensor) -> Stream:
        """Return the stream of a parameter's name; for a part of it, of the name and the element where the part begins.

        Any other tensor takes the next stream of the module that the calling code is about.

        Raises
        ------
        RuntimeError
            If the tensor is the local tensor of a distributed parameter.
        """
        found = self.known.find(tensor)
        if found is None:
            return self.temporary()
        return self._stream(found)

    def _stream(self, found: Found) -> Stream:
        if found.is_local and not is_whole(found.owner):
            raise _layout_error(found.name, "what is drawn into its local tensor")
        if found.start is None or (found.is_local and found.start == 0 and is_whole(found.owner)):
            return self.base / found.name
        return self.base / found.name / found.start

    def local_of(self, tensor: Tensor) -> tuple[Local, Stream] | None:
        """Return what this process holds of a part of a distributed parameter, and the part's stream.

        The result is None if the tensor is not a slice of a distributed parameter's twin.

        Raises
        ------
        RuntimeError
            If the part is not a block of the whole.
        """
        twin = self.known.part_of_twin(tensor)
        if twin is None:
            return None
        name, owner, whole = twin
        local = part_of(owner, whole, tensor)
        if local is None:
            raise LayoutError(
                f"{name} is distributed, and a part of shape {tuple(tensor.shape)} is not a block of its rows and "
                "columns, so initcore does not know which process holds its elements"
            )
        return local, self.base / name / tensor.storage_offset()

    def temporary(self) -> Stream:
        """Return the next stream of the module that the calling code is about, for a tensor that is no parameter."""
        place = self._place_of_call()
        number = self._temporaries.get(place, 0)
        self._temporaries[place] = number + 1
        return self.base / place / "torch.default_generator" / number

    def _place_of_call(self) -> str:
        """Return the name of the module that the calling code is about; the name of the whole model is empty.

        It is the most deeply nested module among the local variables of the nearest frame that has any module.
        """
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if not frame.f_code.co_filename.startswith(_OURS):
                names = [
                    name for value in frame.f_locals.values() if (name := self._modules.get(id(value))) is not None
                ]
                if names:
                    return max(names, key=lambda name: (name.count("."), bool(name)))
            frame = frame.f_back
        return ""

    def note(self, tensor: Tensor) -> None:
        """Record that all elements of a tensor were written."""
        self.known.note(tensor)

    def note_filled(self, tensor: Tensor, part: Local | None) -> None:
        """Record that a tensor was filled; `part` is what this process holds of it if it is a slice of a twin."""
        if part is not None:
            for index, _ in part.blocks:
                self.note(part.tensor[index])
        else:
            self.note(tensor)
            if self.known.find(tensor) is None:
                _mark_drawn(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _CUTS and is_distributed(args[0]):
            cut = self._cut(func, args, kwargs)
            if cut is not None:
                return cut
        written = written_by(func, args, kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self._drawn(func, args, kwargs, written)
        if written:
            overwritten = overwrites(func)
            call = _constant(func, args) if overwritten else None
            if all(self.is_skipped(tensor, overwritten, call) for tensor in written):
                return written[0] if func._schema.returns else None
            if (part := self.known.part_of_twin(written[0])) is not None:
                return self._write_part(func, args, kwargs, part[0], written[0])
            self._check_copy(func, args, written[0])
            if (result := self._copied(func, args)) is not None:
                return result
            if overwritten:
                for tensor in written:
                    self.note(tensor)
        result = func(*args, **kwargs)
        if any(isinstance(arg, Tensor) and hasattr(arg, _DRAWN) for arg in args):
            _mark_drawn(result)
        return result

    def _drawn(self, func: Any, args: Any, kwargs: Any, written: list[Tensor]) -> Any:
        """Draw what an operation of torch would draw, and mark or record what it writes."""
        target = written[0] if written else None
        known = target is not None and self.is_named(target)
        if target is not None and func not in self._methods and self.is_skipped(target):
            return target
        if kwargs.get("generator") is not None and not known:
            return func(*args, **kwargs)
        result = self.draw_operation(func, args, kwargs, target)
        if known and target is not None:
            self.note(target)
        else:
            _mark_drawn(result)
        return result

    def draw_operation(self, func: Any, args: Any, kwargs: Any, target: Tensor | None) -> Any:
        """Draw what an operation of torch would draw, from the stream of the target's name or of the calling module.

        Where initcore has no such distribution, torch draws, with its generator seeded from that stream.
        """
        ours = self._methods.get(func)
        if ours is not None:
            return ours(*args)
        made = _FACTORIES.get(func)
        if made is not None and kwargs.get("generator") is None:
            given = {key: value for key, value in kwargs.items() if key != "generator"}
            like = torch.empty_like if isinstance(args[0], Tensor) else torch.empty
            return self._methods[made](like(args[0], **given))
        if any(isinstance(arg, Tensor) and is_distributed(arg) for arg in args):
            raise LayoutError(
                f"{func} gives a DTensor values that depend on how it is distributed: "
                "use normal_, uniform_ or the functions of torch.nn.init instead"
            )
        kwargs = {key: value for key, value in kwargs.items() if key != "generator"}
        _seed_torch(seed_of(self.temporary() if target is None else self.stream_of(target)))
        return func(*args, **kwargs)

    def _cut(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the slice of a distributed parameter's twin, if the operation slices such a parameter, or None."""
        found = self.known.find(args[0])
        if found is None or is_whole(found.owner):
            return None
        if found.start is not None or tuple(args[0].shape) != tuple(found.owner.shape):
            raise _layout_error(found.name, "what is written to a part of a transposed or reshaped view of it")
        return func(self.known.twin(found.name, found.owner), *args[1:], **kwargs)

    def _write_part(self, func: Any, args: Any, kwargs: Any, name: str, target: Tensor) -> Tensor:
        """Apply an operation that writes to a slice of a twin to what this process holds of the parameter there."""
        found = self.local_of(target)
        assert found is not None  # the target is a slice of a twin
        sources = [arg for arg in args[1:] if isinstance(arg, Tensor)]
        if any(source.is_meta or is_distributed(source) or hasattr(source, _DRAWN) for source in sources):
            raise _layout_error(name, f"what {func} writes to a part of it")
        for index, shard in found[0].blocks:
            given = [
                arg.broadcast_to(shard.global_shape)[shard.index] if isinstance(arg, Tensor) and arg.ndim else arg
                for arg in args[1:]
            ]
            view = found[0].tensor[index]
            func(view, *given, **kwargs)
            if overwrites(func):
                self.note(view)
        return target

    def _check_copy(self, func: Any, args: Any, target: Tensor) -> None:
        """Refuse to copy numbers that were drawn in the shape of a local tensor to a distributed parameter."""
        if any(isinstance(arg, Tensor) and hasattr(arg, _DRAWN) for arg in args[1:]):
            found = self.known.find(target)
            if found is not None and found.is_local and not is_whole(found.owner):
                raise _layout_error(found.name, f"what {func} writes to its local tensor")

    def _copied(self, func: Any, args: Any) -> Tensor | None:
        """Copy a plain tensor, which is the same in every process, to a distributed parameter, as torch refuses to do.

        The result is None if the operation is not such a copy.
        """
        if func is not _aten.copy_.default:
            return None
        target, source = args[0], args[1]
        if not is_distributed(target) or is_distributed(source) or self.known.find(target) is None:
            return None
        local = part_of(target, None, target)
        if local is None:
            return None
        whole = source.broadcast_to(target.shape)
        for index, shard in local.blocks:
            local.tensor[index].copy_(whole[shard.index])
        self.note(target)
        result: Tensor = target
        return result


_OURS = __file__.rpartition("naming.py")[0]


def written_by(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """Return the tensors that an operation writes to."""
    written: list[Tensor] = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = args[i] if i < len(args) else kwargs.get(argument.name)
            for tensor in given if isinstance(given, (list, tuple)) else (given,):
                if isinstance(tensor, Tensor):
                    written.append(tensor)
    return written


def overwrites(func: Any) -> bool:
    """Whether an operation writes every element of its target, and reads none of them."""
    name = func._schema.name.rpartition("::")[2]
    return name in _OVERWRITES or any(argument.is_out for argument in func._schema.arguments)


def _constant(func: Any, args: Any) -> Call | None:
    """Return the call of initcore that fills with the same constant as an operation; None if it fills with none."""
    if func is _aten.zero_.default:
        return Call(constant_, (0.0,))
    if func in (_aten.fill_.Scalar, _aten.fill_.Tensor):
        value = args[1]
        if isinstance(value, Tensor):
            if value.is_meta or is_distributed(value) or value.ndim:
                return None
            value = value.item()
        return Call(constant_, (float(value),))
    return None


def _mark_drawn(result: Any) -> None:
    for tensor in result if isinstance(result, (list, tuple)) else (result,):
        if isinstance(tensor, Tensor):
            setattr(tensor, _DRAWN, True)


def _layout_error(name: str, what: str) -> LayoutError:
    return LayoutError(
        f"{name} is distributed, and {what} would depend on how it is distributed: write to the parameter itself, "
        "or initialise the model before it is distributed"
    )


def _seed_torch(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    cuda: Any = torch.cuda
    if cuda.is_available() and cuda.is_initialized():
        cuda.manual_seed_all(seed)
