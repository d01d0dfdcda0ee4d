"""Builtins on values and types: conversions, arrays, ranges, structs, assertions."""

from __future__ import annotations

from typing import cast

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import arithmetic, core, syntax
from waferc_runtime.csl.conversion import as_core, coerce, point, to_core
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.interpret import zero_of
from waferc_runtime.csl.places import field_of
from waferc_runtime.csl.types import (
    ArrayType,
    CslType,
    EnumType,
    Meta,
    PointerType,
    is_integer,
    is_numeric,
    scalar_of,
    type_name,
)
from waferc_runtime.csl.values import (
    ArrayValue,
    Dynamic,
    Known,
    RangeValue,
    RegisterPointer,
    StructValue,
    Text,
    TypeValue,
    Value,
    Void,
    comptime_int,
    is_known,
    known,
    type_of,
)


@builtin("@as")
def _as(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, operand = arguments(node, 2)
    return convert(ev, ev.value(operand), ev.type(target), node.at)


def convert(ev: Evaluator, value: Value, type: CslType, at: Location) -> Value:
    """`@as(type, value)`.

    Raises:
        CslError: there is no such conversion, or the value is known and out of range.
    """
    own = type_of(value)
    if own == type:
        return value
    is_handle = isinstance(own, Handle) and isinstance(type, Handle)
    source = is_numeric(own) or own is Scalar.BOOL or isinstance(own, EnumType)
    if is_handle or not source or not (is_numeric(type) or isinstance(type, (Scalar, EnumType))):
        return coerce(ev, value, type, at)
    if isinstance(value, Known):
        return known(type, arithmetic.convert(value.data, own, type, at, ev.active))
    target = scalar_of(type)
    if target is None:
        raise CslError(f"a {type_name(type)} is known at compile time only", at)
    return Dynamic(type, core.Convert(target, to_core(ev, value, at)))


@builtin("@bitcast")
def _bitcast(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, operand = arguments(node, 2)
    type, value = ev.type(target), ev.value(operand)
    own = type_of(value)
    if isinstance(own, PointerType) and isinstance(type, PointerType):
        return _cast_pointer(ev, value, type, node.at)
    if isinstance(type, PointerType) and type.target is Scalar.U16 and not type.many:
        return _register(ev, value, type, node.at)
    if isinstance(own, Handle) and isinstance(type, Scalar):
        own = Scalar.U16
        value = Known(own, value.data) if isinstance(value, Known) else value
    if own is Meta.COMPTIME_INT and isinstance(type, Scalar) and isinstance(value, Known):
        unsigned = {8: Scalar.U8, 16: Scalar.U16, 32: Scalar.U32, 64: Scalar.U64}[type.bits]
        value, own = coerce(ev, value, unsigned, node.at), unsigned
    if not isinstance(own, Scalar) or not isinstance(type, Scalar) or own.bits != type.bits:
        raise CslError(
            f"a bitcast of {type_name(own)} to {type_name(type)}",
            node.at,
            help="widths must be equal",
        )
    if isinstance(value, Known):
        return known(type, arithmetic.bitcast(value.data, own, type))
    return Dynamic(type, core.Bitcast(type, to_core(ev, value, node.at)))


def _register(ev: Evaluator, value: Value, type: PointerType, at: Location) -> Value:
    """The configuration register at a number, an address in bytes, that is taken for a pointer.

    Only registers have fixed addresses. (csl-examples, spmv-hypersparse: allreduce2R1E)
    """
    if isinstance(value, Known) and (is_integer(value.type) or value.type is Meta.COMPTIME_INT):
        word = arithmetic.arithmetic(">>", Meta.COMPTIME_INT, value.data, 1, at, ev.active)
        address = coerce(ev, Known(Meta.COMPTIME_INT, word), Scalar.U16, at)
        return RegisterPointer(type, to_core(ev, address, at))
    bytes = as_core(ev, value, Scalar.U16, at)
    one = core.Const(Scalar.U16, 1)
    return RegisterPointer(type, core.BinaryExpr(Scalar.U16, ">>", bytes, one))


@builtin("@ptrcast")
def _ptrcast(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, operand = arguments(node, 2)
    return _cast_pointer(ev, ev.value(operand), ev.type(target), node.at)


def _cast_pointer(ev: Evaluator, value: Value, type: CslType, at: Location) -> Value:
    if not isinstance(type, PointerType):
        raise CslError(f"a pointer type is expected, not {type_name(type)}", at)
    if not isinstance(value, Dynamic) or not isinstance(value.type, PointerType):
        raise CslError(f"a pointer is expected, not {ev.name_of(value)}", at)
    return point(value, type, at)


@builtin("@zeros")
def _zeros(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    type = ev.type(arguments(node, 1)[0])
    if not isinstance(type, ArrayType):
        raise CslError(f"@zeros of {type_name(type)}", node.at, help="of an array type")
    return zero_of(type, node.at)


@builtin("@constants")
def _constants(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, operand = arguments(node, 2)
    type = ev.type(target)
    if not isinstance(type, ArrayType):
        raise CslError(f"@constants of {type_name(type)}", node.at, help="of an array type")
    value = coerce(ev, ev.value(operand), type.element, operand.at)
    if not is_known(value):
        raise CslError("the value of @constants has to be known", operand.at)
    return ArrayValue(type, None, value)


@builtin("@range")
def _range(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, *bounds = arguments(node, 2, 4)
    type = ev.type(target)
    if not is_integer(type) and type is not Meta.COMPTIME_INT:
        raise CslError(f"a range of {type_name(type)}", target.at, help="ranges are of integers")
    values = [_bound(ev, bound, type) for bound in bounds]
    zero, one = (
        coerce(ev, comptime_int(0), type, node.at),
        coerce(ev, comptime_int(1), type, node.at),
    )
    match values:
        case [stop]:
            return RangeValue(type, zero, stop, one)
        case [begin, stop]:
            return RangeValue(type, begin, stop, one)
        case [begin, stop, step]:
            return RangeValue(type, begin, stop, step)
        case _:
            raise AssertionError(values)


def _bound(ev: Evaluator, node: syntax.Expr, type: CslType) -> Value:
    """A bound of a range: one that is known may be of any integer type that fits."""
    value = ev.value(node)
    if isinstance(value, Known) and is_integer(value.type):
        value = Known(Meta.COMPTIME_INT, value.data)
    return coerce(ev, value, type, node.at)


@builtin("@range_start")
def _range_start(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _a_range(ev, node).start


@builtin("@range_stop")
def _range_stop(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _a_range(ev, node).stop


@builtin("@range_step")
def _range_step(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _a_range(ev, node).step


def _a_range(ev: Evaluator, node: syntax.BuiltinCall) -> RangeValue:
    value = ev.value(arguments(node, 1)[0])
    if not isinstance(value, RangeValue):
        raise CslError(f"{node.name} of a {ev.name_of(value)}", node.at)
    return value


@builtin("@is_arch")
def _is_arch(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return Known(Scalar.BOOL, ev.text(arguments(node, 1)[0]) == ev.context.arch)


@builtin("@concat_structs")
def _concat_structs(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    fields: dict[str, Value] = {}
    for argument in arguments(node, 2):
        value = ev.value(argument)
        if not isinstance(value, StructValue):
            raise CslError(f"a struct is expected, not {ev.name_of(value)}", argument.at)
        shift = len(fields) if value.fields and value.is_tuple else 0
        for name, field in value.fields.items():
            key = str(int(name) + shift) if name.isdigit() else name
            if key in fields:
                raise CslError(f"both structs have a field {name!r}", node.at)
            fields[key] = field
    return StructValue(fields)


@builtin("@field")
def _field(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    base, name = arguments(node, 2)
    value = ev.value(base)
    if not isinstance(value, StructValue):
        raise CslError(f"a value of type {ev.name_of(value)} has no fields", base.at)
    return field_of(value, ev.text(name), node.at)


@builtin("@has_field")
def _has_field(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    base, name = arguments(node, 2)
    value = ev.value(base)
    return Known(Scalar.BOOL, isinstance(value, StructValue) and ev.text(name) in value.fields)


@builtin("@comptime_assert")
def _comptime_assert(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    given = arguments(node, 1, 2)
    condition = ev.truth(coerce(ev, ev.known(given[0]), Scalar.BOOL, given[0].at), given[0].at)
    failed = arithmetic.logical_not(condition.data)
    pe = arithmetic.first_offender(cast(bool, failed), ev.active)
    if pe is not None:
        text = f": {ev.text(given[1])}" if len(given) == 2 else ""
        notes = [f"for {where(ev, pe)}"] if not ev.context.is_layout else []
        raise CslError(f"an assertion at compile time fails{text}", node.at, notes=notes)
    return Void()


def where(ev: Evaluator, pe: int) -> str:
    """The coordinates of a PE of the class, for messages."""
    return f"PE ({ev.context.x[pe]}, {ev.context.y[pe]})"


@builtin("@assert")
def _assert(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    if ev.is_comptime:
        return _comptime_assert(ev, node)
    (argument,) = arguments(node, 1)
    condition = as_core(ev, ev.value(argument), Scalar.BOOL, argument.at)
    ev.out.append(core.Assert(condition, node.at))
    return Void()


@builtin("@comptime_print")
def _comptime_print(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    for argument in node.arguments:
        ev.known(argument)
    return Void()


@builtin("@is_comptime")
def _is_comptime(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    arguments(node, 0)
    return Known(Scalar.BOOL, ev.is_comptime)


@builtin("@is_same_type")
def _is_same_type(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    a, b = arguments(node, 2)
    return Known(Scalar.BOOL, ev.type(a) == ev.type(b))


@builtin("@type_of")
def _type_of(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return TypeValue(type_of(ev.raw(arguments(node, 1)[0])))


@builtin("@fp16")
def _fp16(_ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    arguments(node, 0)
    return TypeValue(Scalar.F16)


def _array_type(ev: Evaluator, node: syntax.BuiltinCall) -> ArrayType:
    type = ev.type(arguments(node, 1)[0])
    if not isinstance(type, ArrayType):
        raise CslError(f"{node.name} of {type_name(type)}", node.at, help="of an array type")
    return type


@builtin("@element_type")
def _element_type(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return TypeValue(_array_type(ev, node).element)


@builtin("@element_count")
def _element_count(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return comptime_int(_array_type(ev, node).count)


@builtin("@rank")
def _rank(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return comptime_int(len(_array_type(ev, node).dims))


@builtin("@dimensions")
def _dimensions(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    dims = _array_type(ev, node).dims
    items: list[Value] = [Known(Scalar.U32, dim) for dim in dims]
    return ArrayValue(ArrayType((len(dims),), Scalar.U32), items)


@builtin("@strcat")
def _strcat(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    text = "".join(ev.text(argument) for argument in node.arguments)
    if len(text) > 1 << 16:
        raise not_supported("a string of more than 65,536 characters", node.at)
    return Text(text)


@builtin("@get_array")
def _get_array(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    """The bytes of a string."""
    codes = ev.text(arguments(node, 1)[0]).encode("latin-1", "replace")
    items: list[Value] = [Known(Scalar.U8, code) for code in codes]
    return ArrayValue(ArrayType((len(items),), Scalar.U8), items)


@builtin("@get_string_from_byte")
def _get_string_from_byte(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    (argument,) = arguments(node, 1)
    code = ev.integer(argument)
    if not 0 <= code < 256:
        raise CslError(f"there is no byte {code}", argument.at)
    return Text(chr(code))


@builtin("@strlen")
def _strlen(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return comptime_int(len(ev.text(arguments(node, 1)[0])))
