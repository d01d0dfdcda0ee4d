"""From one type to another: implicit coercion, peer types, and values as core expressions."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.arithmetic import coerce_float, coerce_integer
from waferc_runtime.csl.core import Dsr, Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    EnumType,
    FunctionType,
    Meta,
    PointerType,
    StructType,
    core_pointer,
    core_type,
    is_float,
    is_integer,
    type_name,
    widens,
)
from waferc_runtime.csl.values import (
    ArrayValue,
    Choice,
    Dynamic,
    FunctionValue,
    Known,
    Lanes,
    LibraryFunction,
    MemoryPlace,
    StructValue,
    Value,
    Void,
    known,
    type_of,
)


def coerce(ev: Evaluator, value: Value, type: CslType, at: Location) -> Value:
    """The value as one of `type`, where CSL converts by itself.

    Literals adapt to sized types, known integers to any integer type they fit, others to wider
    types; pointers to arrays become `[*]T`, anonymous structs become named ones.

    Raises:
        CslError: the types differ, or a literal is out of range.
    """
    own = type_of(value)
    if own == type or type is Meta.ANY:
        return value
    match value, type:
        case Known(), _:
            return _coerce_number(ev, value, type, at)
        case Dynamic(), Scalar() if widens(own, type):
            return Dynamic(type, core.Convert(type, value.expr))
        case Dynamic(), PointerType() if isinstance(own, PointerType):
            if _pointer_fits(own, type):
                return point(value, type, at)
        case Choice(), _ if core_type(type) is not None:
            lhs, rhs = coerce(ev, value.lhs, type, at), coerce(ev, value.rhs, type, at)
            return select(ev, value.condition, lhs, rhs, type, at)
        case StructValue(), StructType():
            return _coerce_struct(ev, value, type, at)
        case StructValue(), ArrayType() if value.is_tuple:
            return array_of(ev, type, list(value.fields.values()), at)
        case StructValue(), Meta.STRUCT:
            return value
        case ArrayValue(), ArrayType() if own == type or value.type.dims == type.dims:
            items = (
                None
                if value.items is None
                else [coerce(ev, i, type.element, at) for i in value.items]
            )
            fill = None if value.fill is None else coerce(ev, value.fill, type.element, at)
            return ArrayValue(type, items, fill)
        case ((FunctionValue() | LibraryFunction()), FunctionType()):
            return value
        case (
            (FunctionValue() | LibraryFunction()),
            PointerType(target=FunctionType(), many=False),
        ):
            return value  # a pointer to a function is known at compile time, like the function
        case Void(), Meta.STRUCT:
            return value
        case _:
            pass
    raise mismatch(type, own, at)


def mismatch(expected: CslType, found: CslType, at: Location) -> CslError:
    """The error for a value of a wrong type."""
    help = None
    if core_type(expected) is not None and core_type(found) is not None:
        numbers = (is_integer(expected) or is_float(expected)) and isinstance(found, Scalar)
        help = f"@as({type_name(expected)}, ...) converts" if numbers else None
    return CslError(
        f"a value of type {type_name(expected)} is expected, not {type_name(found)}", at, help=help
    )


def _coerce_number(ev: Evaluator, value: Known, type: CslType, at: Location) -> Value:
    if value.type is Meta.COMPTIME_INT:
        if is_integer(type):
            return known(type, coerce_integer(value.data, cast(Scalar, type), at, ev.active))
        if is_float(type) or type is Meta.COMPTIME_FLOAT:
            return known(type, coerce_float(value.data, type, at))
    elif is_integer(value.type) and is_integer(type):
        return known(type, coerce_integer(value.data, cast(Scalar, type), at, ev.active))
    elif is_float(type) and (value.type is Meta.COMPTIME_FLOAT or widens(value.type, type)):
        return known(type, coerce_float(value.data, type, at))
    raise mismatch(type, value.type, at)


def _pointer_fits(own: PointerType, type: PointerType) -> bool:
    if own.const and not type.const:
        return False
    if own.many == type.many and own.target == type.target:
        return True
    if type.many and not own.many and isinstance(own.target, ArrayType):
        return own.target.element == type.target
    return False


def point(value: Dynamic, type: PointerType, at: Location) -> Dynamic:
    """The same address as a pointer of another type."""
    target = core_pointer(type)
    if target is None:
        raise not_supported(f"a pointer of type {type_name(type)}", at)
    return Dynamic(type, retype(value.expr, target), value.is_constant)


def retype(pointer: core.Expr, type: core.Pointer) -> core.Expr:
    """The same address as a pointer of another type, written as simply as may be."""
    match pointer:
        case core.AddressOf() if pointer.type.target is type.target:
            return core.AddressOf(type, pointer.object, pointer.index)
        case core.PointerAdd() if pointer.type.target is type.target:
            return core.PointerAdd(type, pointer.pointer, pointer.index)
        case core.PointerCast():
            return core.PointerCast(type, pointer.pointer)
        case _:
            return pointer if pointer.type == type else core.PointerCast(type, pointer)


def _coerce_struct(ev: Evaluator, value: StructValue, type: StructType, at: Location) -> Value:
    wanted = dict(type.fields)
    if value.type is not None or set(wanted) != set(value.fields):
        raise CslError(
            f"the fields {', '.join(value.fields)} are not those of the struct",
            at,
            notes=[f"it has {', '.join(wanted)}"],
        )
    return StructValue({n: coerce(ev, value.fields[n], t, at) for n, t in type.fields}, type)


def array_of(ev: Evaluator, type: ArrayType, items: list[Value], at: Location) -> ArrayValue:
    """An array of known items.

    Raises:
        CslError: their number is not that of the type, or one has another type.
    """
    if len(items) != type.count:
        raise CslError(f"{len(items)} elements for an array of {type.count}", at)
    return ArrayValue(type, [coerce(ev, item, type.element, at) for item in items])


def peers(ev: Evaluator, a: Value, b: Value, at: Location) -> tuple[Value, Value, CslType]:
    """Both operands in one type: a literal takes the type of the other side.

    Raises:
        CslError: two sized types differ.
    """
    ta, tb = type_of(a), type_of(b)
    if ta == tb:
        return a, b, ta
    if ta is Meta.COMPTIME_INT or (ta is Meta.COMPTIME_FLOAT and is_float(tb)):
        return coerce(ev, a, tb, at), b, tb
    if tb is Meta.COMPTIME_INT or (tb is Meta.COMPTIME_FLOAT and is_float(ta)):
        return a, coerce(ev, b, ta, at), ta
    if widens(ta, tb):
        return coerce(ev, a, tb, at), b, tb
    if widens(tb, ta):
        return a, coerce(ev, b, ta, at), ta
    if isinstance(ta, PointerType) and isinstance(tb, PointerType):
        target = tb if tb.many else ta
        return coerce(ev, a, target, at), coerce(ev, b, target, at), target
    help = None
    if isinstance(ta, Scalar) and isinstance(tb, Scalar):
        help = f"@as({type_name(ta)}, ...) converts"
    raise CslError(
        f"operands of types {type_name(ta)} and {type_name(tb)} do not mix", at, help=help
    )


def select(
    ev: Evaluator, condition: core.Expr, lhs: Value, rhs: Value, type: CslType, at: Location
) -> Value:
    """One of two values of a type, chosen at run time."""
    target = core_type(type)
    if target is None or isinstance(target, core.Void):
        raise CslError(f"a value of type {type_name(type)} cannot be chosen at run time", at)
    left, right = to_core(ev, lhs, at), to_core(ev, rhs, at)
    return Dynamic(type, core.SelectExpr(target, condition, left, right))


def constant(type: CslType, data: Any) -> core.Const:
    """A core constant of a scalar, enum or handle type."""
    target = core_type(type)
    assert target is not None
    if isinstance(data, np.ndarray):
        lanes = cast(Lanes, data)
        dtype = target.numpy if isinstance(target, Scalar) else "int32"
        with np.errstate(all="ignore"):
            return core.Const(target, lanes.astype(dtype))
    return core.Const(target, data)


def to_core(ev: Evaluator, value: Value, at: Location) -> core.Expr:
    """The core expression of a run-time value.

    Raises:
        CslError: the value exists at compile time only.
    """
    match ev.read(value, at):
        case Dynamic() as dynamic:
            return dynamic.expr
        case Known() as number if isinstance(number.type, (Scalar, Handle, Dsr, EnumType)):
            return constant(number.type, number.data)
        case Known() as number:
            raise CslError(
                f"a {type_name(number.type)} has no size at run time",
                at,
                help="give it a type, as in @as(i16, ...)",
            )
        case other:
            raise CslError(f"a value of type {ev.name_of(other)} does not exist at run time", at)


def as_core(ev: Evaluator, value: Value, type: CslType, at: Location) -> core.Expr:
    """The core expression of a value coerced to `type`."""
    return to_core(ev, coerce(ev, ev.read(value, at), type, at), at)


def materialise(ev: Evaluator, value: Value, name: str, at: Location) -> MemoryPlace:
    """A constant laid down in memory, once per class; `name` is for whoever looks at the memory.

    Raises:
        CslError: values of its type have no place in memory.
    """
    context = ev.context
    if isinstance(value, Known) and value.type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT):
        raise CslError(f"a {type_name(value.type)} has no address", at, help="give it a type")
    if id(value) not in context.constants:
        object = allocate(ev, name, type_of(value), value, at)
        context.constants[id(value)] = (value, object)
    object = context.constants[id(value)][1]
    return place_of(object, type_of(value), is_const=True)


def place_of(object: core.MemoryObject, type: CslType, *, is_const: bool) -> MemoryPlace:
    """The place of a whole object."""
    pointer = core_pointer(PointerType(type, False, is_const))
    assert pointer is not None
    zero = core.Const(Scalar.I16, 0)
    return MemoryPlace(type, core.AddressOf(pointer, object, zero), is_const, is_constant=True)


def allocate(
    ev: Evaluator, name: str, type: CslType, initial: Value | None, at: Location
) -> core.MemoryObject:
    """A new object in the memory of the class's PEs.

    Raises:
        CslError: values of `type` have no place in memory.
    """
    pointer = core_pointer(PointerType(type, False, False))
    if pointer is None:
        raise not_supported(f"a run-time variable of type {type_name(type)}", at)
    object = core.MemoryObject(name, pointer.target, pointer.count, at=at)
    match initial:
        case None:
            pass
        case Known():
            object.initial = _initial(initial.data, pointer)
        case ArrayValue(items=None, fill=Known() as fill):
            object.initial = _initial(fill.data, pointer)
        case ArrayValue(items=list() as items):
            object.initial = _initial_items(items, pointer.target, at)
        case _:
            raise CslError("the initial value of a variable has to be known", at)
    ev.context.objects.append(object)
    return object


def _initial(data: Any, pointer: core.Pointer) -> Any:
    if isinstance(data, np.ndarray):
        lanes = cast(Lanes, data).astype(pointer.target.numpy)
        return np.broadcast_to(lanes, (pointer.count, len(lanes)))  # [count, pe]
    return data


def _initial_items(items: list[Value], scalar: Scalar, at: Location) -> Any:
    data = [item.data for item in items if isinstance(item, Known)]
    if len(data) < len(items):
        raise CslError("the initial value of a variable has to be known", at)
    shapes = [number.shape for number in data if isinstance(number, np.ndarray)]
    with np.errstate(all="ignore"):
        if not shapes:
            wide = np.float64 if scalar.is_float else scalar.numpy
            return np.array(data, wide).astype(scalar.numpy)
        rows = [np.broadcast_to(np.asarray(number), shapes[0]) for number in data]
        return np.stack(rows).astype(scalar.numpy)  # [count, pe]
