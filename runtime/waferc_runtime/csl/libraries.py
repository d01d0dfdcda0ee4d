"""The libraries that the engines implement: names of their members and what they are.

`<math>`, `<layout>`, `<time>`, `<memcpy/get_params>`, `<memcpy/memcpy>`. What memcpy's params hold
is the same for all PEs, as no engine reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported, suggestion
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    Meta,
    PointerType,
)
from waferc_runtime.csl.values import (
    Known,
    LibraryFunction,
    LibraryModule,
    StructValue,
    Value,
    Void,
    comptime_int,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameter types and result type of a library function with fixed types."""

    parameters: tuple[CslType, ...]
    result: CslType


LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "<math>": "math",
        "<layout>": "layout",
        "<time>": "time",
        "<memcpy/get_params>": "memcpy_params",
        "<memcpy/memcpy>": "memcpy",
    }
)

_TIMESTAMP = PointerType(ArrayType((3,), Scalar.U16), many=False)
SIGNATURES: Mapping[str, Signature] = MappingProxyType(
    {
        "layout.get_x_coord": Signature((), Scalar.U16),
        "layout.get_y_coord": Signature((), Scalar.U16),
        "time.enable_tsc": Signature((), Meta.VOID),
        "time.disable_tsc": Signature((), Meta.VOID),
        "time.reset_tsc_counter": Signature((), Meta.VOID),
        "time.get_timestamp": Signature((_TIMESTAMP,), Meta.VOID),
        "memcpy.unblock_cmd_stream": Signature((), Meta.VOID),
    }
)

FLOAT_CONSTANTS: Mapping[str, float] = MappingProxyType(
    {"POSITIVE_INF": math.inf, "NEGATIVE_INF": -math.inf, "NaN": math.nan}
)
_SUFFIXES: Mapping[str, Scalar] = MappingProxyType(
    {f"_{scalar.label}": scalar for scalar in Scalar if scalar is not Scalar.BOOL}
)
MAX_STREAMS = 4  # MEMCPYH2D_1 ... MEMCPYD2H_4


def import_library(path: str, params: Mapping[str, Value], at: Location) -> LibraryModule:
    """The library called `path`, with its angle brackets.

    Raises:
        CslError: it is not one that the engines implement.
    """
    if path not in LIBRARIES:
        raise not_supported(f"the library {path}", at, f"known: {', '.join(LIBRARIES)}")
    return LibraryModule(LIBRARIES[path], params)


def library_member(module: LibraryModule, name: str, at: Location) -> Value:
    """A member of a library.

    Raises:
        CslError: the library has none of that name.
    """
    match module.name:
        case "math":
            return _math(name, at)
        case "memcpy_params" if name == "get_params":
            return LibraryFunction("memcpy_params.get_params")
        case "memcpy" if name in stream_names() or name == "LAUNCH":
            return _stream(module, name, at)
        case "time" if name == "tsc_size_words":
            return comptime_int(3)
        case _:
            pass
    full = f"{module.name}.{name}"
    if full in SIGNATURES:
        return LibraryFunction(full)
    known = [n.split(".")[1] for n in SIGNATURES if n.startswith(f"{module.name}.")]
    raise CslError(
        f"the library {module.name} has no {name!r} here",
        at,
        help=suggestion(name, known) or (f"it has {', '.join(known)}" if known else None),
    )


def stream_names() -> list[str]:
    """Names of the colors that stream between host and wafer."""
    return [f"MEMCPY{way}_{n}" for way in ("H2D", "D2H") for n in range(1, MAX_STREAMS + 1)]


def memcpy_params(module: LibraryModule) -> StructValue:
    """What `get_params(px)` of `<memcpy/get_params>` returns: the params of the import.

    Streams that were not asked for are there, and void.
    """
    absent: dict[str, Value] = {name: Void() for name in stream_names()}
    return StructValue(absent | dict(module.params))


def _stream(module: LibraryModule, name: str, at: Location) -> Value:
    value = module.params.get(name)
    if value is None or isinstance(value, Void):
        raise CslError(
            f"memcpy has no color {name}", at, help="give it to <memcpy/get_params> in the layout"
        )
    if isinstance(value, Known) and value.type is Meta.COMPTIME_INT:
        return Known(Handle.COLOR, value.data)
    return value


def _math(name: str, at: Location) -> Value:
    if name in ("PI", "E"):
        return Known(Meta.COMPTIME_FLOAT, math.pi if name == "PI" else math.e)
    stem, suffix = split_suffix(name)
    if stem in FLOAT_CONSTANTS and suffix is not None:
        return Known(suffix, FLOAT_CONSTANTS[stem])
    if stem in FLOAT_CONSTANTS or f"math.{stem}" in MATH_FUNCTIONS:
        return LibraryFunction(f"math.{stem}", suffix)
    known = [n.split(".")[1] for n in MATH_FUNCTIONS]
    raise CslError(f"the library math has no {name!r} here", at, help=suggestion(stem, known))


def split_suffix(name: str) -> tuple[str, Scalar | None]:
    """`exp_f32` is `exp` for f32; without such an ending the type is that of the argument."""
    for suffix, scalar in _SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), scalar
    return name, None
