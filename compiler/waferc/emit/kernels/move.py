"""Data movement inside a PE: views copied in one operation where their strides allow."""

from __future__ import annotations

from waferc.emit.kernels.context import (
    KernelContext,
    Tile,
    copy,
    fill,
    immediate,
    move,
    position,
)
from waferc.emit.kernels.elementwise import broadcast
from waferc.emit.pe_program import Affine, For, If, LetScalar, Statement, variable
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import tile_move, tile_structure


def reshape(op: tile_move.Reshape, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """The same elements in the same order."""
    return copy(context.tile(op.x), result)


def permute(op: tile_move.Permute, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Dimensions in another order."""
    x = context.tile(op.x)
    steps = row_major(x.shape)
    source = View("x", x.array, tuple(steps[d] for d in op.dims))
    return nest(result.shape, [result.view("out"), source], move)


def slice_(op: tile_move.Slice, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Every `step`-th element of a dimension from `start`."""
    x = context.tile(op.x)
    steps = list(row_major(x.shape))
    start = Affine(op.start * steps[op.dim])
    steps[op.dim] *= op.step
    return nest(result.shape, [result.view("out"), View("x", x.array, tuple(steps), start)], move)


def expand(op: tile_move.Expand, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Broadcast."""
    source = broadcast("x", context.tile(op.x), result)
    return nest(result.shape, [result.view("out"), source], move)


def concat(op: tile_move.Concat, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Each part at its place along the dimension."""
    statements: list[Statement] = []
    out_steps = row_major(result.shape)
    start = 0
    for value in op.parts:
        part = context.tile(value)
        out = View("out", result.array, out_steps, Affine(start * out_steps[op.dim]))
        statements += nest(part.shape, [out, part.view("x")], move)
        start += part.shape[op.dim]
    return tuple(statements)


def pad(op: tile_move.Pad, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """The value everywhere, then the operand in the middle."""
    x = context.tile(op.x)
    steps = row_major(result.shape)
    corner = sum(before * step for before, step in zip(op.before, steps, strict=True))
    out = View("out", result.array, steps, Affine(corner))
    return (*fill(result, op.value), *nest(x.shape, [out, x.view("x")], move))


def fill_tile(
    op: tile_structure.Fill, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """One value everywhere."""
    return fill(result, op.value)


def shard(op: tile_move.Shard, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """The PE's block of a whole dimension; zero where the block lies beyond the extent."""
    x = context.tile(op.x)
    steps = row_major(x.shape)
    extent, block = x.shape[op.dim], op.block
    own = position(op.axis, block * steps[op.dim])
    source = View("x", x.array, steps, own)
    if block * context.region.extent(op.axis) == extent:
        return nest(result.shape, [result.view("out"), source], move)
    if extent < block:
        # only the first PE has elements, and not enough for its block
        part = (*result.shape[: op.dim], extent, *result.shape[op.dim + 1 :])
        first = nest(part, [result.view("out"), x.view("x")], move)
        return (*fill(result, 0.0), If(((f"pe_{op.axis} == 0", first),)))
    whole = nest(result.shape, [result.view("out"), source], move)
    slab = (*result.shape[: op.dim], 1, *result.shape[op.dim + 1 :])
    out_steps = row_major(result.shape)
    lane = nest(
        slab,
        [
            result.view("out").moved(variable("k", out_steps[op.dim])),
            source.moved(variable("k", steps[op.dim])),
        ],
        move,
    )
    partial = (
        *nest(result.shape, [result.view("out"), immediate(0.0, result.element)], move),
        *_lanes_before(extent, block, op.axis, lane),
    )
    return (If(((f"(pe_{op.axis} + 1) * {block} <= {extent}", whole),), partial),)


def _lanes_before(
    extent: int, block: int, axis: str, lane: tuple[Statement, ...]
) -> tuple[Statement, ...]:
    """`lane` for each index `k` of a block that lies before the extent (`valid` in number)."""
    return (
        LetScalar("valid", "i16", f"{extent} - pe_{axis} * {block}", 2),
        For("k", 0, min(block, extent % block or block), (If((("k < valid", lane),)),)),
    )
