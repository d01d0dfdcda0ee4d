"""Reductions and pooling: `out = fn(out, x)` over windows of the tile."""

from __future__ import annotations

import math
from collections.abc import Sequence

from waferc.emit.cost import cycles
from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels.context import (
    KernelContext,
    Tile,
    copy,
    fill,
    immediate,
    mapped,
    move,
    operation,
    suffix,
)
from waferc.emit.pe_program import (
    Affine,
    DsdOperation,
    For,
    Loaded,
    MapOperation,
    Operand,
    Pointer,
    Statement,
    variable,
)
from waferc.emit.views import View, merge, nest, row_major
from waferc_ir.ops import tile_compute

_FNS = {"sum": "fadd", "max": "fmax"}


def reduce(op: tile_compute.Reduce, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Reduction of whole dimensions of the tile.

    Raises:
        EmitError: the dimension to reduce is empty, or elements are integers and fn is sum.
    """
    x = context.tile(op.x)
    steps = row_major(x.shape)
    reduced = [d for d in range(len(x.shape)) if d in op.dims]
    kept = [d for d in range(len(x.shape)) if d not in op.dims]
    if math.prod(x.shape[d] for d in reduced) == 1:
        return copy(x, result)
    out_steps = row_major(result.shape)
    return _windows(
        op.fn,
        result,
        x,
        [x.shape[d] for d in kept],
        [out_steps[d] for d in kept],
        [steps[d] for d in kept],
        [x.shape[d] for d in reduced],
        [steps[d] for d in reduced],
        context,
    )


def pool2d(op: tile_compute.Pool2d, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Max or mean over windows of the last two dimensions.

    Raises:
        EmitError: there is padding; the program must pad before.
    """
    if any(op.padding):
        raise EmitError(
            "tile.pool2d with padding has no kernel", help="decompose writes padding as an own step"
        )
    x = context.tile(op.x)
    n, c, height, width = x.shape
    rows, columns = result.shape[2:]
    kept = [n * c, rows, columns]
    down, right = op.stride
    body = _windows(
        "max" if op.fn == "max" else "sum",
        result,
        x,
        kept,
        [rows * columns, columns, 1],
        [height * width, width * down, right],
        list(op.kernel),
        [width, 1],
        context,
    )
    if op.fn == "max":
        return body
    scale = immediate(1.0 / math.prod(op.kernel), x.element)
    name = f"fmul{suffix(x.element)}"
    whole = View("out", result.array, (1,))
    return (
        *body,
        *nest((result.elements,), [whole, whole, scale], lambda o: operation(name, *o)),
    )


def _windows(
    fn: str,
    result: Tile,
    x: Tile,
    kept: Sequence[int],
    out_steps: Sequence[int],
    kept_steps: Sequence[int],
    window: Sequence[int],
    window_steps: Sequence[int],
    context: KernelContext,
) -> tuple[Statement, ...]:
    """`out[kept] = fn over window of x[kept, window]`; steps are element strides."""
    if math.prod(kept) == 0:
        return ()
    if math.prod(window) == 0:
        if fn != "sum":
            raise EmitError(f"{fn} over an empty dimension has no value")
        return fill(result, 0.0)
    sizes, (steps,) = merge(window, [window_steps])
    strided = _by_elements(fn, result, x, (kept, out_steps, kept_steps), (sizes, steps), context)
    if not x.is_float or fn not in _FNS:
        return strided
    rows = _by_rows(fn, result, x, (kept, out_steps, kept_steps), (sizes, steps))
    return min(strided, rows, key=lambda body: cycles(body, context.machine))


def _by_elements(
    fn: str,
    result: Tile,
    x: Tile,
    kept: tuple[Sequence[int], Sequence[int], Sequence[int]],
    window: tuple[Sequence[int], Sequence[int]],
    context: KernelContext,
) -> tuple[Statement, ...]:
    """One vector operation over the kept elements for each place in the window."""
    extents, out_steps, steps = kept
    out = View("out", result.array, tuple(out_steps))
    source = View("x", x.array, tuple(steps))
    first = nest(extents, [out, source], move)
    sizes, window_steps = window
    if len(sizes) == 1:
        # the first place is copied, the others are folded in
        at = source.moved(Affine(0, (("k", window_steps[0]),)))
        body = nest(extents, [out, out, at], _Fold(fn, x, context))
        return (*first, For("k", 1, sizes[0], body))
    names = [f"k{level}" for level in range(len(sizes))]
    at = source
    for name, step in zip(names, window_steps, strict=True):
        at = at.moved(variable(name, step))
    body = nest(extents, [out, out, at], _Fold(fn, x, context))
    for name, size in reversed(list(zip(names, sizes, strict=True))):
        body = (For(name, 0, size, body),)
    if fn == "sum":
        return (*fill(result, 0.0), *body)
    return (*first, *body)


class _Fold:
    """`out = fn(out, x)` for operands [out, out, x]."""

    def __init__(self, fn: str, x: Tile, context: KernelContext) -> None:
        self._name = f"{_FNS[fn]}{suffix(x.element)}" if x.is_float and fn in _FNS else None
        if self._name is None:
            name = "add" if fn == "sum" else fn
            self._function = (
                context.float_function(name, x.element)
                if x.is_float
                else context.functions.integer_function(name, x.element, x.element)
            )

    def __call__(self, operands: Sequence[Operand]) -> DsdOperation | MapOperation:
        if self._name is not None:
            return operation(self._name, *operands)
        return mapped(self._function, *operands)


def _by_rows(
    fn: str,
    result: Tile,
    x: Tile,
    kept: tuple[Sequence[int], Sequence[int], Sequence[int]],
    window: tuple[Sequence[int], Sequence[int]],
) -> tuple[Statement, ...]:
    """For each kept element one operation that folds its window into a scalar."""
    extents, (out_steps, steps) = merge(kept[0], [kept[1], kept[2]])
    sizes, window_steps = window
    start = fill(result, 0.0 if fn == "sum" else -math.inf)
    names = [f"m{level}" if len(extents) > 1 else "m" for level in range(len(extents))]
    place, at = Affine(), View("x", x.array, tuple(window_steps))
    for name, out_step, step in zip(names, out_steps, steps, strict=True):
        place = place.plus(variable(name, out_step))
        at = at.moved(variable(name, step))
    name = f"{_FNS[fn]}{suffix(x.element)}"
    total = (Pointer(result.array, place), Loaded(result.array, place))
    body = nest(sizes, [*total, at], lambda o: operation(name, *o))
    for variable_name, extent in reversed(list(zip(names, extents, strict=True))):
        body = (For(variable_name, 0, extent, body),)
    return (*start, *body)
