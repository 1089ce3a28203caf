from collections.abc import Callable
from typing import Any

def handler(
    others: Callable[
        [str, int, tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]],
        object,
    ],
) -> Any: ...
