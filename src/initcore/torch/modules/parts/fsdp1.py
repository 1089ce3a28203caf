"""Find which parts this process holds of parameters that FSDP1 has flattened and cut."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from initcore.torch.modules.names import FSDP1, classes_of, saved_name, tied_patterns, walk
from initcore.torch.modules.parts.attributes import Attributes, check_attributes
from initcore.torch.modules.parts.given import Given, range_in

__all__ = ["fsdp_parts"]

FSDP = Attributes("FullyShardedDataParallel of torch 2.13", ("_handle",))
HANDLE = Attributes(
    "FlatParamHandle of torch 2.13",
    ("flat_param", "is_sharded", "uses_sharded_strategy", "_training_state", "_use_orig_params"),
)
FLAT = Attributes(
    "the flat parameter of torch 2.13",
    ("_contiguities", "_param_extensions", "_param_infos", "_shapes", "_shard_param_infos", "_shared_param_infos"),
)


def fsdp_parts(model: nn.Module) -> dict[str, Given]:
    """Return what this process holds of the parameters that FSDP1 has flattened and cut.

    Parameters
    ----------
    model : torch.nn.Module
        A model with ``torch.distributed.fsdp.FullyShardedDataParallel`` around it or around some of its modules, with
        any sharding strategy, and not gathered at the moment.

    Returns
    -------
    dict
        By the names that the parameters had before the model was wrapped, their parts, for
        ``initialize(model, plan, parts=...)``. With ``use_orig_params=False`` each part comes with the flat parameter
        that holds it.

    Raises
    ------
    ValueError
        Naming the parameter, if it is gathered, as between a forward and a backward pass and within
        ``summon_full_params``; or if it was a DTensor, or not in C order, before it was flattened.

    Examples
    --------
    In each process::

        model = FullyShardedDataParallel(Model(), auto_wrap_policy=policy)
        initcore.torch.initialize(model, plan, parts=initcore.torch.fsdp_parts(model))

    A model that is whole has no parts:

    >>> import torch
    >>> from initcore.torch import fsdp_parts
    >>> fsdp_parts(torch.nn.Linear(3, 2))
    {}
    """
    names = {id(module): name for name, module in walk(model)}
    tied = tied_patterns(model)
    found: dict[str, Given] = {}
    for module in model.modules():
        if FSDP1 in classes_of(module):
            wrapper: Any = module
            check_attributes(FSDP, wrapper, type(module).__name__)
            if wrapper._handle is not None:
                found.update(_flattened(wrapper._handle, names, tied))
    return found


def _flattened(handle: Any, names: dict[int, str], tied: list[re.Pattern[str]]) -> dict[str, Given]:
    """Return what this process holds of each parameter in a flat parameter, by the parameters' names."""
    check_attributes(HANDLE, handle, "FSDP")
    flat: Any = handle.flat_param
    check_attributes(FLAT, flat, "FSDP")

    def called(module: nn.Module, key: str) -> str:
        return ".".join(filter(None, (names[id(module)], key)))

    infos = [called(info.module, info.param_name) for info in flat._param_infos]
    if handle._use_orig_params and not handle.uses_sharded_strategy:  # the model holds whole parameters
        return {}
    if _is_gathered(handle):
        raise ValueError(
            f"{', '.join(infos)}: FSDP has gathered them: leave summon_full_params, or call backward() after the "
            "forward pass, or initialise the model before it"
        )
    found: dict[str, Given] = {}
    rows = zip(infos, flat._shapes, flat._shard_param_infos, flat._contiguities, flat._param_extensions, strict=True)
    for name, shape, place, in_order, extension in rows:
        if extension is not None:
            raise ValueError(
                f"{name}: it was a DTensor before FSDP flattened it, and it is not known which part of the whole it was"
            )
        if not in_order:
            raise ValueError(f"{name}: it was not in C order before FSDP flattened it")
        start, stop = (place.intra_param_start_idx, place.intra_param_end_idx + 1) if place.in_shard else (0, 0)
        if handle._use_orig_params:
            found[name] = range_in(tuple(shape), start, stop)
        else:
            found[name] = flat, range_in(tuple(shape), start, stop, place.offset_in_shard or 0)
    groups: dict[str, list[str]] = {}
    for shared in flat._shared_param_infos:
        first = called(shared.prim_module, shared.prim_param_name)
        groups.setdefault(first, [first]).append(called(shared.module, shared.param_name))
    for first, group in groups.items():
        part = found.pop(first)
        if not handle._use_orig_params:  # the model has it under one name only
            group = [saved_name(group, tied)]
        found.update(dict.fromkeys(group, part))
    return found


def _is_gathered(handle: Any) -> bool:
    """Whether a write to the part would be lost, since the whole flat parameter is in memory and in use."""
    if handle._training_state.name != "IDLE":
        return True
    if not handle.uses_sharded_strategy:
        return False
    flat = handle.flat_param
    wholes = (getattr(flat, name, None) for name in ("_full_param_padded", "_full_prec_full_param_padded"))
    return (
        not handle.is_sharded(flat)
        or getattr(flat, "_local_shard", flat).data_ptr() != flat.data_ptr()
        or any(whole is not None and whole.untyped_storage().size() for whole in wholes)
    )
