"""Constants and variables declared inside run-time functions."""

from __future__ import annotations

from collections.abc import Callable

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.conditional import new_local
from waferc_runtime.csl.conversion import allocate, as_core, coerce, constant, place_of, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.interpret import declare_cell, zero_of
from waferc_runtime.csl.places import element
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    Meta,
    StructType,
    core_type,
    scalar_of,
    type_name,
)
from waferc_runtime.csl.values import (
    ArrayValue,
    Dynamic,
    Known,
    LocalPlace,
    MemoryPlace,
    RegisterPlace,
    SlotPlace,
    StructValue,
    Value,
    is_known,
    type_of,
)

MAX_STORES = 1024  # for the first values of one local array


def declare_local(ev: Evaluator, node: syntax.VariableDecl) -> None:
    """Declare a constant or a variable of a run-time function.

    Raises:
        CslError: it lacks a type or a value, or there are no variables of its type.
    """
    if node.is_comptime:
        inner = ev.comptime()
        declare_cell(inner, node)
    elif node.is_const:
        _constant(ev, node)
    else:
        _variable(ev, node)


def _constant(ev: Evaluator, node: syntax.VariableDecl) -> None:
    if node.value is None:
        raise CslError(f"the const {node.name!r} has no value", node.at)
    value = ev.value(node.value)
    if node.type is not None:
        value = coerce(ev, value, ev.type(node.type), node.value.at)
    ev.scope.names[node.name] = kept(ev, node.name, value, node.at)


def kept(ev: Evaluator, name: str, value: Value, at: Location) -> Value:
    """The value, with what is computed at run time held in locals."""
    assert ev.frame is not None
    if is_known(value):
        return value
    match value:
        case LocalPlace(is_const=True):
            return value
        case StructValue():
            fields = {f: kept(ev, f"{name}.{f}", v, at) for f, v in value.fields.items()}
            return StructValue(fields, value.type)
        case Dynamic(type=Meta.VOID):
            raise CslError(f"{name!r} gets no value: the function is void", at)
        case Dynamic() if name in ev.frame.addressed and scalar_of(value.type) is not None:
            place = _static(ev, name, value.type, at, is_const=True)
            ev.out.append(core.Store(place.pointer, value.expr, at))
            return place
        case Dynamic():
            local = new_local(ev, name, value.type)
            ev.out.append(core.SetLocal(local, value.expr, at))
            return LocalPlace(value.type, local, is_const=True)
        case MemoryPlace(type=ArrayType() as type):
            return _array(ev, name, type, value, at)
        case _:
            raise not_supported(f"a copy of a value of type {ev.name_of(value)}", at)


def _variable(ev: Evaluator, node: syntax.VariableDecl) -> None:
    assert ev.frame is not None
    value = None if node.value is None else ev.value(node.value)
    if node.type is not None:
        type = ev.type(node.type)
    elif value is not None:
        type = type_of(value)
    else:
        raise CslError(f"the var {node.name!r} has neither type nor value", node.at)
    if type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT):
        raise CslError(
            f"the var {node.name!r} is a {type_name(type)}",
            node.at,
            help="give it a type that has a size",
        )
    at = node.at if node.value is None else node.value.at
    if value is not None:
        value = coerce(ev, value, type, at)
    ev.scope.names[node.name] = _place(ev, node.name, type, value, node.at)


def _place(ev: Evaluator, name: str, type: CslType, value: Value | None, at: Location) -> Value:
    """A place for a new variable, with its first value in it; a struct has one for each field."""
    assert ev.frame is not None
    if isinstance(type, StructType):
        given = value.fields if isinstance(value, StructValue) else {}
        fields = {n: _place(ev, f"{name}.{n}", t, given.get(n), at) for n, t in type.fields}
        return StructValue(fields, type)
    if isinstance(value, StructValue):
        own = {n: type_of(v) for n, v in value.fields.items()}
        fields = {n: _place(ev, f"{name}.{n}", t, value.fields[n], at) for n, t in own.items()}
        return StructValue(fields, value.type)
    if isinstance(type, ArrayType):
        return _array(ev, name, type, value, at)
    target = core_type(type)
    if target is None or isinstance(target, core.Void):
        raise not_supported(f"a variable of type {type_name(type)}", at)
    scalar = scalar_of(type)
    if name in ev.frame.addressed:
        if scalar is None:
            raise not_supported(f"the address of a {type_name(type)}", at)
        place = _static(ev, name, type, at, is_const=False)
        initial = zero_of(type, at) if value is None else value
        ev.out.append(core.Store(place.pointer, to_core(ev, initial, at), at))
        return place
    local = new_local(ev, name, type)
    if value is None and scalar is not None:
        value = zero_of(type, at)
    if value is not None:
        ev.out.append(core.SetLocal(local, as_core(ev, value, type, at), at))
    return LocalPlace(type, local, is_const=False)


def _static(
    ev: Evaluator, name: str, type: CslType, at: Location, *, is_const: bool
) -> MemoryPlace:
    """A local in memory of its own. Its function must not be entered again while it runs."""
    assert ev.frame is not None
    if ev.frame.static is None:
        ev.frame.static = at
    object = allocate(ev, f"{ev.frame.function.name}.{name}", type, None, at)
    ev.frame.objects.append(object)
    return place_of(object, type, is_const=is_const)


def _array(
    ev: Evaluator, name: str, type: ArrayType, value: Value | None, at: Location
) -> MemoryPlace:
    place = _static(ev, name, type, at, is_const=False)
    if value is not None:
        store_array(ev, place, value, at)
    return place


def store_array(ev: Evaluator, place: MemoryPlace, value: Value, at: Location) -> None:
    """Copy a whole array, known or in memory, into one of its type.

    Raises:
        CslError: the value is no such array, or too long to be stored one by one.
    """
    assert isinstance(place.type, ArrayType)
    type = ArrayType((place.type.count,), place.type.element)
    flat = MemoryPlace(type, place.pointer, False, place.is_constant)
    match value:
        case MemoryPlace(type=ArrayType()) if value.type == place.type:
            source = MemoryPlace(type, value.pointer, True, value.is_constant)
            _each(ev, flat, lambda i: ev.read(element(ev, source, [i], at), at), at)
        case ArrayValue(items=None, fill=fill) if fill is not None:
            _each(ev, flat, lambda _: fill, at)
        case ArrayValue() if type.count <= MAX_STORES:
            values = [to_core(ev, value.item(n), at) for n in range(type.count)]
            for number, item in enumerate(values):
                target = element(ev, flat, [Known(Meta.COMPTIME_INT, number)], at)
                ev.out.append(core.Store(target.pointer, item, at))
        case ArrayValue():
            raise not_supported(f"{type.count:,} values of a local array one by one", at)
        case _:
            raise not_supported(f"a copy of a value of type {ev.name_of(value)}", at)


def _each(ev: Evaluator, flat: MemoryPlace, value: Callable[[Value], Value], at: Location) -> None:
    """Store a value for each element, as a loop."""
    assert isinstance(flat.type, ArrayType)
    counter = new_local(ev, "i", Scalar.U16)
    index = Dynamic(Scalar.U16, core.GetLocal(counter))
    item = element(ev, flat, [index], at)
    store = core.Store(item.pointer, to_core(ev, value(index), at), at)
    bounds = [constant(Scalar.U16, n) for n in (0, flat.type.count, 1)]
    ev.out.append(core.For(counter, None, bounds[0], bounds[1], bounds[2], [store], at))


def store(ev: Evaluator, place: Value, value: Value, at: Location) -> None:
    """Assign to a place of whatever type; a struct is computed whole before any field changes.

    Raises:
        CslError: the place is constant, or the value of another type.
    """
    if isinstance(place, StructValue):
        value = coerce(ev, value, type_of(place), at)
        held = kept(ev, "value", value, at)
        if not isinstance(held, StructValue) or held.fields.keys() != place.fields.keys():
            raise CslError("a struct with the same fields is expected", at)
        for name, field in place.fields.items():
            store(ev, field, ev.read(held.fields[name], at), at)
        return
    match place:
        case MemoryPlace(is_const=False, type=ArrayType()):
            value = coerce(ev, value, place.type, at)
            if isinstance(value, ArrayValue) and not is_known(value) and value.items is not None:
                # items may be elements of the array that is written
                items = [kept(ev, "item", item, at) for item in value.items]
                value = ArrayValue(value.type, items)
            store_array(ev, place, value, at)
        case MemoryPlace(is_const=False):
            ev.out.append(core.Store(place.pointer, as_core(ev, value, place.type, at), at))
        case RegisterPlace():
            expr = as_core(ev, value, place.type, at)
            ev.out.append(core.SetConfig(place.address, expr, at))
        case SlotPlace():
            ev.out.append(core.SetSlot(place.slot, as_core(ev, value, place.type, at), at))
        case LocalPlace(is_const=False):
            ev.out.append(core.SetLocal(place.local, as_core(ev, value, place.type, at), at))
        case _:
            raise CslError("a constant cannot be assigned", at)
