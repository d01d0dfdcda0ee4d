"""Calls: of functions at compile time and at run time, and of library functions."""

from __future__ import annotations

import contextlib
from typing import cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.arithmetic import Active, round_to
from waferc_runtime.csl.context import Context, Instance, PendingFunction, Scope
from waferc_runtime.csl.conversion import allocate, as_core, coerce, peers, place_of, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported
from waferc_runtime.csl.evaluator import MAX_CALLS, Evaluator, arguments, builtin, evaluates
from waferc_runtime.csl.interpret import run_function
from waferc_runtime.csl.libraries import FLOAT_CONSTANTS, NATIVE, SIGNATURES
from waferc_runtime.csl.search import is_library
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    FunctionType,
    Meta,
    PointerType,
    StructType,
    core_type,
    is_float,
    type_name,
)
from waferc_runtime.csl.values import (
    ArrayValue,
    Cell,
    Dynamic,
    FunctionValue,
    Known,
    LibraryFunction,
    LocalPlace,
    MemoryPlace,
    StructValue,
    Text,
    TypeValue,
    Value,
    Void,
    is_known,
    known,
    type_of,
)
from waferc_runtime.csl.variables import kept

_COMPTIME_ONLY = frozenset(
    {
        Meta.COMPTIME_INT,
        Meta.COMPTIME_FLOAT,
        Meta.STRING,
        Meta.STRUCT,
        Meta.TYPE,
        Meta.MODULE,
        Meta.RANGE,
    }
)


@evaluates(syntax.Call)
def _call(ev: Evaluator, node: syntax.Call) -> Value:
    callee = ev.raw(node.callee)
    match callee:
        case FunctionValue():
            return call(ev, callee, node)
        case LibraryFunction() if callee.name in NATIVE:
            return NATIVE[callee.name](ev, callee, node)
        case LibraryFunction() if callee.name in SIGNATURES:
            return _library(ev, callee, node)
        case LibraryFunction():
            return _math(ev, callee, node)
        case _:
            raise CslError(f"a value of type {ev.name_of(callee)} cannot be called", node.at)


def call(ev: Evaluator, callee: FunctionValue, node: syntax.Call) -> Value:
    """A call of a function of a file.

    Raises:
        CslError: the arguments are wrong, or a task is called.
    """
    callee = _with_so_many(callee, len(node.arguments))
    decl = callee.decl
    if decl.kind == "task":
        raise CslError(f"the task {decl.name!r} cannot be called", node.at, help="@activate its id")
    arguments(node, len(decl.parameters), name=decl.name)
    values = [ev.value(argument) for argument in node.arguments]
    places = [argument.at for argument in node.arguments]
    if ev.is_comptime:
        return call_known(ev, callee, values, places, node.at)
    if decl.is_inline and all(map(is_known, values)):
        result = _folded(ev, callee, values, places, node.at)
        if result is not None:
            return result
    elif decl.is_inline:
        result = _expanded(ev, callee, values, places)
        if result is not None:
            return result
    inner, given, sites = _bind(ev, callee, values, places)
    result = _with_given(inner, given).type(decl.result)
    if isinstance(result, ArrayType) or result in _COMPTIME_ONLY:
        return call_known(ev, callee, values, places, node.at)
    if isinstance(result, StructType) and all(map(is_known, values)):
        with contextlib.suppress(CslError):
            return call_known(ev, callee, values, places, node.at)
    function = request(ev, callee, inner.scope, given, result, ev.active)
    assert ev.frame is not None
    ev.context.calls.setdefault(ev.frame.function, set()).add(function)
    expressions = tuple(
        to_core(ev, value, at) for (_, _, value), at in zip(given, sites, strict=True)
    )
    made = core.Call(function, expressions, node.at)
    if function not in ev.context.results:
        return Dynamic(result, made)
    ev.out.append(core.Evaluate(made, node.at))
    return _held(ev, ev.context.results[function], node.at)


def _with_so_many(callee: FunctionValue, count: int) -> FunctionValue:
    """The form of a library's function with `count` parameters, if it has one: `name_count`."""
    decl, instance = callee.decl, cast(Instance, callee.instance)
    if len(decl.parameters) == count or not is_library(instance.file):
        return callee
    other = instance.globals.get(f"{decl.name}_{count}")
    if other is None or not isinstance(other.decl, syntax.FunctionDecl):
        return callee
    return FunctionValue(other.decl, instance)


def call_known(
    ev: Evaluator, callee: FunctionValue, values: list[Value], places: list[Location], at: Location
) -> Value:
    """Call a function at compile time.

    Raises:
        CslError: something in it is not known, or calls are nested too deeply.
    """
    decl = callee.decl
    if ev.calls >= MAX_CALLS:
        raise CslError(f"more than {MAX_CALLS} nested calls at compile time", at)
    inner = Evaluator(
        ev.context, cast(Instance, callee.instance), Scope(), None, ev.active, ev.calls + 1
    )
    inner.is_setup, inner.is_vector = ev.is_setup, ev.is_vector
    for parameter, value, where in zip(decl.parameters, values, places, strict=True):
        if not is_known(value) and not isinstance(value, MemoryPlace):
            raise CslError(f"the argument {parameter.name!r} is not known at compile time", where)
        inner.scope.names[parameter.name] = coerce(inner, value, inner.type(parameter.type), where)
    result = inner.type(decl.result)
    return run_function(inner, decl, result, at)


def _folded(
    ev: Evaluator, callee: FunctionValue, values: list[Value], places: list[Location], at: Location
) -> Value | None:
    """What an inline function of known arguments returns, if nothing in it needs the PE."""
    try:
        result = call_known(ev.comptime(), callee, values, places, at)
    except (CslError, Split):
        return None
    return None if isinstance(result, Void) else result


def _expanded(
    ev: Evaluator, callee: FunctionValue, values: list[Value], places: list[Location]
) -> Value | None:
    """The struct that an inline function returns, when that is all it does.

    Its parts are values of the function that makes the call, and take no memory.
    """
    decl = callee.decl
    if decl.body is None or ev.calls >= MAX_CALLS:
        return None
    match decl.body.statements:
        case (syntax.Return() as last,):
            body = last.value
        case _:
            return None
    if body is None:
        return None
    scope = Scope()
    inner = Evaluator(
        ev.context, cast(Instance, callee.instance), scope, ev.frame, ev.active, ev.calls + 1
    )
    inner.out = ev.out
    for parameter, value, where in zip(decl.parameters, values, places, strict=True):
        scope.names[parameter.name] = coerce(ev, value, inner.type(parameter.type), where)
    result = inner.type(decl.result)
    if not isinstance(result, StructType):
        return None
    for (name, value), where in zip(list(scope.names.items()), places, strict=True):
        scope.names[name] = kept(ev, name, cast(Value, value), where)
    return coerce(inner, inner.value(body), result, decl.at)


def _held(ev: Evaluator, struct: StructValue, at: Location) -> StructValue:
    """The struct that a function has just returned, in locals."""
    assert ev.frame is not None
    fields: dict[str, Value] = {}
    for name, place in struct.fields.items():
        if isinstance(place, StructValue):
            fields[name] = _held(ev, place, at)
            continue
        value = ev.read(place, at)
        target = core_type(type_of(value))
        if not isinstance(value, Dynamic) or target is None:
            raise not_supported(f"a returned field of type {ev.name_of(value)}", at)
        local = core.Local(name, target, len(ev.frame.function.locals))
        ev.frame.function.locals.append(local)
        ev.out.append(core.SetLocal(local, value.expr, at))
        fields[name] = LocalPlace(value.type, local, is_const=True)
    return StructValue(fields, struct.type)


Given = tuple[str, CslType, Value]


def callee_scope(ev: Evaluator, callee: FunctionValue) -> Evaluator:
    """An evaluator in the scope of a function's parameters, empty as yet."""
    instance = cast(Instance, callee.instance)
    return Evaluator(ev.context, instance, Scope(), None, ev.active, ev.calls)


def _with_given(inner: Evaluator, given: list[Given]) -> Evaluator:
    """An evaluator for types that name parameters, as in `@type_of(x)`."""
    scope = Scope(inner.scope, {name: value for name, _, value in given})
    return Evaluator(inner.context, inner.instance, scope, None, inner.active, inner.calls)


def is_static(parameter: syntax.Parameter, type: CslType) -> bool:
    """Whether a function is lowered anew for each value of a parameter."""
    only_known = isinstance(type, (FunctionType, ArrayType, StructType))
    return parameter.is_comptime or only_known or type in _COMPTIME_ONLY


def _bind(
    ev: Evaluator, callee: FunctionValue, values: list[Value], places: list[Location]
) -> tuple[Evaluator, list[Given], list[Location]]:
    """Arguments known to the body in its scope; the others as (name, type, value) with places."""
    decl = callee.decl
    inner = callee_scope(ev, callee)
    given: list[Given] = []
    kept: list[Location] = []
    for parameter, value, where in zip(decl.parameters, values, places, strict=True):
        type = _with_given(inner, given).type(parameter.type)
        value = coerce(ev, value, type, where)
        if type is Meta.ANY:
            type = type_of(value)
        if isinstance(value, StructValue) and not is_known(value) and not parameter.is_comptime:
            inner.scope.names[parameter.name] = _holes(parameter.name, value, given)
            kept += [where] * (len(given) - len(kept))
            continue
        if isinstance(value, MemoryPlace) and isinstance(type, ArrayType):
            pointer = Dynamic(PointerType(type, many=False, const=True), value.pointer)
            given.append((parameter.name, type, pointer))
            kept.append(where)
            continue
        needs_value = is_static(parameter, type)
        if needs_value and not is_known(value):
            raise CslError(f"the argument {parameter.name!r} is not known at compile time", where)
        if needs_value or (decl.is_inline and is_known(value)):
            inner.scope.names[parameter.name] = value
        else:
            given.append((parameter.name, type, value))
            kept.append(where)
    return inner, given, kept


def _holes(path: str, value: StructValue, given: list[Given]) -> StructValue:
    """A struct as a parameter: known fields as they are, others as parameters of their own."""
    fields: dict[str, Value] = {}
    for name, field in value.fields.items():
        inner = f"{path}.{name}"
        if isinstance(field, StructValue) and not is_known(field):
            fields[name] = _holes(inner, field, given)
        elif is_known(field):
            fields[name] = field
        else:
            type = type_of(field)
            given.append((inner, type, field))
            target = core_type(type)
            assert target is not None
            fields[name] = LocalPlace(type, core.Local(inner, target, 0), is_const=True)
    return StructValue(fields, value.type)


def _locals_in(value: Value | Cell) -> dict[str, core.Local]:
    """The parameters that stand for fields of a struct, by their path."""
    match value:
        case LocalPlace():
            return {value.local.name: value.local}
        case StructValue():
            found: dict[str, core.Local] = {}
            for field in value.fields.values():
                found |= _locals_in(field)
            return found
        case _:
            return {}


def request(
    ev: Evaluator,
    callee: FunctionValue,
    scope: Scope,
    given: list[Given],
    result: CslType,
    active: Active,
) -> core.Function:
    """The core function for these known and unknown arguments; its body is lowered later.

    `active` are the PEs that call it, None for all.
    """
    context, decl = ev.context, callee.decl
    bound = tuple((name, identity(ev, cast(Value, value))) for name, value in scope.names.items())
    key = (id(decl), id(callee.instance), bound, tuple((n, t) for n, t, _ in given))
    found = context.functions.get(key)
    if found is not None:
        _widen(context, found, active)
        return found
    instance = cast(Instance, callee.instance)
    core_result = core.Void() if isinstance(result, StructType) else core_type(result)
    if core_result is None:
        raise not_supported(f"a result of type {type_name(result)} at run time", decl.result.at)
    function = core.Function(instance.prefix + decl.name, result=core_result, at=decl.at)
    if isinstance(result, StructType):
        context.results[function] = _result_places(ev, function.name, result, decl.result.at)
    inside = Scope(scope)
    fields: dict[str, core.Local] = {}
    for value in scope.names.values():
        fields |= _locals_in(value)
    for name, type, _ in given:
        whole = PointerType(type, many=False, const=True) if isinstance(type, ArrayType) else type
        target = core_type(whole)
        if target is None or isinstance(target, core.Void):
            raise not_supported(f"a parameter of type {type_name(type)} at run time", decl.at)
        local = fields.get(name) or core.Local(name, target, 0)
        local.index = len(function.locals)
        function.locals.append(local)
        function.parameters.append(local)
        if isinstance(type, ArrayType):
            inside.names[name] = MemoryPlace(type, core.GetLocal(local), is_const=True)
        elif name not in fields:
            inside.names[name] = LocalPlace(type, local, is_const=True)
    context.functions[key] = function
    pending = PendingFunction(decl, instance, inside, function, result, active)
    context.lowered[function] = pending
    context.pending.append(pending)
    return function


def _result_places(ev: Evaluator, name: str, type: StructType, at: Location) -> StructValue:
    """Memory for the struct that a function returns; the caller reads it at once."""
    fields: dict[str, Value] = {}
    for field, own in type.fields:
        path = f"{name}.result.{field}"
        if isinstance(own, StructType):
            fields[field] = _result_places(ev, path, own, at)
        else:
            fields[field] = place_of(allocate(ev, path, own, None, at), own, is_const=False)
    return StructValue(fields, type)


def _widen(context: Context, function: core.Function, active: Active) -> None:
    """Further PEs call a function: its body is lowered for them as well."""
    lowered = context.lowered[function]
    if lowered.active is None or (active is not None and not (active & ~lowered.active).any()):
        return
    lowered.active = None if active is None else lowered.active | active
    if all(pending is not lowered for pending in context.pending):
        context.pending.append(lowered)


def whole_function(ev: Evaluator, callee: FunctionValue, at: Location) -> core.Function:
    """The core function of a task or an exported function: all its parameters at run time."""
    instance = cast(Instance, callee.instance)
    inner = Evaluator(ev.context, instance, Scope(), None, None, ev.calls)
    given: list[Given] = []
    for parameter in callee.decl.parameters:
        type = inner.type(parameter.type)
        if parameter.is_comptime or core_type(type) is None:
            raise CslError(
                f"the parameter {parameter.name!r} of {callee.decl.name!r} needs a known value",
                at,
            )
        given.append((parameter.name, type, Void()))
    return request(inner, callee, Scope(), given, inner.type(callee.decl.result), None)


def identity(ev: Evaluator, value: Value) -> object:
    """Equal for equal known values, to know a specialised function again."""
    match value:
        case Known(data=np.ndarray() as lanes):
            return ("lanes", value.type, lanes.tobytes())
        case Known():
            return ("number", value.type, repr(value.data))
        case LocalPlace():
            return ("field", value.type)
        case Text() | TypeValue():
            return (type_name(type_of(value)), value.data)
        case Void():
            return ("void",)
        case FunctionValue():
            return ("function", id(value.decl), id(value.instance))
        case LibraryFunction():
            return ("library", value.name, value.suffix)
        case StructValue():
            fields = sorted(value.fields.items())
            return ("struct", tuple((n, identity(ev, v)) for n, v in fields))
        case ArrayValue() if value.items is None and value.fill is not None:
            return ("array", value.type, identity(ev, value.fill))
        case _:
            ev.context.held.append(value)
            return ("same", id(value))


def _library(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    signature = SIGNATURES[callee.name]
    given = arguments(node, len(signature.parameters), name=callee.name)
    if ev.is_comptime:
        raise CslError(f"{callee.name} runs at run time only", node.at)
    values = tuple(
        as_core(ev, ev.value(argument), type, argument.at)
        for argument, type in zip(given, signature.parameters, strict=True)
    )
    target = core_type(signature.result)
    assert target is not None
    return Dynamic(signature.result, core.LibraryCall(target, callee.name, values, node.at))


@builtin("@random16")
def _random16(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _builtin_call(ev, "random.next16", node)


@builtin("@set_active_prng")
def _set_active_prng(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _builtin_call(ev, "random.set_active", node)


def _builtin_call(ev: Evaluator, name: str, node: syntax.BuiltinCall) -> Value:
    """A builtin that engines implement as a library function."""
    callee = syntax.Name(node.name, node.at)
    return _library(ev, LibraryFunction(name), syntax.Call(callee, node.arguments, node.at))


def _math(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    stem = callee.name.removeprefix("math.")
    if stem in FLOAT_CONSTANTS:
        type = ev.type(arguments(node, 1, name=callee.name)[0])
        if not is_float(type):
            raise CslError(f"{callee.name} of {type_name(type)}", node.at, help="of f16 or f32")
        return Known(type, FLOAT_CONSTANTS[stem])
    function = MATH_FUNCTIONS[callee.name]
    given = arguments(node, function.arity, name=callee.name)
    values = [ev.value(argument) for argument in given]
    if callee.suffix is not None:
        type: CslType = callee.suffix
        values = [coerce(ev, v, type, a.at) for v, a in zip(values, given, strict=True)]
    elif len(values) == 2:
        left, right, type = peers(ev, values[0], values[1], node.at)
        values = [left, right]
    else:
        type = type_of(values[0])
    is_exact = function.is_exact and function.result is None
    is_whole = is_exact and (isinstance(type, Scalar) or type is Meta.COMPTIME_INT)
    if not (is_float(type) or type is Meta.COMPTIME_FLOAT or is_whole):
        raise CslError(f"{callee.name} of a value of type {type_name(type)}", node.at)
    numbers = [value for value in values if isinstance(value, Known)]
    if len(numbers) == len(values) and (ev.is_comptime or not isinstance(type, Scalar)):
        dtype = type.numpy if isinstance(type, Scalar) else None
        result = function.compute(*(np.asarray(number.data, dtype) for number in numbers))
        out = function.result or type
        data = result if result.ndim else result.item()
        if is_float(out):
            data = round_to(out, data)
        elif result.ndim and out is not Scalar.BOOL:
            data = result.astype(np.int64)
        return known(out, data)
    out = function.result or cast(Scalar, type)
    expressions = tuple(to_core(ev, v, a.at) for v, a in zip(values, given, strict=True))
    return Dynamic(out, core.LibraryCall(out, callee.name, expressions, node.at))
