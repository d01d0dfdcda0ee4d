"""`@get_dsd` and the builtins that make a descriptor out of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.context import FabricUse
from waferc_runtime.csl.conversion import coerce, constant, point, to_core
from waferc_runtime.csl.core import Dsd, Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported, suggestion
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.places import move
from waferc_runtime.csl.types import (
    ArrayType,
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
    Known,
    MemoryPlace,
    StructValue,
    TensorValue,
    Value,
    comptime_int,
    is_known,
    type_of,
)

MAX_DIMENSIONS = 4
_SHAPE_FIELDS = ("base_address", "offset", "stride", "extent")
_MEMORY_FIELDS = ("tensor_access", *_SHAPE_FIELDS, "wavelet_index_offset")
_FLAGS = ("control", "advance_switch", "wavelet_index_offset", "control_transform")
_FABRIC_FIELDS = ("fabric_color", "input_queue", "output_queue", "extent", "simd_mode", *_FLAGS)
_IGNORED = frozenset({"priority"})
_SIMD: dict[str, Literal["off", "simd_32", "simd_64"]] = {
    "simd_off": "off",
    "simd_32": "simd_32",
    "simd_64": "simd_64",
    "simd_32_or_64": "simd_64",
    "simd_max": "simd_64",
}


@builtin("@get_dsd")
def _get_dsd(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, given = arguments(node, 2)
    type = ev.type(target)
    if not isinstance(type, Dsd):
        raise CslError(f"a DSD type is expected, not {type_name(type)}", target.at)
    fields = ev.value(given)
    if not isinstance(fields, StructValue):
        raise CslError(f"a struct is expected, not {ev.name_of(fields)}", given.at)
    if type.kind in ("mem1d", "mem4d"):
        return _memory(ev, type, fields, given.at)
    return _fabric(ev, type, fields, given.at)


def integer_as(ev: Evaluator, value: Value, type: Scalar, at: Location) -> Value:
    """An extent, offset or stride in its type, whatever integer type it was written in.

    Raises:
        CslError: it is no integer, or known to be out of range.
    """
    value = ev.read(value, at)
    own = type_of(value)
    if isinstance(value, Known) and (is_integer(own) or own is Meta.COMPTIME_INT):
        return coerce(ev, Known(Meta.COMPTIME_INT, value.data), type, at)
    if own == type or not is_integer(own):
        return coerce(ev, value, type, at)
    return Dynamic(type, core.Convert(type, to_core(ev, value, at)))


def _unknown_field(name: str, value: Value, known: tuple[str, ...], at: Location) -> None:
    """Refuse a field, unless it does not matter or is off."""
    is_off = isinstance(value, Known) and value.data is False
    if name in _IGNORED or is_off:
        return
    if suggestion(name, known):
        raise CslError(f"a DSD has no field {name!r}", at, help=suggestion(name, known))
    raise not_supported(f"the field {name!r} of a DSD", at)


# ---- memory


def _memory(ev: Evaluator, type: Dsd, fields: StructValue, at: Location) -> Value:
    for name, value in fields.fields.items():
        if name not in _MEMORY_FIELDS:
            _unknown_field(name, value, _MEMORY_FIELDS, at)
    access = fields.fields.get("tensor_access")
    if isinstance(access, StructValue):
        access = _from_fields(ev, type, access, at)
    if access is None:
        access = _from_fields(ev, type, fields, at)
    if not isinstance(access, TensorValue):
        raise CslError(f"a tensor access is expected, not {ev.name_of(access)}", at)
    rank = len(access.extents)
    if (type.kind == "mem1d" and rank != 1) or rank > MAX_DIMENSIONS:
        raise CslError(
            f"a {type_name(type)} of {rank} dimensions",
            at,
            help="mem1d_dsd has one, mem4d_dsd up to four",
        )
    strides = tuple(to_core(ev, integer_as(ev, s, Scalar.I16, at), at) for s in access.strides)
    extents = tuple(to_core(ev, integer_as(ev, e, Scalar.U16, at), at) for e in access.extents)
    takes_index = _flag(ev, fields, "wavelet_index_offset", at)
    dsd = core.MakeMemDsd(type, to_core(ev, access.base, at), strides, extents, takes_index)
    return Dynamic(type, dsd, is_known(access))


def _from_fields(ev: Evaluator, type: Dsd, fields: StructValue, at: Location) -> TensorValue:
    """`.base_address`, `.offset`, `.stride`, `.extent`; strides of a mem4d are address deltas."""
    for name in ("base_address", "extent"):
        if name not in fields.fields:
            raise CslError(
                f"the DSD needs {'.tensor_access or ' if name != 'extent' else ''}.{name}", at
            )
    base = element_pointer(ev, fields.fields["base_address"], at)
    offset = fields.fields.get("offset")
    if offset is not None:
        base = _moved(ev, base, integer_as(ev, offset, Scalar.I16, at), at)
    extents = _listed(fields.fields["extent"])
    strides = _listed(fields.fields.get("stride", comptime_int(1)))
    if type.kind == "mem4d":
        strides = _coefficients(ev, strides, extents, at)
    return TensorValue(base, tuple(strides), tuple(extents))


def _listed(value: Value) -> list[Value]:
    if isinstance(value, StructValue):
        return list(value.fields.values())
    return [value]


def _coefficients(
    ev: Evaluator, deltas: list[Value], extents: list[Value], at: Location
) -> list[Value]:
    """Strides per dimension, outermost first, from address deltas per carry, innermost first.

    When a dimension steps, all inner ones go back from their last element to their first: the delta
    is the coefficient less the sum of inner coefficients times their extents less one.
    """
    if len(deltas) != len(extents):
        raise CslError(f"{len(deltas)} strides for {len(extents)} extents", at)
    coefficients: list[Value] = []
    back: Value = comptime_int(0)
    for delta, extent in zip(deltas, reversed(extents), strict=True):
        values = (delta, extent)
        delta, extent = (
            Known(Meta.COMPTIME_INT, v.data) if isinstance(v, Known) else v for v in values
        )
        coefficient = binary(ev, "+", delta, back, at)
        steps = binary(ev, "-", extent, comptime_int(1), at)
        back = binary(ev, "+", back, binary(ev, "*", coefficient, steps, at), at)
        coefficients.append(coefficient)
    return coefficients[::-1]


def element_pointer(ev: Evaluator, value: Value, at: Location) -> Dynamic:
    """An array, or a pointer to a scalar or an array, as a pointer to its first element.

    Raises:
        CslError: it is neither.
    """
    value = ev.read(value, at)
    if isinstance(value, MemoryPlace):
        value = Dynamic(
            PointerType(value.type, False, value.is_const), value.pointer, value.is_constant
        )
    if not isinstance(value, Dynamic) or not isinstance(value.type, PointerType):
        raise CslError(f"an array or a pointer is expected, not {ev.name_of(value)}", at)
    target: CslType = value.type.target
    if isinstance(target, ArrayType):
        target = target.element
    return point(value, PointerType(target, many=True, const=value.type.const), at)


def _moved(ev: Evaluator, base: Dynamic, offset: Value, at: Location) -> Dynamic:
    type = core_pointer(cast(PointerType, base.type))
    assert type is not None
    index = to_core(ev, offset, at)
    is_constant = base.is_constant and isinstance(index, core.Const)
    return Dynamic(base.type, move(base.expr, index, type), is_constant)


# ---- fabric


def _fabric(ev: Evaluator, type: Dsd, fields: StructValue, at: Location) -> Value:
    is_input = type.kind == "fabin"
    queue_field = "input_queue" if is_input else "output_queue"
    other_queue = "output_queue" if is_input else "input_queue"
    for name, value in fields.fields.items():
        if name == other_queue:
            raise CslError(f"a {type_name(type)} has no .{name}", at, help=f"it has .{queue_field}")
        if name not in _FABRIC_FIELDS:
            _unknown_field(name, value, _FABRIC_FIELDS, at)
    if "extent" not in fields.fields:
        raise CslError("the DSD needs .extent", at)
    extent = integer_as(ev, fields.fields["extent"], Scalar.U16, at)
    handle = Handle.INPUT_QUEUE if is_input else Handle.OUTPUT_QUEUE
    given = _handle_field(ev, fields, queue_field, handle, at)
    queue = None if given is None else ev.integer_of(given, at)
    color = _handle_field(ev, fields, "fabric_color", Handle.COLOR, at)
    _require(ev, type, queue, color, at)
    data = None if color is None else color.data
    ev.context.fabric.append(
        FabricUse("fabin" if is_input else "fabout", queue, data, ev.active, at)
    )
    flags = {name: _flag(ev, fields, name, at) for name in _FLAGS}
    if is_input and (flags["control"] or flags["advance_switch"]):
        raise CslError("a fabin_dsd neither sends control wavelets nor moves switches", at)
    dsd = core.MakeFabDsd(
        type,
        None if queue is None else core.Const(handle, queue),
        None if color is None else constant(Handle.COLOR, color.data),
        to_core(ev, extent, at),
        control=flags["control"],
        advance_switch=flags["advance_switch"],
        simd=_simd(fields, at),
        takes_index=flags["wavelet_index_offset"],
        control_transform=flags["control_transform"],
    )
    return Dynamic(type, dsd, is_known(extent))


def _handle_field(
    ev: Evaluator, fields: StructValue, name: str, handle: Handle, at: Location
) -> Known | None:
    value = fields.fields.get(name)
    if value is None:
        return None
    if not isinstance(value, Known) or value.type is not handle:
        raise CslError(f".{name} is a {handle.value}, not {ev.name_of(value)}", at)
    return value


def _require(
    ev: Evaluator, type: Dsd, queue: int | None, color: Known | None, at: Location
) -> None:
    """The rules of the architectures on queues and colors of fabric descriptors."""
    if ev.context.arch == "wse3" and queue is None:
        field = "input_queue" if type.kind == "fabin" else "output_queue"
        raise CslError(f"a {type_name(type)} needs .{field} on wse3", at)
    if ev.context.arch == "wse2" and color is None and (type.kind == "fabout" or queue is None):
        raise CslError(f"a {type_name(type)} needs .fabric_color on wse2", at)


def _flag(ev: Evaluator, fields: StructValue, name: str, at: Location) -> bool:
    value = fields.fields.get(name)
    if value is None:
        return False
    return bool(ev.uniform(ev.truth(value, at)))


def _simd(fields: StructValue, at: Location) -> Literal["off", "simd_32", "simd_64"]:
    mode = fields.fields.get("simd_mode")
    if mode is None:
        return "off"
    if isinstance(mode, StructValue) and len(mode.fields) == 1:
        (name,) = mode.fields
        if name in _SIMD:
            return _SIMD[name]
    raise CslError("this is no SIMD mode", at, help=f"modes: {', '.join(_SIMD)}")


# ---- descriptors out of others


def _a_dsd(ev: Evaluator, node: syntax.Expr, kinds: tuple[str, ...], name: str) -> Dynamic:
    value = ev.value(node)
    if not isinstance(value, Dynamic) or not isinstance(value.type, Dsd):
        raise CslError(f"a DSD is expected, not {ev.name_of(value)}", node.at)
    if value.type.kind not in kinds:
        raise CslError(f"{name} does not take a {ev.name_of(value)}", node.at)
    return value


def _updated(
    ev: Evaluator,
    dsd: Dynamic,
    property: Literal["base", "offset", "length", "stride"],
    value: Value,
    element: Scalar | None,
    at: Location,
) -> Value:
    expr = to_core(ev, value, at)
    if dsd.is_constant and is_known(value):
        folded = _folded(dsd.expr, property, expr, element)
        if folded is not None:
            return Dynamic(dsd.type, folded, is_constant=True)
    if ev.is_comptime:
        raise not_supported("this change of a descriptor at compile time", at)
    type = cast(Dsd, dsd.type)
    return Dynamic(type, core.UpdateDsd(type, dsd.expr, property, expr, element))


def _folded(
    dsd: core.Expr, property: str, value: core.Expr, element: Scalar | None
) -> core.Expr | None:
    """The changed descriptor, when everything is known; None when it cannot be written so."""
    match dsd, property:
        case core.MakeMemDsd(), "base":
            return replace(dsd, base=value)
        case core.MakeMemDsd(), "length":
            return replace(dsd, extents=(value,))
        case core.MakeMemDsd(), "stride":
            return replace(dsd, strides=(value,))
        case core.MakeMemDsd(base=base), "offset":
            type: Any = base.type
            if type.target is not element:
                return None
            return replace(dsd, base=move(base, value, type))
        case core.MakeFabDsd(), "length":
            return replace(dsd, extent=value)
        case _:
            return None


@builtin("@set_dsd_base_addr")
def _set_dsd_base_addr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, second = arguments(node, 2)
    dsd = _a_dsd(ev, first, ("mem1d", "mem4d"), node.name)
    raw = ev.raw(second)
    if isinstance(raw, MemoryPlace) and not isinstance(raw.type, ArrayType):
        raise CslError(f"an array or a pointer is expected, not {type_name(raw.type)}", second.at)
    return _updated(ev, dsd, "base", element_pointer(ev, raw, second.at), None, node.at)


@builtin("@increment_dsd_offset")
def _increment_dsd_offset(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, second, third = arguments(node, 3)
    dsd = _a_dsd(ev, first, ("mem1d", "mem4d"), node.name)
    element = scalar_of(ev.type(third))
    if element is None:
        raise CslError("the type of the elements is expected", third.at)
    count = ev.value(second)
    own = type_of(count)
    if isinstance(count, Dynamic) and is_integer(own):
        return _updated(ev, dsd, "offset", count, element, node.at)
    return _updated(
        ev, dsd, "offset", integer_as(ev, count, Scalar.I16, second.at), element, node.at
    )


@builtin("@set_dsd_length")
def _set_dsd_length(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, second = arguments(node, 2)
    dsd = _a_dsd(ev, first, ("mem1d", "fabin", "fabout"), node.name)
    length = integer_as(ev, ev.value(second), Scalar.U16, second.at)
    return _updated(ev, dsd, "length", length, None, node.at)


@builtin("@set_dsd_stride")
def _set_dsd_stride(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, second = arguments(node, 2)
    dsd = _a_dsd(ev, first, ("mem1d",), node.name)
    stride = integer_as(ev, ev.value(second), Scalar.I8, second.at)
    return _updated(ev, dsd, "stride", stride, None, node.at)
