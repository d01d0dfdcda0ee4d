"""DSD operations and `@map`, as statements of the function that is being lowered."""

from __future__ import annotations

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl import arithmetic, core, syntax
from waferc_runtime.csl.calls import Given, callee_scope, is_static, request
from waferc_runtime.csl.conversion import as_core, coerce, retype, to_core
from waferc_runtime.csl.core import Dsd, Dsr, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import BUILTINS, Evaluator, arguments, builtin
from waferc_runtime.csl.operation_config import operation_config
from waferc_runtime.csl.types import (
    CslType,
    Meta,
    PointerType,
    core_pointer,
    is_integer,
    scalar_of,
    type_name,
)
from waferc_runtime.csl.values import (
    Dynamic,
    FunctionValue,
    Known,
    LibraryFunction,
    Value,
    Void,
    known,
    type_of,
)

SCALAR_ONLY = frozenset({"@fscaleh", "@fscales", "@fnormh", "@fnorms"})
FIFO = Dsd("fifo")
SCALAR_MULTIPLIER = frozenset({"@fmach", "@fmacs", "@fmachs"})


def _operation(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    op = DSD_OPS[node.name]
    count = 1 + len(op.source_elements)
    given = arguments(node, count, count + 1)
    if ev.frame is None:
        raise CslError(f"{node.name} runs at run time only", node.at)
    values = [ev.value(argument) for argument in given]
    dest = _destination(ev, values[0], op.element, given[0].at)
    sources: list[core.Expr] = []
    for n, element in enumerate(op.source_elements, 1):
        sources.append(_source(ev, values[n], element, given[n].at))
    config = core.DsdConfig()
    if len(given) > count:
        config = operation_config(ev, values[count], given[count].at)
    operands = values[:count]
    _check_kinds(ev, node, operands, config)
    if node.name in SCALAR_MULTIPLIER and isinstance(type_of(values[3]), (Dsd, Dsr)):
        raise CslError(f"the multiplier of {node.name} is a scalar", given[3].at)
    result = None
    if any(type_of(operand) == FIFO for operand in operands):
        _check_fifos(operands, node)
        if not config.is_async:
            result = core.Local("done", Scalar.BOOL, len(ev.frame.function.locals))
            ev.frame.function.locals.append(result)
    repeats = any(not loop.is_once for loop in ev.frame.loops)
    ev.out.append(
        core.DsdOperation(node.name, dest, tuple(sources), config, node.at, result, repeats)
    )
    return Void() if result is None else Dynamic(Scalar.BOOL, core.GetLocal(result))


for _name in DSD_OPS:
    BUILTINS[_name] = _operation


def _check_kinds(
    ev: Evaluator, node: syntax.BuiltinCall, operands: list[Value], config: core.DsdConfig
) -> None:
    types = [type_of(operand) for operand in operands]
    kinds = [type.kind for type in types if isinstance(type, Dsd)]
    if kinds.count("fabin") > 1 and ev.context.arch == "wse3":
        raise CslError("an operation has at most one fabin operand on wse3", node.at)
    if any(isinstance(type, Dsr) for type in types):
        return  # what they hold is known at run time only
    if not kinds and node.name not in SCALAR_ONLY:
        raise CslError(f"{node.name} needs a DSD among its operands", node.at)
    if config.is_async and not {"fabin", "fabout"} & set(kinds):
        raise CslError("an asynchronous operation needs a fabric operand", node.at)


def _check_fifos(operands: list[Value], node: syntax.BuiltinCall) -> None:
    places = [n for n, operand in enumerate(operands) if type_of(operand) == FIFO]
    if len(places) > 1:
        raise CslError("an operation has at most one FIFO", node.at)
    if places[0] == 1 and len(operands) > 2:
        raise CslError("a FIFO is not the first of two sources", node.at, help="make it the second")


def _destination(ev: Evaluator, value: Value, element: Scalar, at: Location) -> core.Expr:
    type = type_of(value)
    if isinstance(type, Dsd):
        if type.kind == "fabin":
            raise CslError("a fabin_dsd cannot be the destination", at)
        return to_core(ev, value, at)
    if isinstance(type, Dsr):
        if type.file == "src1":
            raise CslError("a dsr_src1 cannot be the destination", at)
        return to_core(ev, value, at)
    if isinstance(type, PointerType) and isinstance(value, Dynamic):
        target = scalar_of(type.target)
        if target is not None and target.bits == element.bits and not type.const:
            pointer = core_pointer(PointerType(element, type.many))
            assert pointer is not None
            return retype(value.expr, pointer)
    raise CslError(
        f"the destination is a {type_name(type)}",
        at,
        help=f"a DSD, or a pointer to {element.label}",
    )


def _source_register(ev: Evaluator, type: Dsr, value: Value, at: Location) -> core.Expr:
    if type.file == "dest":
        raise CslError("a dsr_dest cannot be a source", at)
    return to_core(ev, value, at)


def _source(ev: Evaluator, value: Value, element: Scalar, at: Location) -> core.Expr:
    type = type_of(value)
    if isinstance(type, Dsd):
        if type.kind == "fabout":
            raise CslError("a fabout_dsd cannot be a source", at)
        return to_core(ev, value, at)
    if isinstance(type, Dsr):
        return _source_register(ev, type, value, at)
    if is_integer(element) and isinstance(type, Scalar) and type.bits == element.bits:
        if isinstance(value, Known):
            value = known(element, arithmetic.bitcast(value.data, type, element))
        elif type is not element:
            value = Dynamic(element, core.Bitcast(element, to_core(ev, value, at)))
    elif type is Meta.COMPTIME_INT and is_integer(element) and isinstance(value, Known):
        low = min(0, int(arithmetic.smallest(value.data)))
        signed = {16: Scalar.I16, 32: Scalar.I32}[element.bits]
        written = coerce(ev, value, signed if low < 0 else element, at)
        assert isinstance(written, Known)
        value = known(element, arithmetic.wrap(element, written.data))
    return as_core(ev, value, element, at)


# ---- @map


@builtin("@map")
def _map(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, *rest = arguments(node, 2, 32)
    if ev.is_comptime:
        raise CslError("@map runs at run time only", node.at)
    callee = ev.value(first)
    values = [ev.value(argument) for argument in rest]
    places = [argument.at for argument in rest]
    match callee:
        case FunctionValue():
            operation = _map_function(ev, callee, values, places, node.at)
        case LibraryFunction() if callee.name in MATH_FUNCTIONS:
            operation = _map_library(ev, callee, values, places, node.at)
        case _:
            raise CslError(f"@map applies a function, not a {ev.name_of(callee)}", first.at)
    _check_kinds(ev, node, values, core.DsdConfig())
    ev.out.append(operation)
    return Void()


def _map_function(
    ev: Evaluator, callee: FunctionValue, values: list[Value], places: list[Location], at: Location
) -> core.MapOperation:
    decl = callee.decl
    if decl.kind == "task":
        raise CslError(f"the task {decl.name!r} cannot be called", at)
    inner = callee_scope(ev, callee)
    given: list[Given] = []
    inputs: list[core.Expr] = []
    elements: list[Scalar] = []
    count = len(decl.parameters)
    if len(values) < count:
        raise CslError(f"@map of {decl.name} takes at least {count} operands", at)
    for parameter, value, where in zip(decl.parameters, values, places, strict=False):
        type = inner.type(parameter.type)
        if isinstance(type_of(value), (Dsd, Dsr)):
            elements.append(_element(type, where))
            inputs.append(_input(ev, value, where))
        else:
            value = coerce(ev, value, type, where)
            if is_static(parameter, type):
                inner.scope.names[parameter.name] = value
                continue
            inputs.append(to_core(ev, value, where))
        given.append((parameter.name, type, value))
    result = inner.type(decl.result)
    is_void = result is Meta.VOID
    if len(values) != count + (not is_void):
        wanted = count + (not is_void)
        raise CslError(f"@map of {decl.name} takes {wanted} operands, not {len(values)}", at)
    output = None
    if not is_void:
        scalar = _element(result, decl.result.at)
        output = _destination(ev, values[-1], scalar, places[-1])
        if isinstance(type_of(values[-1]), (Dsd, Dsr)):
            elements.append(scalar)
    function = request(ev, callee, inner.scope, given, result, ev.active)
    assert ev.frame is not None
    ev.context.calls.setdefault(ev.frame.function, set()).add(function)
    if not elements:
        raise CslError("@map needs a DSD among its operands", at)
    # where the function is known, its parameters and result say what each element is
    return core.MapOperation(function, elements[0], tuple(inputs), output, at)


def _input(ev: Evaluator, value: Value, at: Location) -> core.Expr:
    match type_of(value):
        case Dsr() as type:
            return _source_register(ev, type, value, at)
        case Dsd(kind="fabout" | "fifo") as type:
            raise CslError(f"a {type_name(type)} cannot be an input", at)
        case _:
            return to_core(ev, value, at)


def _element(type: CslType, at: Location) -> Scalar:
    scalar = scalar_of(type)
    if scalar is None:
        raise CslError(f"@map of elements of type {type_name(type)}", at)
    return scalar


def _map_library(
    ev: Evaluator,
    callee: LibraryFunction,
    values: list[Value],
    places: list[Location],
    at: Location,
) -> core.MapOperation:
    function = MATH_FUNCTIONS[callee.name]
    if callee.suffix is None:
        raise CslError(
            f"@map of {callee.name} needs the type of its elements",
            at,
            help=f"as in {callee.name}_f32",
        )
    if len(values) != function.arity + 1:
        raise CslError(
            f"@map of {callee.name} takes {function.arity + 1} operands, not {len(values)}", at
        )
    if function.result is not None:
        raise not_supported(f"@map of {callee.name}", at)
    element = callee.suffix
    inputs = tuple(
        _input(ev, value, where)
        if isinstance(type_of(value), (Dsd, Dsr))
        else as_core(ev, value, element, where)
        for value, where in zip(values[:-1], places[:-1], strict=True)
    )
    output = _destination(ev, values[-1], element, places[-1])
    return core.MapOperation(callee.name, element, inputs, output, at)
