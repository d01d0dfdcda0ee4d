"""Operations that depend on where a PE stands: masks, and rows gathered by index."""

from __future__ import annotations

import math

from waferc.emit.kernels.context import (
    KernelContext,
    Tile,
    copy,
    immediate,
    move,
)
from waferc.emit.pe_program import (
    Affine,
    For,
    If,
    LetDsd,
    LetScalar,
    Memory,
    Moved,
    SetLength,
    Statement,
    variable,
)
from waferc.emit.views import View, merge, nest, row_major
from waferc_ir.ops import tile_compute
from waferc_ir.types import Split


def causal_mask(
    op: tile_compute.CausalMask, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Minus infinity behind the diagonal: the tail of each row, whose length depends on the PE."""
    x = context.tile(op.x)
    *batch, rows, columns = x.shape
    row_split, column_split = result.type.layout.splits[-2:]
    minus_infinity = immediate(-math.inf, result.element)
    # column `first` of the tile is the first that is hidden from row `row`
    shift = op.offset + 1
    terms = [f"row + {shift}" if shift >= 0 else f"row - {-shift}"]
    operations = 1
    if row_split is not None:
        terms.append(f"+ pe_{row_split.axis} * {row_split.block}")
        operations += 2
    if column_split is not None:
        terms.append(f"- pe_{column_split.axis} * {column_split.block}")
        operations += 2
    sizes, (steps,) = merge(batch, [row_major(x.shape)[:-2]])
    names = [f"g{level}" for level in range(len(sizes))]
    start = variable("row", columns)
    for name, step in zip(names, steps, strict=True):
        start = start.plus(variable(name, step))
    tail = Memory("row", result.array, (columns,), (1,))
    everything = LetDsd("row_at_first", Moved(tail, start.plus(variable("first"))))
    cut = SetLength(
        "tail_at_first", everything.named(), f"@as(u16, {columns} - first)", (columns + 1) // 2
    )
    whole = LetDsd("row_at_row", Moved(tail, start))
    partly = (everything, cut, move([cut.named(), minus_infinity]))
    fully = (whole, move([whole.named(), minus_infinity]))
    inner: tuple[Statement, ...] = (If((("first <= 0", fully), (f"first < {columns}", partly))),)
    for name, size in reversed(list(zip(names, sizes, strict=True))):
        inner = (For(name, 0, size, inner),)
    first = LetScalar("first", "i16", " ".join(terms), operations)
    return (*copy(x, result), For("row", 0, rows, (first, *inner)))


def mask_padding(
    op: tile_compute.MaskPadding, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """The value in every lane beyond the extent of a split dimension."""
    x = context.tile(op.x)
    statements: list[Statement] = [*copy(x, result)]
    steps = row_major(result.shape)
    masked = immediate(op.value, result.element)
    for dim, split in enumerate(result.type.layout.splits):
        if split is None:
            continue
        extent, pes = result.type.shape[dim], context.region.extent(split.axis)
        if split.block * pes == extent:
            continue
        slab = (*result.shape[:dim], 1, *result.shape[dim + 1 :])
        lane = nest(slab, [result.view("out").moved(variable("k", steps[dim])), masked], move)
        statements += _lanes_behind(extent, split, pes, lane)
    return tuple(statements)


def _lanes_behind(
    extent: int, split: Split, pes: int, lane: tuple[Statement, ...]
) -> tuple[Statement, ...]:
    """`lane` for each index `k` of the PE's block that lies at or behind the extent."""
    fewest = max(0, extent - (pes - 1) * split.block)
    expression = f"{extent} - pe_{split.axis} * {split.block}"
    loop = For("k", fewest, split.block, (If((("k >= valid", lane),)),))
    behind = f"(pe_{split.axis} + 1) * {split.block} > {extent}"
    return (If(((behind, (LetScalar("valid", "i16", expression, 2), loop)),)),)


def gather_rows(
    op: tile_compute.GatherRows, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Rows of the table by index; zeros for rows that the PE does not hold."""
    table, ids = context.tile(op.table), context.tile(op.ids)
    rows, width = table.shape
    split = table.type.layout.splits[0]
    own = f"@as(i32, pe_{split.axis}) * {rows}" if split is not None else ""
    index = f"@as(i32, {ids.array.name}[i])" if ids.element != "i32" else f"{ids.array.name}[i]"
    row = LetScalar("row", "i32", f"{index} - {own}" if own else index, 4)
    out = View("out", result.array, (1,)).moved(variable("i", width))
    source = View("table", table.array, (1,), Affine(0, (("@as(i16, row)", width),)))
    found = nest((width,), [out, source], move)
    missing = nest((width,), [out, immediate(0.0, result.element)], move)
    body = If(((f"row >= 0 and row < {rows}", found),), missing)
    return (For("i", 0, ids.elements, (row, body)),)
