"""Hooks that see the calls of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from initcore.dynamic.modules.units import Call, Site, Unit

__all__ = ["hooked", "watch_layers"]

Visit = Callable[[Unit, Site, Call], bool]


def watch_layers(units: Iterable[Unit], visit: Visit) -> list[Any]:
    """Call `visit` for the units of each layer that is called, and run the layer again if it returns True.

    Returns the hooks that do so.
    """
    by_module: dict[nn.Module, list[tuple[Unit, Site]]] = {}
    for unit in units:
        for site in unit.sites:
            by_module.setdefault(site.module, []).append((unit, site))

    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        call = Call(args, kwargs, output)
        for unit, site in by_module[module]:
            if visit(unit, site, call):
                call = Call(args, kwargs, module.forward(*args, **kwargs))
        return None if call.output is output else call.output

    return [m.register_forward_hook(hook, prepend=True, with_kwargs=True) for m in by_module]


@contextmanager
def hooked(hooks: list[Any]) -> Iterator[None]:
    """Remove the hooks in the end."""
    with ExitStack() as stack:
        for hook in hooks:
            stack.callback(hook.remove)
        yield
