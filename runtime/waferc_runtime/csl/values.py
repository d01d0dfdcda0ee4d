"""Values of the evaluator: known at compile time, per PE of a class if need be, or computed later.

Data of a known number is a Python number, or an array with one entry per PE ("lanes"); lanes whose
entries are all equal do not occur, `known` folds them. Integers and handles are int64 lanes, floats
float64 lanes that hold values of their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    FunctionType,
    Meta,
    PointerType,
    StructType,
)

Lanes = NDArray[np.generic]  # [pe]
MAX_LANE_INT = 1 << 62  # integers that differ between PEs are smaller
Number = int | float | bool | Lanes


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A number, handle or enum member that is known at compile time."""

    type: CslType
    data: Number


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string."""

    data: str


@dataclass(frozen=True, slots=True, eq=False)
class TypeValue:
    """A type as a value."""

    data: CslType


@dataclass(frozen=True, slots=True, eq=False)
class Void:
    """The value `{}`."""


@dataclass(frozen=True, slots=True, eq=False)
class Dynamic:
    """What `expr` yields at run time. `is_constant`: an address or descriptor, always the same."""

    type: CslType
    expr: core.Expr
    is_constant: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MemoryPlace:
    """A scalar or an array in memory, at `pointer`."""

    type: CslType
    pointer: core.Expr
    is_const: bool
    is_constant: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SlotPlace:
    """A global variable that holds a pointer, a descriptor or a handle."""

    type: CslType
    slot: core.Slot


@dataclass(frozen=True, slots=True, eq=False)
class LocalPlace:
    """A local variable or parameter of a run-time function."""

    type: CslType
    local: core.Local
    is_const: bool


@dataclass(frozen=True, slots=True, eq=False)
class RegisterPointer:
    """A pointer made of a number: to the configuration register of 16 bits at that word address."""

    type: PointerType
    address: core.Expr


@dataclass(frozen=True, slots=True, eq=False)
class RegisterPlace:
    """A configuration register, at a word address."""

    type: CslType
    address: core.Expr


@dataclass(slots=True, eq=False)
class ArrayValue:
    """An array that is known at compile time: all elements in `items`, or all equal to `fill`.

    Arrays have value semantics: whoever stores one in a variable copies it first.
    """

    type: ArrayType
    items: list[Value] | None
    fill: Value | None = None

    def item(self, index: int) -> Value:
        """Element at a row-major flat index."""
        if self.items is not None:
            return self.items[index]
        assert self.fill is not None
        return self.fill

    def copy(self) -> ArrayValue:
        """An independent array with the same elements."""
        return ArrayValue(self.type, None if self.items is None else list(self.items), self.fill)


@dataclass(slots=True, eq=False)
class StructValue:
    """An anonymous or named struct; a tuple's fields are called 0, 1, ..."""

    fields: dict[str, Value]
    type: StructType | None = None

    @property
    def is_tuple(self) -> bool:
        """Whether the fields are numbered."""
        return all(name.isdigit() for name in self.fields)


@dataclass(frozen=True, slots=True, eq=False)
class FunctionValue:
    """A function or task of a file, in one instance of that file."""

    decl: syntax.FunctionDecl
    instance: InstanceLike


@dataclass(frozen=True, slots=True, eq=False)
class LibraryFunction:
    """A native function: `math.exp` with the scalar type that its suffix says, if any.

    `params` are what the import of its library gave.
    """

    name: str
    suffix: core.Scalar | None = None
    params: Mapping[str, Value] = field(default_factory=lambda: {})


@dataclass(frozen=True, slots=True, eq=False)
class ModuleValue:
    """An instance of an imported file."""

    instance: InstanceLike


@dataclass(frozen=True, slots=True, eq=False)
class LibraryModule:
    """An imported native library, e.g. `math`; its params are what the import gave."""

    name: str
    params: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class RangeValue:
    """`@range(element, start, stop, step)`; the bounds are of type `element`."""

    element: CslType
    start: Value
    stop: Value
    step: Value


@dataclass(frozen=True, slots=True, eq=False)
class TensorValue:
    """A tensor access: `base` points to its element at index 0, strides count elements."""

    base: Value
    strides: tuple[Value, ...]
    extents: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of two literals, chosen at run time; where it is used gives it a type with a size."""

    type: CslType
    condition: core.Expr
    lhs: Value
    rhs: Value


@dataclass(slots=True, eq=False)
class Cell:
    """A variable that lives at compile time."""

    type: CslType | None
    value: Value
    is_const: bool = False


class InstanceLike:
    """What values know of an instance of a file: its name and its identity."""

    def __init__(self, file: str) -> None:
        self.file = file


Value = (
    Known
    | Text
    | TypeValue
    | Void
    | Dynamic
    | MemoryPlace
    | SlotPlace
    | LocalPlace
    | RegisterPointer
    | RegisterPlace
    | ArrayValue
    | StructValue
    | FunctionValue
    | LibraryFunction
    | ModuleValue
    | LibraryModule
    | RangeValue
    | TensorValue
    | Choice
)
Place = MemoryPlace | SlotPlace | LocalPlace


def known(type: CslType, data: Number) -> Known:
    """A known value; lanes that are all equal become one number."""
    if isinstance(data, np.ndarray):
        first, last = data[0], data[-1]
        if first != last and first == first and last == last:
            return Known(type, data)  # the usual case, seen at once
        if bool((data == first).all()) or bool((data != data).all()):
            data = first.item()
    return Known(type, data)


def comptime_int(value: int) -> Known:
    """An integer literal."""
    return Known(Meta.COMPTIME_INT, value)


def is_known(value: Value) -> bool:
    """Whether nothing of the value has to be computed at run time."""
    match value:
        case Dynamic():
            return value.is_constant
        case MemoryPlace() | SlotPlace() | LocalPlace() | RegisterPlace() | Choice():
            return False
        case RegisterPointer():
            return isinstance(value.address, core.Const)
        case ArrayValue():
            items = [value.fill] if value.items is None else value.items
            return all(is_known(item) for item in items if item is not None)
        case StructValue():
            return all(map(is_known, value.fields.values()))
        case RangeValue():
            return all(map(is_known, (value.start, value.stop, value.step)))
        case TensorValue():
            return all(map(is_known, (value.base, *value.strides, *value.extents)))
        case _:
            return True


def type_of(value: Value) -> CslType:
    """The type of a value."""
    match value:
        case Known() | Dynamic() | Choice() | MemoryPlace() | SlotPlace() | LocalPlace():
            return value.type
        case RegisterPointer() | RegisterPlace():
            return value.type
        case ArrayValue():
            return value.type
        case Text():
            return Meta.STRING
        case TypeValue():
            return Meta.TYPE
        case Void():
            return Meta.VOID
        case StructValue():
            return value.type or Meta.STRUCT
        case FunctionValue():
            return FunctionType(value.decl.kind, (), Meta.VOID)
        case LibraryFunction():
            return FunctionType("fn", (), Meta.VOID)
        case ModuleValue() | LibraryModule():
            return Meta.MODULE
        case RangeValue():
            return Meta.RANGE
        case TensorValue():
            return Meta.TENSOR


def take(value: Value, pes: NDArray[np.intp]) -> Value:
    """The value for some of the PEs only. `value` is made of numbers, structs and arrays."""
    match value:
        case Known() if isinstance(value.data, np.ndarray):
            return known(value.type, value.data[pes])
        case StructValue():
            fields = {name: take(field, pes) for name, field in value.fields.items()}
            return StructValue(fields, value.type)
        case ArrayValue():
            items = None if value.items is None else [take(item, pes) for item in value.items]
            fill = None if value.fill is None else take(value.fill, pes)
            return ArrayValue(value.type, items, fill)
        case _:
            return value


KindKey = tuple[object, ...]


def kind_of(value: Value) -> KindKey:
    """Equal for values that differ in their numbers only, and so can be lanes of one value."""
    match value:
        case Known() if isinstance(value.data, int) and abs(value.data) >= MAX_LANE_INT:
            return ("number", value.type, value.data)
        case Known():
            return ("number", value.type)
        case FunctionValue():
            return ("function", id(value.decl), id(value.instance))
        case Text():
            return ("text", value.data)
        case TypeValue():
            return ("type", value.data)
        case StructValue():
            fields = tuple((name, kind_of(value.fields[name])) for name in sorted(value.fields))
            return ("struct", value.type, fields)
        case ArrayValue():
            items = [value.fill] if value.items is None else value.items
            kinds = tuple(kind_of(item) for item in items if item is not None)
            return ("array", value.type, value.items is None, kinds)
        case Void():
            return ("void",)
        case _:
            return ("same", id(value))


def concatenate(values: list[Value], counts: list[int]) -> Value:
    """One value for the PEs of all `values`, which are of one kind and for `counts` PEs each."""
    first = values[0]
    match first:
        case Known():
            if len(values) == 1:
                return first
            data = [v.data for v in values if isinstance(v, Known)]
            parts = [np.broadcast_to(d, (n,)) for d, n in zip(data, counts, strict=True)]
            return known(first.type, np.concatenate(parts))
        case StructValue():
            rows = [v.fields for v in values if isinstance(v, StructValue)]
            fields = {n: concatenate([row[n] for row in rows], counts) for n in first.fields}
            return StructValue(fields, first.type)
        case ArrayValue():
            arrays = [v for v in values if isinstance(v, ArrayValue)]
            items = None
            if first.items is not None:
                indices = range(len(first.items))
                items = [concatenate([a.item(n) for a in arrays], counts) for n in indices]
            fills = [a.fill for a in arrays if a.fill is not None]
            return ArrayValue(first.type, items, concatenate(fills, counts) if fills else None)
        case _:
            return first


def pointer_to(place_type: CslType, is_const: bool) -> PointerType:
    """Type of `&x` for an x of `place_type`."""
    return PointerType(place_type, many=False, const=is_const)
