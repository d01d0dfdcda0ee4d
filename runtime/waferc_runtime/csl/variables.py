"""Constants and variables declared inside run-time functions."""

from __future__ import annotations

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
    if isinstance(type, ArrayType):
        _array(ev, node, type, value)
        return
    target = core_type(type)
    if target is None or isinstance(target, core.Void):
        raise not_supported(f"a variable of type {type_name(type)}", node.at)
    scalar = scalar_of(type)
    if node.name in ev.frame.addressed:
        if scalar is None:
            raise not_supported(f"the address of a {type_name(type)}", node.at)
        place = _static(ev, node.name, type, node.at, is_const=False)
        ev.scope.names[node.name] = place
        initial = zero_of(type, at) if value is None else value
        ev.out.append(core.Store(place.pointer, to_core(ev, initial, at), node.at))
        return
    local = core.Local(node.name, target, len(ev.frame.function.locals))
    ev.frame.function.locals.append(local)
    ev.scope.names[node.name] = LocalPlace(type, local, is_const=False)
    if value is None and scalar is not None:
        value = zero_of(type, at)
    if value is not None:
        ev.out.append(core.SetLocal(local, as_core(ev, value, type, at), node.at))


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


def _array(ev: Evaluator, node: syntax.VariableDecl, type: ArrayType, value: Value | None) -> None:
    place = _static(ev, node.name, type, node.at, is_const=False)
    ev.scope.names[node.name] = place
    if value is None:
        return
    if not isinstance(value, ArrayValue):
        raise not_supported("a copy of an array", node.at)
    flat = MemoryPlace(ArrayType((type.count,), type.element), place.pointer, False, True)
    if value.items is None and value.fill is not None:
        _fill(ev, flat, type, value.fill, node.at)
        return
    if type.count > MAX_STORES:
        raise not_supported(f"first values of {type.count:,} elements of a local array", node.at)
    for number in range(type.count):
        item = element(ev, flat, [Known(Meta.COMPTIME_INT, number)], node.at)
        ev.out.append(core.Store(item.pointer, to_core(ev, value.item(number), node.at), node.at))


def _fill(ev: Evaluator, flat: MemoryPlace, type: ArrayType, fill: Value, at: Location) -> None:
    assert ev.frame is not None
    counter = core.Local("i", Scalar.U16, len(ev.frame.function.locals))
    ev.frame.function.locals.append(counter)
    item = element(ev, flat, [Dynamic(Scalar.U16, core.GetLocal(counter))], at)
    store = core.Store(item.pointer, to_core(ev, fill, at), at)
    bounds = [constant(Scalar.U16, n) for n in (0, type.count, 1)]
    ev.out.append(core.For(counter, None, bounds[0], bounds[1], bounds[2], [store], at))
