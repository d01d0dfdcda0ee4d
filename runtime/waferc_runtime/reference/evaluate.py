"""Values of single expression nodes from the values of their operands; no time, no control flow."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins import scalar
from waferc_runtime.builtins.scalar import Uniform
from waferc_runtime.csl import core
from waferc_runtime.reference.memory import Address, FabricDsd, MemoryDsd, OutsideObjectError, Value
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Thread


def number(value: Value) -> Uniform:
    """A value that the front end has typed as a scalar or a handle."""
    assert isinstance(value, bool | int | float | np.floating), value
    return value


def address(value: Value) -> Address:
    """A value that the front end has typed as a pointer."""
    assert isinstance(value, Address), value
    return value


def integers(values: Sequence[Value]) -> tuple[int, ...]:
    """Values that the front end has typed as integers."""
    return tuple(int(number(value)) for value in values)


def scalar_type(kind: core.CoreType) -> core.Scalar:
    """A type that the front end has found to be a scalar's; a handle is a number of 16 bits."""
    if isinstance(kind, core.Handle):
        return core.Scalar.U16
    assert isinstance(kind, core.Scalar), kind
    return kind


def _single(value: scalar.Value) -> Uniform:
    return value.item() if isinstance(value, np.ndarray) else value


@contextmanager
def memory_faults(state: State, thread: Thread, at: Location | None) -> Generator[None, Any, None]:
    """Turn an access outside an object into an error with PE and place."""
    try:
        yield
    except OutsideObjectError as fault:
        raise state.error(str(fault), thread, at) from fault


def constant(state: State, node: core.Const) -> Uniform:
    """The value of a constant on this PE."""
    value = node.value
    single = scalar.from_item(value[state.lane]) if isinstance(value, np.ndarray) else value
    return scalar.uniform(single, node.type) if isinstance(node.type, core.Scalar) else single


def operands_of(node: core.Expr) -> tuple[core.Expr, ...]:
    """The operands of the nodes that `computed` computes."""
    match node:
        case core.AddressOf(_, _, index):
            return (index,)
        case core.PointerAdd(_, pointer, index):
            return (pointer, index)
        case core.PointerCast(_, x) | core.Load(_, x) | core.Convert(_, x) | core.Bitcast(_, x):
            return (x,)
        case core.UnaryExpr(_, _, x):
            return (x,)
        case core.BinaryExpr(_, _, lhs, rhs) | core.CompareExpr(_, lhs, rhs):
            return (lhs, rhs)
        case _:
            return ()


def computed(state: State, thread: Thread, node: core.Expr, operands: Sequence[Value]) -> Value:
    """Arithmetic and addresses: the value of a node from the values of its operands."""
    match node:
        case core.AddressOf(_, target):
            origin = Address(state.blocks[target], 0)
            return origin.moved(int(number(operands[0])), target.element)
        case core.PointerAdd(kind):
            return address(operands[0]).moved(int(number(operands[1])), kind.target)
        case core.PointerCast():
            return operands[0]
        case core.Load(kind, _, at):
            with memory_faults(state, thread, at):
                return address(operands[0]).load(kind)
        case core.UnaryExpr(kind, op):
            return _single(scalar.unary(op, kind)(number(operands[0])))
        case core.BinaryExpr(kind, op):
            lhs, rhs = operands
            try:
                return _single(scalar.binary(op, kind)(number(lhs), number(rhs)))
            except scalar.ZeroDivisorError as fault:
                raise state.error("an integer is divided by zero", thread) from fault
        case core.CompareExpr(op):
            lhs, rhs = operands
            return _single(scalar.compare(op)(number(lhs), number(rhs)))
        case core.Convert(kind, x):
            return _single(scalar.convert(number(operands[0]), scalar_type(x.type), kind))
        case core.Bitcast(kind, x):
            return _single(scalar.bitcast(number(operands[0]), scalar_type(x.type), kind))
        case _:
            raise state.error(f"{type(node).__name__} is not supported", thread)


def fabric_dsd(state: State, thread: Thread, node: core.MakeFabDsd, length: int) -> FabricDsd:
    """A fabin or fabout; a color that is not named is that of the queue."""
    queue = int(constant(state, node.queue)) if isinstance(node.queue, core.Const) else None
    color = int(constant(state, node.color)) if isinstance(node.color, core.Const) else None
    is_bound = color is None
    if color is None and queue is not None:
        if node.type.kind == "fabin":
            color = next((c for c, q in state.input_queues.items() if q == queue), None)
        else:
            color = state.output_colors.get(queue)
    if color is None:
        raise state.error("a fabric DSD has no color", thread)
    depths = (
        state.machine.input_queue_depths
        if node.type.kind == "fabin"
        else state.machine.output_queue_depths
    )
    if queue is not None and not 0 <= queue < len(depths):
        raise state.error(f"{state.machine.name} has no queue {queue}, which is used", thread)
    return FabricDsd(
        node.type,
        color,
        queue,
        length,
        packed=node.simd != "off",
        is_bound=is_bound,
        is_control=node.control,
        flips_switch=node.advance_switch,
        takes_index=node.takes_index,
        carries_control=node.control_transform,
    )


def updated(
    state: State, thread: Thread, node: core.UpdateDsd, dsd: Value, value: Value
) -> MemoryDsd | FabricDsd:
    """A DSD with one property changed."""
    if isinstance(dsd, FabricDsd) and node.property == "length":
        return replace(dsd, length=int(number(value)))
    if not isinstance(dsd, MemoryDsd):
        raise state.error(f"the {node.property} of a DSD that has none is set", thread)
    match node.property:
        case "base":
            return replace(dsd, base=address(value))
        case "offset":
            element = node.element or core.Scalar.U16
            return replace(dsd, base=dsd.base.moved(int(number(value)), element))
        case "length":
            return replace(dsd, extents=(int(number(value)),))
        case "stride":
            return replace(dsd, strides=(int(number(value)),))
