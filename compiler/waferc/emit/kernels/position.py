"""Operations that depend on where a PE stands: masks, and rows gathered by index."""

from __future__ import annotations

import math

from waferc.emit.diagnostics import EmitError
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

_LARGEST_INDEX = 2**14  # sums of two positions fit i16


def causal_mask(
    op: tile_compute.CausalMask, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Minus infinity behind the diagonal: the tail of each row, whose length depends on the PE.

    Raises:
        EmitError: there are more positions than an i16 counts.
    """
    x = context.tile(op.x)
    *batch, rows, columns = x.shape
    if max(result.type.shape[-2:]) + abs(op.offset) > _LARGEST_INDEX:
        raise EmitError(
            f"a causal mask of {result.type.shape[-2]:,} x {result.type.shape[-1]:,} has no kernel",
            notes=[f"positions are i16, up to {_LARGEST_INDEX:,}"],
            help="use shorter sequences",
        )
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
