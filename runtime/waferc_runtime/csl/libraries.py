"""Native libraries: what CSL cannot say, as functions of the front end or of the engines.

All other libraries are CSL under `waferc_runtime/library/`; those may import `<native/...>`. A
function with fixed types stands in `SIGNATURES` and becomes a `core.LibraryCall`; one that the
front end carries out enters itself with `native`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl import syntax
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, suggestion
from waferc_runtime.csl.evaluator import Evaluator, arguments
from waferc_runtime.csl.search import INTERNAL, NATIVE_LIBRARIES, is_library
from waferc_runtime.csl.types import ArrayType, CslType, Meta, PointerType, is_integer
from waferc_runtime.csl.values import (
    Known,
    LibraryFunction,
    LibraryModule,
    StructValue,
    Value,
    Void,
    type_of,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameter types and result type of a library function with fixed types."""

    parameters: tuple[CslType, ...]
    result: CslType


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
        "random.next16": Signature((), Scalar.U16),
        "random.set_active": Signature((Scalar.U16,), Meta.VOID),
        "random.set_seed": Signature((Scalar.U32,), Meta.VOID),
    }
)

FLOAT_CONSTANTS: Mapping[str, float] = MappingProxyType(
    {"POSITIVE_INF": math.inf, "NEGATIVE_INF": -math.inf, "NaN": math.nan}
)
_SUFFIXES: Mapping[str, Scalar] = MappingProxyType(
    {f"_{scalar.label}": scalar for scalar in Scalar if scalar is not Scalar.BOOL}
)
STRINGS = "debug.strings"  # symbol of the strings of a class that `<debug>` records
MAX_STREAMS = 4  # MEMCPYH2D_1 ... MEMCPYD2H_4

NativeHandler = Callable[[Evaluator, LibraryFunction, syntax.Call], Value]
NATIVE: dict[str, NativeHandler] = {}
_H = TypeVar("_H", bound=NativeHandler)


def native(name: str) -> Callable[[_H], _H]:
    """Enter a function that the front end carries out, as `library.function`."""

    def enter(handler: _H) -> _H:
        assert name not in NATIVE, name
        NATIVE[name] = handler
        return handler

    return enter


def is_native(path: str, importer: str) -> bool:
    """Whether `path`, with its angle brackets, is a native library for the file `importer`."""
    return path in NATIVE_LIBRARIES and (is_library(importer) or not path.startswith(INTERNAL))


def import_native(
    ev: Evaluator, path: str, params: Mapping[str, Value], at: Location
) -> LibraryModule:
    """The native library called `path`, with its angle brackets.

    Raises:
        CslError: what memcpy streams on is no color.
    """
    name = NATIVE_LIBRARIES[path]
    if name == "memcpy_params":
        params = {key: _stream(ev, key, value, at) for key, value in params.items()}
    return LibraryModule(name, params)


def library_member(module: LibraryModule, name: str, at: Location) -> Value:
    """A member of a native library.

    Raises:
        CslError: the library has none of that name.
    """
    if module.name == "math":
        return _math(name, at)
    full = f"{module.name}.{name}"
    if full in SIGNATURES or full in NATIVE:
        return LibraryFunction(full, params=module.params)
    known = [n.split(".")[1] for n in (*SIGNATURES, *NATIVE) if n.startswith(f"{module.name}.")]
    raise CslError(
        f"the library {module.name} has no {name!r} here",
        at,
        help=suggestion(name, known) or (f"it has {', '.join(known)}" if known else None),
    )


# ---- memcpy


def stream_names() -> list[str]:
    """Names of the colors that stream between host and wafer."""
    return [f"MEMCPY{way}_{n}" for way in ("H2D", "D2H") for n in range(1, MAX_STREAMS + 1)]


@native("memcpy_params.get_params")
def _get_params(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    """What PEs are given: the params of the import; streams that were not asked for are void.

    Nothing in them depends on the column that real memcpy wants to know here.
    """
    (column,) = arguments(node, 1, name="get_params")
    ev.known(column)
    names = [*stream_names(), "LAUNCH"]
    return StructValue({name: callee.params.get(name, Void()) for name in names})


def _stream(ev: Evaluator, name: str, value: Value, at: Location) -> Value:
    """A param of memcpy; the colors that it names are streamed on.

    SDK 1.4 gives colors, 2.x their numbers; PEs see the one or the other as an i16.
    """
    if name not in stream_names() or isinstance(value, Void):
        return value
    type = type_of(value)
    if not (is_integer(type) or type in (Meta.COMPTIME_INT, Handle.COLOR)):
        raise CslError(f"{name} is a color or its number, not {ev.name_of(value)}", at)
    color = ev.integer_of(value, at)
    machine = ev.context.program.machine
    if not 0 <= color < machine.colors:
        raise CslError(f"there is no color {color} for {name}", at)
    program = ev.context.program
    (program.host_inputs if "H2D" in name else program.host_outputs).add(color)
    return value if type is Handle.COLOR else Known(Scalar.I16, color)


# ---- tasks


@native("tasks.set_high_priority")
def _set_high_priority(ev: Evaluator, _callee: LibraryFunction, node: syntax.Call) -> Value:
    """`set_high_priority(id, is_high)` at compile time."""
    ev.require_all()
    target, high = arguments(node, 2, name="set_high_priority")
    value = ev.known(target)
    if not isinstance(value, Known) or not isinstance(value.type, Handle):
        raise CslError(f"a task has a priority, not {ev.name_of(value)}", target.at)
    id = ev.integer_of(value, target.at)
    chosen = ev.context.high_priority
    (chosen.add if ev.uniform(ev.truth(ev.known(high), high.at)) else chosen.discard)(id)
    return Void()


# ---- debug


@native("debug.string_number")
def _string_number(ev: Evaluator, _callee: LibraryFunction, node: syntax.Call) -> Value:
    """The place of a string in the class's table, which is the symbol `debug.strings`."""
    (argument,) = arguments(node, 1, name="string_number")
    text = ev.text(argument)
    strings = ev.context.strings
    if text not in strings:
        strings.append(text)
    return Known(Scalar.U16, strings.index(text))


# ---- math


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
