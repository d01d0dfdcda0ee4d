"""What a host may do with the names that a layout exports: copy arrays, call functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from waferc_runtime.csl.core import Scalar
from waferc_runtime.host.elements import whole
from waferc_runtime.host.errors import HostError

_ARRAY = re.compile(r"\*?(?:\[[^\]]*\])?\s*(?:const\s+)?(\w+)\Z")
_FUNCTION = re.compile(r"fn\s*\((.*)\)\s*\w+\Z", re.DOTALL)
_SCALARS: Mapping[str, Scalar] = MappingProxyType({scalar.label: scalar for scalar in Scalar})


class Exports:
    """Exported names with their types as written in CSL; handles are places in their order."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self._names = tuple(types)

    def handle(self, name: str) -> int:
        """The handle of a name.

        Raises:
            HostError: the program exports no such name.
        """
        if not isinstance(name, str) or name not in self._types:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise HostError(
                f"the program exports no symbol {name!r}",
                help=f"it exports {', '.join(self._names)}" if self._names else None,
            )
        return self._names.index(name)

    def array(self, handle: object) -> tuple[str, Scalar]:
        """Name and element type of the array that has a handle.

        Raises:
            HostError: there is none.
        """
        number = whole(handle)
        if number is None or not 0 <= number < len(self._names):
            raise HostError(
                f"no symbol has the handle {handle!r}", help="get handles from get_id()"
            )
        name = self._names[number]
        match = _ARRAY.match(self._types[name])
        if match is None or match[1] not in _SCALARS:
            raise HostError(f"{name} is {self._types[name]}, not a pointer to an array")
        return name, _SCALARS[match[1]]

    def arguments(self, name: str, given: Sequence[Any]) -> list[int | float]:
        """The arguments of a call of an exported function, in the types of its parameters.

        A NumPy scalar must be of the parameter's type; a Python number must be one of its values.

        Raises:
            HostError: there is no such function, or the arguments are not what it takes.
        """
        self.handle(name)
        match = _FUNCTION.match(self._types[name])
        if match is None:
            raise HostError(f"{name} is {self._types[name]}, not a function")
        parameters = [part.strip() for part in match[1].split(",") if part.strip()]
        if len(parameters) != len(given):
            raise HostError(
                f"{name} takes {len(parameters)} arguments and is given {len(given)}",
                notes=[f"it is {self._types[name]}"],
            )
        return [
            _argument(name, parameter, value)
            for parameter, value in zip(parameters, given, strict=True)
        ]


def _argument(name: str, parameter: str, value: object) -> int | float:
    scalar = _SCALARS.get(parameter.rpartition(":")[2].strip())
    if scalar is None:
        raise HostError(f"{name} takes a {parameter}, which the host cannot give")
    if isinstance(value, np.generic):
        if value.dtype != np.dtype(scalar.numpy):
            raise HostError(
                f"{name} takes a {parameter} and is given a {value.dtype}",
                help=f"give np.{scalar.numpy}(...)",
            )
        return cast("np.generic[Any]", value).item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise HostError(f"{name} takes a {parameter} and is given {value!r}")
    if scalar.is_float:
        return float(value)
    limits = (0, 1) if scalar is Scalar.BOOL else _limits(scalar)
    if not isinstance(value, int) or not limits[0] <= value <= limits[1]:
        raise HostError(f"{name} takes a {parameter} and is given {value!r}")
    return value


def _limits(scalar: Scalar) -> tuple[int, int]:
    info = np.iinfo(scalar.numpy)
    return int(info.min), int(info.max)
