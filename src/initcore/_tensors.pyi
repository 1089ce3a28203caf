from collections.abc import Callable
from typing import Any, final

from typing_extensions import Self

from initcore._arrays import Memory

@final
class PlainTensors:
    patched: bool
    def __new__(
        cls,
        types: tuple[type, type],
        kinds: dict[Any, int],
        table: object,
        mode_count: Callable[[], int],
        transformation: Callable[[], object],
        trace: Callable[[], object],
        written: Callable[[list[Any]], object],
        observed: Callable[[Any], bool],
        words: Any,
        dists: dict[Any, int],
        names: dict[Any, str],
    ) -> Self: ...
    def memory_of(self, tensor: object) -> Memory | None: ...
    def fill(self, ours: Callable[..., Any], tensor: object, args: tuple[Any, ...], rng: Any = None) -> bool: ...
