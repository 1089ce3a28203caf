from collections.abc import Callable
from typing import Any, TypeVar, final

from typing_extensions import Self

_F = TypeVar("_F", bound=Callable[..., Any])

@final
class Fill:
    def __new__(cls, function: Callable[..., Any], name: str) -> Self: ...

def fills(name: str) -> Callable[[_F], _F]: ...
def leave_to_functions(whether: bool) -> None: ...
