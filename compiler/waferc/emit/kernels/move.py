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
from waferc.emit.pe_program import Affine, If, Statement
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import tile_compute, tile_move, tile_structure
from waferc_ir.types import Axis


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
    full, rest = divmod(extent, block)

    def lanes(count: int, start: Affine) -> tuple[Statement, ...]:
        shape = (*result.shape[: op.dim], count, *result.shape[op.dim + 1 :])
        source = View("x", x.array, steps, start)
        return nest(shape, [result.view("out"), source], move)

    whole = lanes(block, position(op.axis, block * steps[op.dim]))
    part = (
        *_lanes_from(result, op.dim, rest, 0.0),
        *lanes(rest, Affine(full * block * steps[op.dim])),
    )
    return by_blocks(
        op.axis, context.region.extent(op.axis), (full, rest), whole, part, fill(result, 0.0)
    )


def by_blocks(
    axis: Axis,
    pes: int,
    blocks: tuple[int, int],
    whole: tuple[Statement, ...],
    part: tuple[Statement, ...],
    nothing: tuple[Statement, ...],
) -> tuple[Statement, ...]:
    """What PEs do that hold a whole block, a part of one, and no element of a split dimension.

    `blocks` is the number of whole blocks and what is left of the dimension.
    """
    full, rest = blocks
    if full >= pes:
        return whole
    branches = [(f"pe_{axis} < {full}", whole)] if full and whole else []
    if rest:
        branches.append((f"pe_{axis} == {full}", part))
    if full + (rest > 0) >= pes:
        *before, (_, last) = branches
        return (If(tuple(before), last),) if before else last
    return (If(tuple(branches), nothing),) if branches else nothing


def mask_padding(
    op: tile_compute.MaskPadding, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """The value in every lane beyond the extent of a split dimension."""
    statements: list[Statement] = [*copy(context.tile(op.x), result)]
    for dim, split in enumerate(result.type.layout.splits):
        if split is None:
            continue
        full, rest = divmod(result.type.shape[dim], split.block)
        pes = context.region.extent(split.axis)
        behind = _lanes_from(result, dim, rest, op.value)
        everything = fill(result, op.value)
        place = f"pe_{split.axis}"
        branches: list[tuple[str, tuple[Statement, ...]]] = []
        if rest and full < pes:
            branches.append((f"{place} == {full}", behind))
        if full + (rest > 0) < pes:
            branches.append((f"{place} > {full}" if rest else f"{place} >= {full}", everything))
        if branches:
            statements.append(If(tuple(branches)))
    return tuple(statements)


def _lanes_from(tile: Tile, dim: int, first: int, value: float) -> tuple[Statement, ...]:
    """The value in lanes `first` and behind of a dimension of the tile."""
    steps = row_major(tile.shape)
    shape = (*tile.shape[:dim], tile.shape[dim] - first, *tile.shape[dim + 1 :])
    behind = View("padding", tile.array, steps, Affine(first * steps[dim]))
    return nest(shape, [behind, immediate(value, tile.element)], move)
