"""Names, members, indices, pointers: what can be read, written, or have its address taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.arithmetic import first_offender, pick
from waferc_runtime.csl.context import Instance
from waferc_runtime.csl.conversion import (
    array_of,
    coerce,
    constant,
    materialise,
    retype,
    to_core,
)
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, Poisoned, not_supported, suggestion
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.globals import global_value
from waferc_runtime.csl.libraries import library_member
from waferc_runtime.csl.types import (
    TYPE_NAMES,
    UNSUPPORTED_TYPE_NAMES,
    ArrayType,
    CslType,
    EnumType,
    Meta,
    PointerType,
    core_pointer,
    is_integer,
    type_name,
)
from waferc_runtime.csl.values import (
    ArrayValue,
    Cell,
    Dynamic,
    FunctionValue,
    Known,
    LibraryFunction,
    LibraryModule,
    MemoryPlace,
    ModuleValue,
    RegisterPlace,
    RegisterPointer,
    StructValue,
    TypeValue,
    Value,
    Void,
    known,
    type_of,
)

DIRECTIONS: dict[str, int] = {
    "EAST": core.EAST,
    "WEST": core.WEST,
    "NORTH": core.NORTH,
    "SOUTH": core.SOUTH,
    "RAMP": core.RAMP,
}
_PREDECLARED: Mapping[str, Value] = {name: TypeValue(type) for name, type in TYPE_NAMES.items()} | {
    name: Known(Handle.DIRECTION, mask) for name, mask in DIRECTIONS.items()
}


@evaluates(syntax.Name)
def _name(ev: Evaluator, node: syntax.Name) -> Value:
    found = ev.scope.find(node.name)
    if found is not None:
        return found.value if isinstance(found, Cell) else found
    if ev.scope.has_failed(node.name):
        raise Poisoned
    if node.name in ev.instance.globals:
        return global_value(ev, ev.instance, node.name, node.at)
    predeclared = _PREDECLARED.get(node.name)
    if predeclared is not None:
        return predeclared
    if node.name in UNSUPPORTED_TYPE_NAMES:
        raise not_supported(f"the type {node.name}", node.at)
    raise CslError(
        f"nothing is called {node.name!r}",
        node.at,
        help=suggestion(node.name, [*_names(ev), *ev.instance.globals, *_PREDECLARED]),
    )


def _names(ev: Evaluator) -> list[str]:
    names: list[str] = []
    scope = ev.scope
    while scope is not None:
        names += scope.names
        scope = scope.parent
    return names


@evaluates(syntax.Member)
def _member(ev: Evaluator, node: syntax.Member) -> Value:
    base = ev.raw(node.base)
    match base:
        case StructValue():
            return field_of(base, node.name, node.at)
        case ModuleValue():
            instance = cast(Instance, base.instance)
            if node.name not in instance.globals:
                raise CslError(
                    f"{instance.file} has no {node.name!r}",
                    node.at,
                    help=suggestion(node.name, instance.globals),
                )
            return global_value(ev, instance, node.name, node.at)
        case LibraryModule():
            return library_member(base, node.name, node.at)
        case TypeValue(data=EnumType() as type):
            members = dict(type.members)
            if node.name not in members:
                raise CslError(
                    f"the enum has no {node.name!r}", node.at, help=suggestion(node.name, members)
                )
            return Known(type, members[node.name])
        case _:
            raise CslError(f"a value of type {ev.name_of(base)} has no fields", node.at)


def field_of(struct: StructValue, name: str, at: Location) -> Value:
    """A field of a struct.

    Raises:
        CslError: there is none of that name.
    """
    if name not in struct.fields:
        raise CslError(
            f"the struct has no field {name!r}", at, help=suggestion(name, struct.fields)
        )
    return struct.fields[name]


@evaluates(syntax.Dereference)
def _dereference(ev: Evaluator, node: syntax.Dereference) -> Value:
    pointer = ev.value(node.base)
    type = type_of(pointer)
    if isinstance(pointer, RegisterPointer):
        return RegisterPlace(pointer.type.target, pointer.address)
    if isinstance(pointer, (FunctionValue, LibraryFunction)):
        return pointer
    if not isinstance(pointer, Dynamic) or not isinstance(type, PointerType) or type.many:
        help = "index it: p[i]" if isinstance(type, PointerType) else None
        raise CslError(f".* does not take a {type_name(type)}", node.at, help=help)
    return MemoryPlace(type.target, pointer.expr, type.const, pointer.is_constant)


@evaluates(syntax.Index)
def _index(ev: Evaluator, node: syntax.Index) -> Value:
    base = ev.raw(node.base)
    indices = [ev.value(index) for index in node.indices]
    for index, where in zip(indices, node.indices, strict=True):
        if type_of(index) is not Meta.COMPTIME_INT and not is_integer(type_of(index)):
            raise CslError(f"an index of type {ev.name_of(index)}", where.at)
    match base:
        case StructValue() if base.is_tuple:
            return _tuple_item(ev, base, indices, node.at)
        case ArrayValue():
            return _array_item(ev, base, indices, node)
        case _:
            return element(ev, base, indices, node.at)


def _tuple_item(ev: Evaluator, base: StructValue, indices: list[Value], at: Location) -> Value:
    if len(indices) != 1 or not isinstance(indices[0], Known):
        raise CslError("the index of a tuple has to be known at compile time", at)
    number = ev.integer_of(indices[0], at)
    if not 0 <= number < len(base.fields):
        raise CslError(f"index {number} in a tuple of {len(base.fields)}", at)
    return base.fields[str(number)]


def _array_item(ev: Evaluator, base: ArrayValue, indices: list[Value], node: syntax.Index) -> Value:
    numbers = [index for index in indices if isinstance(index, Known)]
    if len(numbers) < len(indices):
        name = node.base.name if isinstance(node.base, syntax.Name) else "constant"
        return element(ev, materialise(ev, base, name, node.at), indices, node.at)
    total: Any = 0
    check_rank(base.type, len(indices), node.at)
    strides = row_major(base.type.dims)
    for number, extent, stride in zip(numbers, base.type.dims, strides, strict=True):
        check_bounds(ev, number, extent, node.at)
        total = total + cast(int, number.data) * stride
    flat = known(Meta.COMPTIME_INT, total)
    if not isinstance(flat.data, np.ndarray):
        return base.item(int(flat.data))
    return _gather(ev, base, flat, node.at)


def _gather(ev: Evaluator, base: ArrayValue, flat: Known, at: Location) -> Value:
    """Per PE the item that its index names."""
    items = [base.item(n) for n in range(base.type.count)]
    first = items[0]
    if not all(isinstance(i, Known) and i.type == type_of(first) for i in items):
        return base.item(int(ev.uniform(flat)))
    data = [i.data for i in items if isinstance(i, Known)]
    rows = np.stack([np.broadcast_to(np.asarray(d), (ev.context.pes,)) for d in data])
    places = np.clip(np.asarray(flat.data, np.intp), 0, base.type.count - 1)
    return known(type_of(first), rows[places, np.arange(ev.context.pes)])


def check_rank(type: ArrayType, count: int, at: Location) -> None:
    """Refuse the wrong number of indices."""
    if count != len(type.dims):
        raise CslError(f"{count} indices for an array of rank {len(type.dims)}", at)


def check_bounds(ev: Evaluator, index: Known, extent: int, at: Location) -> None:
    """Refuse a known index outside an array."""
    data = np.asarray(index.data)
    bad = (data < 0) | (data >= extent)
    pe = first_offender(bad if bad.ndim else bool(bad), ev.active)
    if pe is not None:
        raise CslError(f"index {pick(index.data, pe)} in a dimension of {extent}", at)


def row_major(dims: tuple[int, ...]) -> list[int]:
    """Elements between neighbours along each dimension."""
    return [math.prod(dims[d + 1 :]) for d in range(len(dims))]


def element(ev: Evaluator, base: Value, indices: list[Value], at: Location) -> MemoryPlace:
    """The place of an element of an array in memory, or behind a `[*]T`.

    Raises:
        CslError: the base cannot be indexed, or a known index is outside.
    """
    base = ev.read(base, at)
    match base:
        case MemoryPlace(type=ArrayType() as array):
            check_rank(array, len(indices), at)
            for index, extent in zip(indices, array.dims, strict=True):
                if isinstance(index, Known):
                    check_bounds(ev, index, extent, at)
            target, pointer, is_const = array.element, base.pointer, base.is_const
            flat = _flat(ev, array.dims, indices, at)
            is_constant = base.is_constant
        case Dynamic(type=PointerType(many=True) as type):
            if len(indices) != 1:
                raise CslError(f"{len(indices)} indices for a {type_name(type)}", at)
            target, pointer, is_const = type.target, base.expr, type.const
            flat = _flat(ev, (1,), indices, at)
            is_constant = base.is_constant
        case Dynamic(type=PointerType()):
            raise CslError(
                f"a {ev.name_of(base)} cannot be indexed", at, help="dereference it first: p.*[i]"
            )
        case _:
            raise CslError(f"a value of type {ev.name_of(base)} cannot be indexed", at)
    out = core_pointer(PointerType(target, False, is_const))
    if out is None:
        raise not_supported(f"an element of type {type_name(target)} at run time", at)
    return MemoryPlace(
        target, move(pointer, flat, out), is_const, is_constant and isinstance(flat, core.Const)
    )


def move(pointer: core.Expr, index: core.Expr, type: core.Pointer) -> core.Expr:
    """A pointer `index` elements further, of another type."""
    if isinstance(index, core.Const) and _is_zero(index):
        return retype(pointer, type)
    match pointer:
        case core.AddressOf(index=core.Const() as old) if _is_zero(old):
            return core.AddressOf(type, pointer.object, index)
        case core.AddressOf(index=core.Const() as old) if isinstance(index, core.Const):
            total = np.asarray(old.value) + np.asarray(index.value)
            return core.AddressOf(type, pointer.object, index_constant(total))
        case _:
            return core.PointerAdd(type, pointer, index)


def index_constant(value: Any) -> core.Const:
    """A known index in the smallest type that reaches all of a PE's memory."""
    lanes = np.asarray(value)
    scalar = Scalar.I16 if int(np.max(np.abs(lanes))) < 1 << 15 else Scalar.I32
    return constant(scalar, lanes if lanes.ndim else lanes.item())


def _is_zero(index: core.Const) -> bool:
    return not isinstance(index.value, np.ndarray) and index.value == 0


def _flat(ev: Evaluator, dims: tuple[int, ...], indices: list[Value], at: Location) -> core.Expr:
    """The row-major index as one expression; known parts are folded."""
    types = {type_of(index) for index in indices if not isinstance(index, Known)}
    single = next(iter(types)) if len(types) == 1 else None
    wide = isinstance(single, Scalar) and (single.bits >= 16 or len(indices) == 1)
    common = cast(Scalar, single) if wide else Scalar.I32
    offset: Any = 0
    total: core.Expr | None = None
    for index, stride in zip(indices, row_major(dims), strict=True):
        if isinstance(index, Known):
            offset = offset + cast(int, index.data) * stride
            continue
        term = to_core(ev, index, at)
        if type_of(index) != common:
            term = core.Convert(common, term)
        if stride != 1:
            term = core.BinaryExpr(common, "*", term, core.Const(common, stride))
        total = term if total is None else core.BinaryExpr(common, "+", total, term)
    if total is None:
        return index_constant(offset)
    if isinstance(offset, np.ndarray) or offset != 0:
        total = core.BinaryExpr(common, "+", total, constant(common, offset))
    return total


def address_of(ev: Evaluator, node: syntax.Expr, at: Location) -> Value:
    """`&x`.

    Raises:
        CslError: x has no place in memory.
    """
    target = ev.raw(node)
    name = node.name if isinstance(node, syntax.Name) else "constant"
    if isinstance(target, (Known, ArrayValue)) and isinstance(node, (syntax.Name, syntax.Member)):
        target = materialise(ev, target, name, at)
    match target:
        case MemoryPlace():
            type = PointerType(target.type, False, target.is_const)
            pointer = core_pointer(type)
            assert pointer is not None
            zero = core.Const(Scalar.I16, 0)
            return Dynamic(type, move(target.pointer, zero, pointer), target.is_constant)
        case FunctionValue():
            return target
        case _:
            raise CslError(f"a value of type {ev.name_of(target)} has no address", at)


@evaluates(syntax.AnonymousStruct)
def _struct(ev: Evaluator, node: syntax.AnonymousStruct) -> Value:
    fields: dict[str, Value] = {}
    for number, (name, value) in enumerate(node.fields):
        key = name if name is not None else str(number)
        if key in fields:
            raise CslError(f"the field {key!r} is given twice", value.at)
        fields[key] = _field_value(ev, value)
    return StructValue(fields)


def _field_value(ev: Evaluator, node: syntax.Expr) -> Value:
    value = ev.raw(node)
    if ev.is_comptime and isinstance(value, MemoryPlace):
        return value
    return ev.read(value, node.at)


@evaluates(syntax.VoidLiteral)
def _void(_ev: Evaluator, _node: syntax.VoidLiteral) -> Value:
    return Void()


@evaluates(syntax.TypedInit)
def _typed_init(ev: Evaluator, node: syntax.TypedInit) -> Value:
    type: CslType = ev.type(node.type)
    items = {
        name if name is not None else str(number): ev.value(value)
        for number, (name, value) in enumerate(node.fields)
    }
    if isinstance(type, ArrayType):
        return array_of(ev, type, list(items.values()), node.at)
    return coerce(ev, StructValue(items), type, node.at)
