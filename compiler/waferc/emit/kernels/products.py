"""Einstein sums of two tiles by products, then halves added to halves until one row is left.

One operation makes all products of a block. They lie in scratch memory, what is summed outermost,
so that halves are contiguous.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from waferc.emit.cost import cycles
from waferc.emit.kernels.context import KernelContext, Tile, fill, operation, suffix
from waferc.emit.pe_program import (
    Affine,
    Array,
    DsdOperation,
    Element,
    For,
    Operand,
    Statement,
)
from waferc.emit.views import View, nest, row_major
from waferc.layouts.products import row_pitches
from waferc_ir.ops import tile_compute


def by_products(
    op: tile_compute.Contract, result: Tile, block: Mapping[str, int], context: KernelContext
) -> tuple[Statement, ...]:
    """The contraction in blocks; `block` has the extent of every letter in one of them."""
    lhs, rhs = context.tile(op.lhs), context.tile(op.rhs)
    places = [
        dict(zip(dims, row_major(tile.shape), strict=True))
        for dims, tile in ((op.out_dims, result), (op.lhs_dims, lhs), (op.rhs_dims, rhs))
    ]
    sizes = dict(zip(op.lhs_dims, lhs.shape, strict=True)) | dict(
        zip(op.rhs_dims, rhs.shape, strict=True)
    )
    trips = {c: sizes[c] // inside for c, inside in block.items() if sizes[c] != inside}
    names = {c: f"block_{c}" for c in trips}
    summed = [c for c in sizes if c not in op.out_dims]
    starts = [
        Affine(0, tuple((names[c], block[c] * steps[c]) for c in trips if c in steps))
        for steps in places
    ]
    out = View("out", result.array, tuple(places[0][c] for c in op.out_dims), starts[0])
    factors = [
        (View(role, tile.array, (), start), steps)
        for role, tile, steps, start in (
            ("lhs", lhs, places[1], starts[1]), ("rhs", rhs, places[2], starts[2]),
        )
    ]  # fmt: skip
    kept = [block[c] for c in op.out_dims]
    body: tuple[Statement, ...]
    if all(sizes[c] == 1 for c in summed):
        body = _multiply(op.out_dims, block, places[0], out, factors, result)
    else:
        scratch = context.scratch[result.element]
        accumulates = any(c in trips for c in summed)
        rows, row = math.prod(block[c] for c in summed), math.prod(kept)
        home = View("products", scratch, ())
        plans: list[tuple[Statement, ...]] = []
        for pitch in row_pitches(row, result.type.dtype):
            steps = dict(zip(summed, _scaled([block[c] for c in summed], pitch), strict=True))
            steps |= zip(op.out_dims, row_major(kept), strict=True)
            folded = _folded(scratch, rows, pitch, kept, None if accumulates else out)
            for letters in ("".join(summed) + op.out_dims, op.out_dims + "".join(summed)):
                products = _multiply(letters, block, steps, home, factors, result)
                plans.append((*products, *folded))
        body = min(plans, key=lambda plan: cycles(plan, context.machine))
        if accumulates:
            row = View("products", scratch, row_major(kept))
            body = (*body, *nest(kept, [out, out, row], _operation("fadd", result.element)))
    for letter in sorted(trips, key=lambda c: c in summed, reverse=True):
        body = (For(names[letter], 0, trips[letter], body),)
    if any(c in trips for c in summed):
        return (*fill(result, 0.0), *body)
    return body


def _multiply(
    letters: str,
    block: Mapping[str, int],
    steps: Mapping[str, int],
    home: View,
    factors: Sequence[tuple[View, Mapping[str, int]]],
    result: Tile,
) -> tuple[Statement, ...]:
    """All products of a block, visited in the order of `letters`."""

    def along(view: View, strides: Mapping[str, int]) -> View:
        return View(view.role, view.array, tuple(strides.get(c, 0) for c in letters), view.offset)

    views = [along(home, steps), *(along(view, strides) for view, strides in factors)]
    return nest([block[c] for c in letters], views, _operation("fmul", result.element))


def _folded(
    scratch: Array, rows: int, pitch: int, kept: Sequence[int], out: View | None
) -> tuple[Statement, ...]:
    """Rows of scratch memory, `pitch` apart, added up: into `out`, or into the first of them."""
    add = _operation("fadd", scratch.element)
    statements: list[Statement] = []
    while rows > 1:
        half = rows // 2
        behind = Affine((rows - half) * pitch)
        if rows == 2 and out is not None:
            row = View("products", scratch, row_major(kept))
            statements += nest(kept, [out, row, row.moved(behind)], add)
        else:  # what lies between the rows is added up with them
            some = View("products", scratch, (1,))
            statements += nest((half * pitch,), [some, some, some.moved(behind)], add)
        rows -= half
    return tuple(statements)


def _scaled(extents: Sequence[int], pitch: int) -> tuple[int, ...]:
    return tuple(step * pitch for step in row_major(extents))


def _operation(name: str, element: Element) -> Callable[[Sequence[Operand]], DsdOperation]:
    return lambda operands: operation(f"{name}{suffix(element)}", *operands)
