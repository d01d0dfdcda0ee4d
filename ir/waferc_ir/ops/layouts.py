"""Layouts of tiled tensors: which are well-formed, and how they pass through operations."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_ir.ops.declare import Op
from waferc_ir.ops.shapes import Shape
from waferc_ir.program import Value
from waferc_ir.types import AXES, Layout, Partial, ReduceFn, Split, TiledType


def layout_problem(shape: Shape, layout: Layout) -> str | None:
    """What is wrong with a layout of a tensor of `shape`; None if nothing is.

    An axis splits at most one dimension, or is partial, or neither; blocks are at least 1;
    partial axes come in the order x, y and have one function.
    """
    if len(layout.splits) != len(shape):
        return f"layout {layout} has {len(layout.splits)} dimensions and the shape has {len(shape)}"
    for axis in AXES:
        dims = [dim for dim, split in enumerate(layout.splits) if split and split.axis == axis]
        if len(dims) > 1:
            return f"axis {axis} splits dimensions {dims[0]} and {dims[1]} in layout {layout}"
        if dims and any(partial.axis == axis for partial in layout.partial):
            return f"axis {axis} splits dimension {dims[0]} and is partial in layout {layout}"
    for split in layout.splits:
        if split is not None and split.block < 1:
            return f"a block of layout {layout} has {split.block} elements"
        if split is not None and split.first < 0:
            return f"a split of layout {layout} begins at PE {split.first}"
    axes = [partial.axis for partial in layout.partial]
    if axes != [axis for axis in AXES if axis in axes]:
        return f"partial axes are not in the order x, y in layout {layout}"
    if len({partial.fn for partial in layout.partial}) > 1:
        return f"partial axes have different functions in layout {layout}"
    return None


def declared_layout(op: Op, shape: Shape, layout: Layout) -> Layout:
    """A layout that an attribute states: well-formed and not partial."""
    problem = layout_problem(shape, layout)
    if problem is not None:
        op.refuse(problem)
    op.require(not layout.partial, f"layout {layout} is partial")
    return layout


def tiled(op: Op, value: Value, role: str, *, anywhere: bool = False) -> TiledType:
    """Type of an operand that must be a tiled tensor and not partial.

    Unless it may lie `anywhere`, the blocks of all splits must begin at PE 0.
    """
    given = maybe_partial(op, value, role)
    op.require(
        anywhere or not any(split is not None and split.first for split in given.layout.splits),
        f"{role} does not begin at PE 0: {given.layout}",
    )
    op.require(
        not given.layout.partial,
        f"{role} is partial, {given.layout}; collective.all_reduce finishes it",
    )
    return given


def maybe_partial(op: Op, value: Value, role: str) -> TiledType:
    """Type of an operand that must be a tiled tensor, partial or not."""
    given = value.type
    if not isinstance(given, TiledType):
        op.refuse(f"{role} is {given}, not a tiled tensor")
    problem = layout_problem(given.shape, given.layout)
    if problem is not None:
        op.refuse(f"{role}: {problem}")
    return given


def same_region(op: Op, operands: Sequence[tuple[str, TiledType]]) -> str:
    """The one region of all operands, each given as (role, type)."""
    role, first = operands[0]
    for other_role, other in operands[1:]:
        op.require(
            other.region == first.region,
            f"{role} is in region @{first.region} and {other_role} in @{other.region}",
        )
    return first.region


def whole(op: Op, given: TiledType, dim: int, role: str) -> None:
    """Require that a dimension of an operand is not split."""
    split = given.layout.splits[dim]
    op.require(split is None, f"dimension {dim} of {role} is split {split}, not whole")


def result(op: Op, shape: Shape, given: TiledType, layout: Layout) -> TiledType:
    """A type like `given` of another shape and layout, which must be well-formed."""
    problem = layout_problem(shape, layout)
    if problem is not None:
        op.refuse(f"in the result {problem}")
    return TiledType(shape, given.dtype, given.region, layout)


def partial_over(splits: Sequence[Split | None], fn: ReduceFn) -> tuple[Partial, ...]:
    """Partial entries for a reduction over dimensions with these splits, in canonical order."""
    axes = {split.axis for split in splits if split is not None}
    return tuple(Partial(axis, fn) for axis in AXES if axis in axes)


def broadcast_layout(op: Op, operands: Sequence[tuple[str, TiledType]], shape: Shape) -> Layout:
    """Layout of the result of an elementwise operation of `shape`, aligned at the end.

    Operands that have the result's extent in a dimension are split alike there; an extent of 1
    that is stretched is whole.
    """
    splits: list[Split | None] = []
    for back in range(len(shape), 0, -1):
        chosen: tuple[str, Split | None] | None = None
        for role, given in operands:
            if given.rank < back:
                continue
            split = given.layout.splits[-back]
            if given.shape[-back] != shape[-back]:
                op.require(
                    split is None,
                    f"dimension -{back} of {role} is stretched from 1 to {shape[-back]}"
                    f" and is split {split}, not whole",
                )
                continue
            if chosen is None:
                chosen = role, split
            op.require(
                chosen[1] == split,
                f"dimension -{back} is {described(chosen[1])} in {chosen[0]}"
                f" and {described(split)} in {role}",
            )
        splits.append(None if chosen is None else chosen[1])
    return Layout(tuple(splits))


def described(split: Split | None) -> str:
    """A dimension's split as it stands in messages: `whole` or `split x/16`."""
    return "whole" if split is None else f"split {split}"


def reshape_layout(shape: Shape, new_shape: Shape, layout: Layout) -> Layout | None:
    """Layout under which a reshape moves nothing between PEs; None if there is none.

    Both shapes factor into the same smallest groups of dimensions (extents of 1 aside). In a
    group only the first dimension may be split, so that a PE holds consecutive elements; the
    result's block is as many of them, which must be whole rows of what stands behind the group's
    first result dimension. A split dimension of extent 1 keeps its layout only if nothing changes.
    """
    if shape == new_shape:
        return layout
    old = [dim for dim, extent in enumerate(shape) if extent != 1]
    new = [dim for dim, extent in enumerate(new_shape) if extent != 1]
    if layout.partial or any(
        split is not None and extent == 1
        for split, extent in zip(layout.splits, shape, strict=True)
    ):
        return None
    splits: list[Split | None] = [None] * len(new_shape)
    i = j = 0
    while i < len(old) and j < len(new):
        first, target = old[i], new[j]
        elements, reached = shape[first], new_shape[target]
        i, j = i + 1, j + 1
        while elements != reached:
            if elements < reached:
                if i == len(old):
                    return None
                if layout.splits[old[i]] is not None:
                    return None
                elements *= shape[old[i]]
                i += 1
            else:
                if j == len(new):
                    return None
                reached *= new_shape[new[j]]
                j += 1
        split = layout.splits[first]
        if split is not None:
            held = split.block * (elements // shape[first])
            behind = reached // new_shape[target]
            if held % behind:
                return None
            splits[target] = Split(split.axis, held // behind, split.first)
    return Layout(tuple(splits)) if i == len(old) and j == len(new) else None
