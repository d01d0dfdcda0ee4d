"""Declarations at the top of a file: their values, evaluated when they are first needed."""

from __future__ import annotations

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.context import Global, Instance
from waferc_runtime.csl.conversion import allocate, coerce, place_of, to_core
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    EnumType,
    Meta,
    PointerType,
    StructType,
    core_type,
    is_integer,
    type_name,
)
from waferc_runtime.csl.values import (
    FunctionValue,
    Known,
    MemoryPlace,
    SlotPlace,
    StructValue,
    Value,
    is_known,
    type_of,
)


def global_value(ev: Evaluator, instance: Instance, name: str, at: Location) -> Value:
    """What a global of an instance stands for; it is evaluated once.

    Raises:
        CslError: it depends on itself, or cannot be evaluated; the same error each time.
    """
    entry = instance.globals[name]
    match entry.state:
        case "done":
            assert entry.value is not None
            return entry.value
        case "failed":
            assert entry.error is not None
            raise entry.error
        case "busy":
            raise CslError(f"the value of {name!r} depends on itself", entry.decl.at)
        case "new":
            entry.state = "busy"
    try:
        entry.value = _evaluate(ev, instance, entry, at)
    except CslError as error:
        entry.state, entry.error = "failed", error
        raise
    entry.state = "done"
    return entry.value


def _evaluate(ev: Evaluator, instance: Instance, entry: Global, at: Location) -> Value:
    inner = Evaluator(ev.context, instance, calls=ev.calls)
    match entry.decl:
        case syntax.FunctionDecl() as decl:
            return FunctionValue(decl, instance)
        case syntax.ParamDecl() as decl:
            return _param(inner, instance, decl, at)
        case syntax.VariableDecl() as decl if decl.is_extern:
            raise not_supported("an extern variable", decl.at)
        case syntax.VariableDecl() as decl if decl.is_const:
            return _constant(inner, decl)
        case syntax.VariableDecl() as decl:
            return _variable(inner, instance, decl)


def _param(ev: Evaluator, instance: Instance, decl: syntax.ParamDecl, at: Location) -> Value:
    value = instance.params.get(decl.name)
    if value is None:
        if decl.default is None:
            raise CslError(
                f"the param {decl.name!r} of {instance.file} has no value",
                at,
                help="give it one where the file is used, or a default",
            )
        value = ev.value(decl.default)
        return value if decl.type is None else coerce(ev, value, ev.type(decl.type), decl.at)
    if decl.type is None:
        return value
    return bind(ev, value, ev.type(decl.type), decl.name, decl.at)


def bind(ev: Evaluator, value: Value, type: CslType, name: str, at: Location) -> Value:
    """A value given to a param: integers may be of any type that fits.

    Raises:
        CslError: it is of another kind, or out of range.
    """
    own = type_of(value)
    try:
        if isinstance(value, Known) and is_integer(own) and isinstance(type, Scalar):
            value = Known(Meta.COMPTIME_INT, value.data)
        return coerce(ev, value, type, at)
    except CslError as error:
        raise CslError(
            f"the value given to param {name!r} is wrong: {error.message}", at, notes=error.notes
        ) from None


def _constant(ev: Evaluator, decl: syntax.VariableDecl) -> Value:
    if decl.value is None:
        raise CslError(f"the const {decl.name!r} has no value", decl.at)
    ev.import_name = decl.name
    value = ev.value(decl.value)
    if decl.type is not None:
        value = coerce(ev, value, ev.type(decl.type), decl.value.at)
    if not is_known(value):
        raise CslError(
            f"the value of const {decl.name!r} is not known at compile time", decl.value.at
        )
    return value


def _variable(ev: Evaluator, instance: Instance, decl: syntax.VariableDecl) -> Value:
    value = None if decl.value is None else ev.value(decl.value)
    if decl.type is not None:
        type = ev.type(decl.type)
    elif value is not None:
        type = type_of(value)
    else:
        raise CslError(f"the var {decl.name!r} has neither type nor value", decl.at)
    if value is not None:
        value = coerce(ev, value, type, decl.at if decl.value is None else decl.value.at)
    name = instance.prefix + decl.name if decl.link_name is None else ev.text(decl.link_name)
    return _place(ev, name, type, value, decl)


def _place(
    ev: Evaluator, name: str, type: CslType, value: Value | None, decl: syntax.VariableDecl
) -> Value:
    """The place of a variable; a struct has one for each field."""
    if isinstance(type, StructType):
        given = value.fields if isinstance(value, StructValue) else {}
        fields = {n: _place(ev, f"{name}.{n}", t, given.get(n), decl) for n, t in type.fields}
        return StructValue(fields, type)
    if type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT):
        raise CslError(f"the var {decl.name!r} needs a type that has a size", decl.at)
    if isinstance(type, (Scalar, ArrayType, EnumType)):
        if value is not None and not is_known(value):
            raise CslError(f"the first value of var {decl.name!r} is not known", decl.at)
        return _memory(ev, name, type, value, decl)
    if isinstance(type, (PointerType, core.Dsd, Handle)):
        target = core_type(type)
        if target is not None:
            initial = None if value is None else to_core(ev, value, decl.at)
            slot = core.Slot(name, target, initial)
            ev.context.slots.append(slot)
            return SlotPlace(type, slot)
    raise not_supported(f"a variable of type {type_name(type)}", decl.at)


def _memory(
    ev: Evaluator, name: str, type: CslType, value: Value | None, decl: syntax.VariableDecl
) -> MemoryPlace:
    object = allocate(ev, name, type, value, decl.at)
    ev.context.symbols[name] = object
    if decl.alignment is not None:
        alignment = ev.integer(decl.alignment)
        if alignment < 1 or alignment & (alignment - 1) or alignment > 1024:
            raise CslError(
                f"an alignment of {alignment} bytes",
                decl.alignment.at,
                help="a power of two is meant",
            )
        ev.context.alignments[id(object)] = alignment
    return place_of(object, type, is_const=False)
