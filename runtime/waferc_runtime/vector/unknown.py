"""What stands for numbers that a run without data (phantom mode) does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


class Misuse(Exception):  # noqa: N818 (an event that the engine turns into a RunError)
    """Operands that an operation does not take, said in a few words."""


class NeedsData(Misuse):
    """What happens depends on data that a run without data does not have."""

    def __init__(self, what: str = "what happens here") -> None:
        super().__init__(f"{what} depends on data, which a run without data does not have,")


class Unknown:
    """A number that depends on data. Whoever needs to know it raises `NeedsData`."""

    __slots__ = ()

    def _needed(self, *_: object, **__: object) -> NoReturn:
        raise NeedsData

    __bool__ = __int__ = __index__ = __float__ = __len__ = __iter__ = _needed
    __array__ = __array_ufunc__ = __array_function__ = _needed
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _needed
    __hash__ = object.__hash__


UNKNOWN = Unknown()


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for numbers of which some may be unknown: then the result is."""

    def compute(*values: Any) -> Any:
        return UNKNOWN if any(value is UNKNOWN for value in values) else function(*values)

    return compute
