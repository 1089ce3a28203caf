from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

BFLOAT16_BITS: np.dtype[Any]
MEMORY_KINDS: dict[str, int]
DEVICE_KINDS: dict[str, int]

@final
class Memory:
    def __new__(cls, address: int, sizes: tuple[int, ...], kind: int) -> Self: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...

@final
class DeviceMemory:
    def __new__(
        cls,
        address: int,
        sizes: tuple[int, ...],
        strides: tuple[int, ...],
        kind: int,
        launch: Callable[[str, tuple[int, int], tuple[int, int], bytes], object],
        most_attempts: int = 0,
    ) -> Self: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...

def check_target(out: NDArray[Any] | Memory | DeviceMemory, shard: Any = None) -> tuple[int, ...]: ...
