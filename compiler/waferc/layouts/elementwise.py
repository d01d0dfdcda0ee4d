"""Strategies of operations that work element by element: any layout, operands aligned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from waferc.layouts.strategy import (
    AnyFamily,
    Family,
    Space,
    Strategy,
    local_elements,
    result_of,
    tensor,
)
from waferc_ir.ops import graph_compute as graph
from waferc_ir.ops import tile_compute as tile
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Layout


def aligned(shape: tuple[int, ...], operand: tuple[int, ...], layout: Layout) -> Layout:
    """Layout of an operand that broadcasts to `shape`: split alike, stretched dimensions whole."""
    front = len(shape) - len(operand)
    return Layout(
        tuple(
            layout.splits[front + dim] if extent == shape[front + dim] else None
            for dim, extent in enumerate(operand)
        )
    )


def _strategies(op: Op, fn: str, space: Space) -> Iterator[Strategy]:
    result = result_of(op)
    operands = [tensor(operand) for operand in op.operands()]
    for layout in space.grid.layouts(result.shape):
        elements = local_elements(result.shape, layout)
        yield Strategy(
            tuple(aligned(result.shape, operand.shape, layout) for operand in operands),
            layout,
            space.cost.elementwise(fn, elements, operands[0].dtype, len(operands)),
        )


def _unary(op: graph.Unary, space: Space) -> Iterator[Strategy]:
    return _strategies(op, op.fn, space)


def _lower_unary(op: graph.Unary, operands: tuple[Value, ...]) -> Op:
    return tile.Unary(operands[0], op.fn)


def _binary(op: graph.Binary, space: Space) -> Iterator[Strategy]:
    return _strategies(op, op.fn, space)


def _lower_binary(op: graph.Binary, operands: tuple[Value, ...]) -> Op:
    return tile.Binary(operands[0], operands[1], op.fn)


def _binary_scalar(op: graph.BinaryScalar, space: Space) -> Iterator[Strategy]:
    # a division by a constant is a multiplication; the other way round it stays a division
    fn = "mul" if op.fn == "div" and not op.reverse else op.fn
    return _strategies(op, fn, space)


def _lower_binary_scalar(op: graph.BinaryScalar, operands: tuple[Value, ...]) -> Op:
    return tile.BinaryScalar(operands[0], op.fn, op.value, op.reverse)


def _select(op: graph.Select, space: Space) -> Iterator[Strategy]:
    result, condition = result_of(op), tensor(op.condition)
    for strategy in _strategies(op, "select", space):
        elements = local_elements(result.shape, strategy.result)
        conditions = local_elements(condition.shape, strategy.operands[0])
        yield replace(strategy, cycles=space.cost.select(elements, conditions, result.dtype))


def _lower_select(op: graph.Select, operands: tuple[Value, ...]) -> Op:
    return tile.Select(operands[0], operands[1], operands[2])


def _cast(op: graph.Cast, space: Space) -> Iterator[Strategy]:
    x, dtype = tensor(op.x), op.dtype
    for layout in space.grid.layouts(x.shape):
        elements = local_elements(x.shape, layout)
        yield Strategy((layout,), layout, space.cost.cast(elements, x.dtype, dtype))


def _lower_cast(op: graph.Cast, operands: tuple[Value, ...]) -> Op:
    return tile.Cast(operands[0], op.dtype)


def _causal_mask(op: graph.CausalMask, space: Space) -> Iterator[Strategy]:
    x = tensor(op.x)
    for layout in space.grid.layouts(x.shape):
        *batch, rows, columns = layout.local_shape(x.shape)
        cycles = space.cost.causal_mask(rows, math.prod(batch), columns, x.dtype)
        yield Strategy((layout,), layout, cycles)


def _lower_causal_mask(op: graph.CausalMask, operands: tuple[Value, ...]) -> Op:
    return tile.CausalMask(operands[0], op.offset)


ELEMENTWISE: tuple[AnyFamily, ...] = (
    Family(graph.Unary, _unary, _lower_unary),
    Family(graph.Binary, _binary, _lower_binary),
    Family(graph.BinaryScalar, _binary_scalar, _lower_binary_scalar),
    Family(graph.Select, _select, _lower_select),
    Family(graph.Cast, _cast, _lower_cast),
    Family(graph.CausalMask, _causal_mask, _lower_causal_mask),
)
