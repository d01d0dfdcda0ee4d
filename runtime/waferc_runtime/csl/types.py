"""Types of CSL, compile-time ones included, their names, and the core type of a run-time type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.core import Dsd, Dsr, Handle, Scalar


class Meta(Enum):
    """Types of values that exist at compile time only."""

    COMPTIME_INT = "comptime_int"
    COMPTIME_FLOAT = "comptime_float"
    STRING = "comptime_string"
    STRUCT = "comptime_struct"
    TYPE = "type"
    VOID = "void"
    MODULE = "imported_module"
    RANGE = "range"
    TENSOR = "tensor access"
    ANY = "anytype"
    XDSR = "xdsr"
    SR = "sr"


@dataclass(frozen=True, slots=True)
class ArrayType:
    """`[dims...]element`, row-major."""

    dims: tuple[int, ...]
    element: CslType

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.dims)


@dataclass(frozen=True, slots=True)
class PointerType:
    """`[*]target` if `many`, else `*target`, whose target may be an array."""

    target: CslType
    many: bool
    const: bool = False


@dataclass(frozen=True, slots=True)
class FunctionType:
    """`fn(parameters...)result`."""

    kind: Literal["fn", "task"]
    parameters: tuple[CslType, ...]
    result: CslType


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enum; two are the same if they stand at the same place and have the same members."""

    base: Scalar
    members: tuple[tuple[str, int], ...]
    at: Location


@dataclass(frozen=True, slots=True)
class StructType:
    """A named struct: fields in order."""

    fields: tuple[tuple[str, CslType], ...]
    at: Location


CslType = (
    Scalar
    | Handle
    | Dsd
    | Dsr
    | Meta
    | ArrayType
    | PointerType
    | FunctionType
    | EnumType
    | StructType
)

_MEM1D, _MEM4D, _FABIN, _FABOUT = Dsd("mem1d"), Dsd("mem4d"), Dsd("fabin"), Dsd("fabout")

TYPE_NAMES: Mapping[str, CslType] = MappingProxyType(
    {scalar.label: scalar for scalar in Scalar}
    | {handle.value: handle for handle in Handle}
    | {meta.value: meta for meta in Meta if meta not in (Meta.RANGE, Meta.TENSOR)}
    | {"mem1d_dsd": _MEM1D, "mem4d_dsd": _MEM4D, "fabin_dsd": _FABIN, "fabout_dsd": _FABOUT}
    | {"dsr_dest": Dsr("dest"), "dsr_src0": Dsr("src0"), "dsr_src1": Dsr("src1")}
)

UNSUPPORTED_TYPE_NAMES = frozenset(
    {"bf16", "cb16", "circbuf_dsd", "anyopaque", "dsr_fifo_dest", "dsr_fifo_src1"}
)


def type_name(type: CslType) -> str:
    """The type as written in CSL."""
    match type:
        case Scalar():
            return type.label
        case Handle() | Meta():
            return type.value
        case Dsd():
            return f"{type.kind}_dsd"
        case Dsr():
            return f"dsr_{type.file}"
        case ArrayType():
            return f"[{', '.join(map(str, type.dims))}]{type_name(type.element)}"
        case PointerType():
            star = "[*]" if type.many else "*"
            return f"{star}{'const ' if type.const else ''}{type_name(type.target)}"
        case FunctionType():
            parameters = ", ".join(map(type_name, type.parameters))
            return f"{type.kind}({parameters}){type_name(type.result)}"
        case EnumType():
            return f"enum({type.base.label})"
        case StructType():
            return f"struct {{ {', '.join(f'{n}: {type_name(t)}' for n, t in type.fields)} }}"


def is_integer(type: CslType) -> bool:
    """Whether this is a sized integer type."""
    return isinstance(type, Scalar) and not type.is_float and type is not Scalar.BOOL


def is_signed(type: Scalar) -> bool:
    """Whether an integer type has negative values."""
    return type.label.startswith("i")


def is_float(type: CslType) -> bool:
    """Whether this is f16 or f32."""
    return isinstance(type, Scalar) and type.is_float


def is_numeric(type: CslType) -> bool:
    """Whether values of the type can be added."""
    return is_integer(type) or is_float(type) or type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT)


def widens(own: CslType, type: CslType) -> bool:
    """Whether every value of one sized type is one of another, so that CSL converts by itself."""
    if own is Scalar.F16:
        return type is Scalar.F32
    if not isinstance(own, Scalar) or not isinstance(type, Scalar):
        return False
    if not is_integer(own) or not is_integer(type) or own.bits >= type.bits:
        return False
    return is_signed(type) or not is_signed(own)


def integer_range(type: Scalar) -> tuple[int, int]:
    """Smallest and largest value of an integer type."""
    if is_signed(type):
        return -(1 << (type.bits - 1)), (1 << (type.bits - 1)) - 1
    return 0, (1 << type.bits) - 1


def scalar_of(type: CslType) -> Scalar | None:
    """The scalar in which values of the type are held in memory, or None."""
    match type:
        case Scalar():
            return type
        case EnumType():
            return type.base
        case _:
            return None


def core_pointer(type: PointerType) -> core.Pointer | None:
    """The core type of a pointer, or None if the core has no such pointer."""
    match type.target:
        case ArrayType():
            element = scalar_of(type.target.element)
            count = type.target.count
        case _:
            element, count = scalar_of(type.target), 1
    if element is None:
        return None
    return core.Pointer(element, type.many, count, type.const)


def core_type(type: CslType) -> core.CoreType | None:
    """The type that a run-time local of this type has in the core language, or None."""
    match type:
        case Scalar() | Handle() | Dsd() | Dsr():
            return type
        case EnumType():
            return type.base
        case PointerType():
            return core_pointer(type)
        case Meta.VOID:
            return core.Void()
        case _:
            return None
