"""Registers: DSRs and what is loaded into them, FIFOs, configuration registers."""

from __future__ import annotations

from typing import Literal, cast

from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.builtin_dsd import integer_as
from waferc_runtime.csl.conversion import as_core, to_core
from waferc_runtime.csl.core import Dsd, Dsr, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.operation_config import flag, operation_config, task_id
from waferc_runtime.csl.types import ArrayType, CslType, Meta, type_name
from waferc_runtime.csl.values import (
    Dynamic,
    Known,
    MemoryPlace,
    StructValue,
    Value,
    Void,
    is_known,
    type_of,
)

REGISTERS = 64  # of each file; the documentation names no number, programs use 0 to 7
_LOAD = ("save_address", "single_step")
_FIFO = ("activate_pop", "activate_push", "priority", "simd_mode")
_FIXED_FIFO = ("empty_action", "full_action", "dest", "src", "xdsr")


@builtin("@get_dsr")
def _get_dsr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    target, id = arguments(node, 2)
    type = ev.type(target)
    if not isinstance(type, Dsr):
        raise CslError(f"a DSR type is expected, not {type_name(type)}", target.at)
    return Known(type, _register(ev, type, id))


@builtin("@get_xdsr")
def _get_xdsr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return Known(Meta.XDSR, _register(ev, Meta.XDSR, arguments(node, 1)[0]))


@builtin("@get_sr")
def _get_sr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return Known(Meta.SR, _register(ev, Meta.SR, arguments(node, 1)[0]))


def _register(ev: Evaluator, type: CslType, node: syntax.Expr) -> int:
    id = ev.integer(node)
    if not 0 <= id < REGISTERS:
        notes = [f"they are 0 to {REGISTERS - 1}"]
        raise CslError(f"there is no {type_name(type)} {id}", node.at, notes=notes)
    return id


# ---- loads


@builtin("@load_to_dsr")
def _load_to_dsr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    dsr, dsd, *config = arguments(node, 2, 3)
    return _load(ev, node, dsr, dsd, config)


@builtin("@load_to_dsr_xdsr")
def _load_to_dsr_xdsr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    dsr, extended, dsd, *config = arguments(node, 3, 4)
    _of_type(ev, extended, Meta.XDSR)
    return _load(ev, node, dsr, dsd, config)


@builtin("@load_to_dsr_xdsr_sr")
def _load_to_dsr_xdsr_sr(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    dsr, extended, stride, dsd, *config = arguments(node, 4, 5)
    _of_type(ev, extended, Meta.XDSR)
    _of_type(ev, stride, Meta.SR)
    return _load(ev, node, dsr, dsd, config)


def _of_type(ev: Evaluator, node: syntax.Expr, type: CslType) -> None:
    value = ev.known(node)
    if type_of(value) is not type:
        raise CslError(f"a {type_name(type)} is expected, not {ev.name_of(value)}", node.at)


def _load(
    ev: Evaluator,
    node: syntax.BuiltinCall,
    dsr_node: syntax.Expr,
    dsd_node: syntax.Expr,
    rest: list[syntax.Expr],
) -> Value:
    if ev.is_comptime and (ev.context.is_layout or not ev.is_setup):
        raise CslError(f"{node.name} belongs into a comptime block or a function", node.at)
    if ev.is_comptime:
        ev.require_all()
    dsr, dsd = ev.value(dsr_node), ev.value(dsd_node)
    file = type_of(dsr)
    if not isinstance(file, Dsr):
        raise CslError(f"a DSR is expected, not {ev.name_of(dsr)}", dsr_node.at)
    kind = type_of(dsd)
    if not isinstance(kind, Dsd) or kind.kind == "fifo":
        raise CslError(f"a DSD is expected, not {ev.name_of(dsd)}", dsd_node.at)
    if kind.kind == "fabin" and file.file == "dest":
        raise CslError("a fabin_dsd is not loaded into a dsr_dest", dsd_node.at)
    if kind.kind == "fabout" and file.file != "dest":
        raise CslError("a fabout_dsd is loaded into a dsr_dest", dsd_node.at)
    config, save_address, single_step = core.DsdConfig(), False, False
    if rest:
        given, at = ev.value(rest[0]), rest[0].at
        config = operation_config(ev, given, at, _LOAD)
        fields = cast(StructValue, given).fields
        save_address = flag(ev, fields.get("save_address"), at)
        single_step = flag(ev, fields.get("single_step"), at)
    if ev.is_comptime and not (is_known(dsr) and is_known(dsd)):
        raise CslError("what is loaded has to be known at compile time", dsd_node.at)
    load = core.LoadDsr(
        to_core(ev, dsr, dsr_node.at),
        to_core(ev, dsd, dsd_node.at),
        config,
        save_address,
        single_step,
        node.at,
    )
    (ev.context.dsrs if ev.is_comptime else ev.out).append(load)
    return Void()


# ---- FIFOs


@builtin("@allocate_fifo")
def _allocate_fifo(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, *rest = arguments(node, 1, 2)
    if not ev.is_comptime or ev.context.is_layout:
        raise CslError("a FIFO is a global constant", node.at)
    buffer = ev.raw(first)
    match buffer:
        case MemoryPlace(type=ArrayType(), pointer=core.AddressOf() as pointer):
            object = pointer.object
        case _:
            raise CslError("the buffer of a FIFO is a global array", first.at)
    fifo = core.Fifo(f"{object.name}.fifo", object, at=node.at)
    if rest:
        given, at = ev.known(rest[0]), rest[0].at
        fields = given.fields if isinstance(given, StructValue) else None
        if fields is None:
            raise CslError(f"a struct is expected, not {ev.name_of(given)}", at)
        for name in fields:
            if name in _FIXED_FIFO:
                raise not_supported(f"the field {name!r} of a FIFO", at)
            if name not in _FIFO:
                raise CslError(f"a FIFO has no field {name!r}", at)
        fifo.activate_pop = task_id(ev, fields.get("activate_pop"), at)
        fifo.activate_push = task_id(ev, fields.get("activate_push"), at)
    ev.context.fifos.append(fifo)
    return Dynamic(Dsd("fifo"), core.FifoValue(fifo), is_constant=True)


def _set_fifo_length(
    ev: Evaluator, node: syntax.BuiltinCall, side: Literal["read", "write"]
) -> Value:
    first, second = arguments(node, 2)
    if ev.is_comptime:
        raise CslError(f"{node.name} runs at run time only", node.at)
    value = ev.value(first)
    if not isinstance(value, Dynamic) or not isinstance(value.expr, core.FifoValue):
        raise CslError(f"a FIFO is expected, not {ev.name_of(value)}", first.at)
    length = to_core(ev, integer_as(ev, ev.value(second), Scalar.U16, second.at), second.at)
    ev.out.append(core.SetFifoLength(value.expr.fifo, side, length, node.at))
    return Void()


@builtin("@set_fifo_read_length")
def _set_fifo_read_length(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _set_fifo_length(ev, node, "read")


@builtin("@set_fifo_write_length")
def _set_fifo_write_length(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _set_fifo_length(ev, node, "write")


# ---- configuration registers


def _get_config(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    (address,) = arguments(node, 1)
    if ev.is_comptime:
        raise CslError(f"{node.name} runs at run time only", node.at)
    return Dynamic(Scalar.U16, core.GetConfig(_address(ev, address), at=node.at))


def _set_config(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    address, value, *_range = arguments(node, 2, 3)
    if ev.is_comptime and (ev.context.is_layout or not ev.is_setup):
        raise CslError(f"{node.name} belongs into a comptime block or a function", node.at)
    if ev.is_comptime:
        ev.require_all()
    word = as_core(ev, ev.value(value), Scalar.U16, value.at)
    write = core.SetConfig(_address(ev, address), word, node.at)
    (ev.context.configs if ev.is_comptime else ev.out).append(write)
    return Void()


def _address(ev: Evaluator, node: syntax.Expr) -> core.Expr:
    return to_core(ev, integer_as(ev, ev.value(node), Scalar.U16, node.at), node.at)


for _suffix in ("", "_unchecked"):
    builtin(f"@get_config{_suffix}")(_get_config)
    builtin(f"@set_config{_suffix}")(_set_config)
