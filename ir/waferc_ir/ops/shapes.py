"""Shapes of results, from shapes of operands: rules that graph and tiled operations share.

Every function raises `VerifyError` in the name of the operation that asks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from waferc_ir.diagnostics import counted
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import TensorType

Shape = tuple[int, ...]


def extents(shape: Shape) -> str:
    """A shape as it stands in messages: `[64, 128]`."""
    return f"[{', '.join(map(str, shape))}]"


def tensor(op: Op, value: Value, role: str) -> TensorType:
    """Type of an operand that must be a graph tensor."""
    if not isinstance(value.type, TensorType):
        op.refuse(f"{role} is {value.type}, not a graph tensor")
    return value.type


def declared_shape(op: Op, shape: Shape) -> Shape:
    """A shape that an attribute states: every extent is at least 1."""
    for dim, extent in enumerate(shape):
        op.require(extent >= 1, f"dimension {dim} of shape {extents(shape)} has extent {extent}")
    return shape


def declared_spread(op: Op, spread: tuple[int, ...], shape: Shape) -> None:
    """Dimensions whose places are in another order: ascending, and of the shape."""
    known = all(0 <= dim < len(shape) for dim in spread) and list(spread) == sorted(set(spread))
    op.require(known, f"spread {list(spread)} are no dimensions of {extents(shape)}, ascending")


def declared_label(op: Op, label: str) -> str:
    """A label that is not empty."""
    op.require(label != "", "the label is empty")
    return label


def same_dtype(op: Op, first: tuple[str, DType], second: tuple[str, DType]) -> DType:
    """The common element type of two operands, each given as (role, type)."""
    op.require(
        first[1] is second[1],
        f"{first[0]} has {first[1]} elements and {second[0]} has {second[1]}",
    )
    return first[1]


def rank_of(op: Op, shape: Shape, rank: int, role: str) -> None:
    """Require that an operand has `rank` dimensions."""
    op.require(
        len(shape) == rank,
        f"{role} has shape {extents(shape)}, {counted(len(shape), 'dimension')}, not {rank}",
    )


def dimension(op: Op, dim: int, shape: Shape) -> int:
    """Require that `dim` counts a dimension of `shape`, from 0."""
    op.require(
        0 <= dim < len(shape),
        f"dimension {dim} does not exist in shape {extents(shape)}, which has {len(shape)}",
    )
    return dim


def dimensions(op: Op, dims: Sequence[int], shape: Shape) -> None:
    """Require one or more different dimensions of `shape`."""
    op.require(len(dims) > 0, "no dimension is given")
    for dim in dims:
        dimension(op, dim, shape)
    op.require(len(set(dims)) == len(dims), f"a dimension occurs twice in {extents(tuple(dims))}")


def broadcast(op: Op, shapes: Sequence[Shape]) -> Shape:
    """The shape to which all of `shapes` broadcast, aligned at the end."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[int] = []
    for back in range(rank, 0, -1):
        here = {shape[-back] for shape in shapes if len(shape) >= back} - {1}
        op.require(
            len(here) <= 1,
            f"shapes {' and '.join(map(extents, shapes))} do not broadcast:"
            f" extents {' and '.join(map(str, sorted(here)))} in dimension -{back}",
        )
        result.append(here.pop() if here else 1)
    return tuple(result)


def reduced(op: Op, shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    """Shape after a reduction over `dims`."""
    dimensions(op, dims, shape)
    if keepdim:
        return tuple(1 if dim in dims else extent for dim, extent in enumerate(shape))
    return tuple(extent for dim, extent in enumerate(shape) if dim not in dims)


def reshaped(op: Op, shape: Shape, new_shape: Shape) -> Shape:
    """`new_shape`, if it has as many elements as `shape`."""
    declared_shape(op, new_shape)
    old, new = math.prod(shape), math.prod(new_shape)
    op.require(
        old == new, f"{extents(shape)} has {old:,} elements and {extents(new_shape)} has {new:,}"
    )
    return new_shape


def permuted(op: Op, shape: Shape, dims: Sequence[int]) -> Shape:
    """Shape with dimensions in the order `dims`."""
    op.require(
        sorted(dims) == list(range(len(shape))),
        f"{extents(tuple(dims))} is no order of the {counted(len(shape), 'dimension')} of"
        f" {extents(shape)}",
    )
    return tuple(shape[dim] for dim in dims)


def sliced(op: Op, shape: Shape, dim: int, start: int, stop: int, step: int) -> Shape:
    """Shape of the elements `start, start + step, ...` before `stop` of dimension `dim`."""
    extent = shape[dimension(op, dim, shape)]
    op.require(step >= 1, f"the step is {step}, not positive")
    op.require(
        0 <= start < stop <= extent,
        f"{start} to {stop} is no range within dimension {dim}, extent {extent}",
    )
    return (*shape[:dim], -(-(stop - start) // step), *shape[dim + 1 :])


def concatenated(op: Op, shapes: Sequence[Shape], dim: int) -> Shape:
    """Shape of operands one after the other along `dim`."""
    op.require(len(shapes) > 0, "there is nothing to concatenate")
    first = shapes[0]
    dimension(op, dim, first)
    for number, shape in enumerate(shapes):
        fits = len(shape) == len(first) and all(
            other == extent or index == dim
            for index, (other, extent) in enumerate(zip(shape, first, strict=True))
        )
        op.require(
            fits,
            f"part {number} has shape {extents(shape)}, which differs from {extents(first)}"
            f" in more than dimension {dim}",
        )
    return (*first[:dim], sum(shape[dim] for shape in shapes), *first[dim + 1 :])


def expanded(op: Op, shape: Shape, new_shape: Shape) -> Shape:
    """`new_shape`, if `shape` broadcasts to it."""
    declared_shape(op, new_shape)
    tail = new_shape[len(new_shape) - len(shape) :] if len(shape) <= len(new_shape) else ()
    fits = len(tail) == len(shape) and all(
        old in (1, new) for old, new in zip(shape, tail, strict=True)
    )
    op.require(fits, f"shape {extents(shape)} does not broadcast to {extents(new_shape)}")
    return new_shape


def padded(op: Op, shape: Shape, before: Sequence[int], after: Sequence[int]) -> Shape:
    """Shape with elements added around each dimension."""
    op.require(
        len(before) == len(after) == len(shape),
        f"{len(before)} and {len(after)} paddings are given for {counted(len(shape), 'dimension')}",
    )
    for dim, (low, high) in enumerate(zip(before, after, strict=True)):
        op.require(low >= 0 and high >= 0, f"dimension {dim} is padded by {low} and {high}")
    return tuple(
        low + extent + high for low, extent, high in zip(before, shape, after, strict=True)
    )


def pair(op: Op, numbers: Sequence[int], name: str, least: int) -> tuple[int, int]:
    """Two numbers (height, width), each at least `least`."""
    op.require(len(numbers) == 2, f"{name} has {counted(len(numbers), 'number')}, not 2")
    op.require(min(numbers) >= least, f"{name} {extents(tuple(numbers))} is less than {least}")
    return numbers[0], numbers[1]
