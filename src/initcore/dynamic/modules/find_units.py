"""The weights of a module that are scaled: which parameters, which parts of them, and which modules use them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from initcore.dynamic.modules.checks import check_parameters, check_scripts
from initcore.dynamic.modules.units import Site, Unit
from initcore.torch.modules.names import walk

__all__ = ["named_parameters", "units_of"]

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.modules.batchnorm._NormBase)
_TABLES = (nn.Embedding, nn.EmbeddingBag)


def units_of(module: nn.Module) -> tuple[list[Unit], dict[str, str]]:
    """Return the units of a module, and the names of its other parameters of two axes or more, and why they are none.

    Raises
    ------
    ValueError
        If a parameter has no memory of its own, no shape yet, or is distributed, or a module is a ScriptModule.
    """
    check_scripts(module)
    parameters = named_parameters(module)
    check_parameters(parameters)
    found: dict[tuple[int, int], Unit] = {}
    others: dict[str, str] = {}
    names = {id(parameter): name for name, parameter in parameters.items()}
    projections = {m.out_proj for m in module.modules() if isinstance(m, nn.MultiheadAttention)}
    for prefix, owner in walk(module):
        if owner in projections:
            continue
        for unit in _units_in(owner):
            own = f"{prefix}.{unit.owner}" if prefix else unit.owner
            name = names[id(unit.parameter)]
            first = found.setdefault((id(unit.parameter), unit.part.start or 0), unit)
            if first is unit:
                unit.owner, unit.name = name, unit.name.replace(unit.owner, name, 1)
            else:
                first.sites += unit.sites
                first.table |= unit.table
                if own != name:
                    others[own] = f"skipped: its weights are those of {name}"
    ours = {unit.owner for unit in found.values()}
    norms = {id(p) for m in module.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)}
    for name, parameter in parameters.items():
        if parameter.ndim > 1 and name not in ours and id(parameter) not in norms:
            others[name] = "skipped: no layer's output shows its scale"
    return list(found.values()), others


def named_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return parameters by the first of their names, which leave out wrappers around modules."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for prefix, part in walk(module):
        for key, parameter in part._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), (f"{prefix}.{key}" if prefix else key, parameter))
    return dict(found.values())


def _units_in(owner: nn.Module) -> Iterable[Unit]:
    if isinstance(owner, nn.MultiheadAttention):
        yield from _units_of_attention(owner)
        return
    weight = owner._parameters.get("weight")
    if weight is not None and weight.ndim > 1 and not isinstance(owner, _NORMS):
        bias = owner._parameters.get("bias")
        yield Unit("weight", "weight", weight, bias, [Site(owner)], table=isinstance(owner, _TABLES))


def _units_of_attention(owner: nn.MultiheadAttention) -> Iterable[Unit]:
    size, bias = owner.embed_dim, owner.in_proj_bias
    for place, letter in enumerate("qkv"):
        rows = slice(place * size, (place + 1) * size)
        if owner.in_proj_weight is not None:
            yield Unit(
                f"in_proj_weight[{letter}]", "in_proj_weight", owner.in_proj_weight, bias, [Site(owner, place)], rows
            )
        else:
            name = f"{letter}_proj_weight"
            yield Unit(name, name, getattr(owner, name), None, [Site(owner, place)])
    weight = owner.out_proj._parameters.get("weight")
    if weight is not None:
        yield Unit("out_proj.weight", "out_proj.weight", weight, owner.out_proj._parameters.get("bias"), [Site(owner)])
