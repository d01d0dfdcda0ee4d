"""Strategies of operations that move data: dimensions they touch are whole, others free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from waferc.layouts.strategy import (
    AnyFamily,
    Family,
    Space,
    Strategy,
    copied,
    local_elements,
    result_of,
    tensor,
)
from waferc_ir.ops import graph_move as graph
from waferc_ir.ops import tile_move as tile
from waferc_ir.ops.declare import Op
from waferc_ir.ops.layouts import reshape_layout
from waferc_ir.program import Value
from waferc_ir.types import Layout


def _reshape(op: graph.Reshape, space: Space) -> Iterator[Strategy]:
    x = tensor(op.x)
    found: dict[Layout, Layout] = {}
    for layout in space.grid.layouts(x.shape):
        result = reshape_layout(x.shape, op.shape, layout)
        if result is not None:
            found[layout] = result
    for result in space.grid.layouts(op.shape):
        layout = reshape_layout(op.shape, x.shape, result)
        # the way back may lose a split of an extent 1, which a candidate never has
        if layout is not None and reshape_layout(x.shape, op.shape, layout) == result:
            found[layout] = result
    for layout, result in found.items():
        yield Strategy((layout,), result, 0)


def _lower_reshape(op: graph.Reshape, operands: tuple[Value, ...]) -> Op:
    return tile.Reshape(operands[0], op.shape)


def _permute(op: graph.Permute, space: Space) -> Iterator[Strategy]:
    x = tensor(op.x)
    for layout in space.grid.layouts(x.shape):
        result = Layout(tuple(layout.splits[dim] for dim in op.dims))
        yield Strategy((layout,), result, copied(space, x.shape, layout, x.dtype))


def _lower_permute(op: graph.Permute, operands: tuple[Value, ...]) -> Op:
    return tile.Permute(operands[0], op.dims)


def _in_place(op: Op, touched: Iterable[int], space: Space) -> Iterator[Strategy]:
    """One layout for all operands and the result, which splits no touched dimension."""
    result = result_of(op)
    whole = set(touched)
    operands = op.operands()
    for layout in space.grid.layouts(result.shape):
        if all(layout.splits[dim] is None for dim in whole):
            cycles = copied(space, result.shape, layout, result.dtype)
            yield Strategy((layout,) * len(operands), layout, cycles)


def _slice(op: graph.Slice, space: Space) -> Iterator[Strategy]:
    return _in_place(op, (op.dim,), space)


def _lower_slice(op: graph.Slice, operands: tuple[Value, ...]) -> Op:
    return tile.Slice(operands[0], op.dim, op.start, op.stop, op.step)


def _concat(op: graph.Concat, space: Space) -> Iterator[Strategy]:
    return _in_place(op, (op.dim,), space)


def _lower_concat(op: graph.Concat, operands: tuple[Value, ...]) -> Op:
    return tile.Concat(operands, op.dim)


def _pad(op: graph.Pad, space: Space) -> Iterator[Strategy]:
    touched = {dim for dim in range(len(op.before)) if op.before[dim] or op.after[dim]}
    for layout in space.grid.layouts(result_of(op).shape):
        if all(layout.splits[dim] is None for dim in touched):
            x = tensor(op.x)
            inner = space.cost.copied(local_elements(x.shape, layout), x.dtype)
            filled = space.cost.filled(local_elements(result_of(op).shape, layout), x.dtype)
            yield Strategy((layout,), layout, inner + filled)


def _lower_pad(op: graph.Pad, operands: tuple[Value, ...]) -> Op:
    return tile.Pad(operands[0], op.before, op.after, op.value)


def _expand(op: graph.Expand, space: Space) -> Iterator[Strategy]:
    x = tensor(op.x)
    front = len(op.shape) - x.rank
    for layout in space.grid.layouts(x.shape):
        grown = any(
            split is not None and x.shape[dim] != op.shape[front + dim]
            for dim, split in enumerate(layout.splits)
        )
        if not grown:
            result = Layout((None,) * front + layout.splits)
            yield Strategy((layout,), result, copied(space, op.shape, result, x.dtype))


def _lower_expand(op: graph.Expand, operands: tuple[Value, ...]) -> Op:
    return tile.Expand(operands[0], op.shape)


MOVEMENT: tuple[AnyFamily, ...] = (
    Family(graph.Reshape, _reshape, _lower_reshape),
    Family(graph.Permute, _permute, _lower_permute),
    Family(graph.Slice, _slice, _lower_slice),
    Family(graph.Concat, _concat, _lower_concat),
    Family(graph.Pad, _pad, _lower_pad),
    Family(graph.Expand, _expand, _lower_expand),
)
