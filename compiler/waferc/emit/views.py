"""Strided views of tiles, and loop nests of DSD operations over them.

A view says where element (i0, i1, ...) of an index space lies in an array. Broadcasts,
permutations, slices and windows are views; `nest` walks any number of them together with as few
DSD operations as their strides allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from waferc.emit.pe_program import (
    Affine,
    Array,
    CallVectors,
    Descriptor,
    DsdOperation,
    For,
    LetDsd,
    MapOperation,
    Memory,
    Moved,
    Operand,
    Statement,
    variable,
)

MAX_DIMS = 4  # of a mem4d DSD
ORIGIN = Affine()


@dataclass(frozen=True, slots=True)
class View:
    """Element (i0, ...) is at `offset + i0 * strides[0] + ...` of `array`. `role` names its DSD."""

    role: str
    array: Array
    strides: tuple[int, ...]
    offset: Affine = ORIGIN

    def moved(self, by: Affine) -> View:
        """The view that starts `by` elements later."""
        return replace(self, offset=self.offset.plus(by))


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Element strides of a row-major array."""
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def merge(
    extents: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The same index space with fewer dimensions: neighbours that all `strides` allow are joined.

    Dimensions of extent 1 are dropped; strides are one sequence per operand.
    """
    columns = [
        (extent, [operand[d] for operand in strides])
        for d, extent in enumerate(extents)
        if extent != 1
    ]
    joined: list[tuple[int, list[int]]] = []
    for extent, steps in columns:
        if joined:
            outer, outer_steps = joined[-1]
            if all(o == s * extent for o, s in zip(outer_steps, steps, strict=True)):
                joined[-1] = (outer * extent, steps)
                continue
        joined.append((extent, steps))
    return (
        tuple(extent for extent, _ in joined),
        [tuple(steps[n] for _, steps in joined) for n in range(len(strides))],
    )


def descriptor(view: View, extents: Sequence[int]) -> Memory | Moved:
    """The DSD of a view over an index space of at most four dimensions."""
    own_extents, (own_strides,) = merge(extents, [view.strides])
    if not own_extents:
        own_extents, own_strides = (1,), (1,)
    base = Memory(view.role, view.array, own_extents, own_strides, view.offset.constant)
    return Moved(base, Affine(0, view.offset.terms)) if view.offset.terms else base


def nest(
    extents: Sequence[int],
    operands: Sequence[View | Operand],
    operation: Callable[[Sequence[Operand]], DsdOperation | MapOperation | CallVectors],
    variables: str = "d",
) -> tuple[Statement, ...]:
    """Statements that apply `operation` to all elements of the index space, row-major.

    `operands` are views, or what is handed on as it is (scalars, fabric DSDs); `operation` gets
    them as operands in the same order. Dimensions beyond four become loops.
    """
    if any(extent == 0 for extent in extents):
        return ()
    views = [operand for operand in operands if isinstance(operand, View)]
    small, strides = merge(extents, [view.strides for view in views])
    depth = max(0, len(small) - MAX_DIMS)
    loops = [(f"{variables}{level}", small[level]) for level in range(depth)]
    lets: list[Statement] = []
    named: dict[View, Descriptor] = {}
    for view, steps in zip(views, strides, strict=True):
        offset = view.offset
        for (name, _), step in zip(loops, steps[:depth], strict=True):
            offset = offset.plus(variable(name, step))
        inner = replace(view, strides=steps[depth:], offset=offset)
        dsd = descriptor(inner, small[depth:])
        if isinstance(dsd, Moved) and view not in named:
            place = re.findall(r"[a-z]\w*", dsd.by.terms[-1][0])[-1]
            let = LetDsd(f"{view.role}_at_{place}", dsd)
            lets.append(let)
            named[view] = let.named()
        elif view not in named:
            named[view] = dsd
    placed = [named[o] if isinstance(o, View) else o for o in operands]
    body: tuple[Statement, ...] = (*lets, operation(placed))
    for name, extent in reversed(loops):
        body = (For(name, 0, extent, body),)
    return body
