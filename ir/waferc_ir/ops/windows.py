"""Shapes of convolutions, pooling and contractions, shared by graph and tiled operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waferc_ir.ops.declare import Op
from waferc_ir.ops.shapes import Shape, extents, pair, rank_of


def convolved(
    op: Op,
    shape: Shape,
    weight: Shape,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Shape:
    """`[n, ci, h, w] x [co, ci/groups, kh, kw] -> [n, co, oh, ow]`."""
    rank_of(op, shape, 4, "x")
    rank_of(op, weight, 4, "weight")
    strides = pair(op, stride, "stride", 1)
    paddings = pair(op, padding, "padding", 0)
    dilations = pair(op, dilation, "dilation", 1)
    channels, out_channels = shape[1], weight[0]
    op.require(
        groups >= 1 and channels % groups == 0 and out_channels % groups == 0,
        f"{groups} groups do not divide {channels} channels into {out_channels}",
    )
    op.require(
        weight[1] * groups == channels,
        f"x has {channels} channels and weight takes {weight[1]} x {groups} groups",
    )
    spatial = tuple(
        _window(op, shape[2 + i], paddings[i], dilations[i] * (weight[2 + i] - 1) + 1, strides[i])
        for i in range(2)
    )
    return (shape[0], out_channels, *spatial)


def pooled(
    op: Op, shape: Shape, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Shape:
    """`[n, c, h, w] -> [n, c, oh, ow]`."""
    rank_of(op, shape, 4, "x")
    kernels = pair(op, kernel, "kernel", 1)
    strides = pair(op, stride, "stride", 1)
    paddings = pair(op, padding, "padding", 0)
    for size, pad in zip(kernels, paddings, strict=True):
        op.require(2 * pad <= size, f"padding {pad} is more than half of kernel {size}")
    spatial = tuple(
        _window(op, shape[2 + i], paddings[i], kernels[i], strides[i]) for i in range(2)
    )
    return (*shape[:2], *spatial)


def _window(op: Op, extent: int, padding: int, window: int, stride: int) -> int:
    padded = extent + 2 * padding
    op.require(window <= padded, f"a window of {window} is larger than {padded} padded elements")
    return (padded - window) // stride + 1


@dataclass(frozen=True, slots=True)
class Contraction:
    """Letters of an Einstein sum: extent of each, and those that are summed over."""

    extents: Mapping[str, int]
    summed: tuple[str, ...]
    out: str

    @property
    def shape(self) -> Shape:
        """Shape of the result."""
        return tuple(self.extents[letter] for letter in self.out)


def contraction(
    op: Op, lhs: Shape, rhs: Shape, lhs_dims: str, rhs_dims: str, out_dims: str
) -> Contraction:
    """The letters of `lhs_dims, rhs_dims -> out_dims`, checked against the operands' shapes."""
    for name, dims in (("lhs_dims", lhs_dims), ("rhs_dims", rhs_dims), ("out_dims", out_dims)):
        letters = all(letter.isascii() and letter.isalpha() for letter in dims)
        op.require(letters, f"{name} {dims!r} has a character that is no letter")
        op.require(len(set(dims)) == len(dims), f"{name} {dims!r} repeats a letter")
    known: dict[str, int] = {}
    for role, shape, dims in (("lhs", lhs, lhs_dims), ("rhs", rhs, rhs_dims)):
        op.require(
            len(dims) == len(shape),
            f"{role}_dims {dims!r} names {len(dims)} of the {len(shape)} dimensions of"
            f" {extents(shape)}",
        )
        for letter, extent in zip(dims, shape, strict=True):
            other = known.setdefault(letter, extent)
            op.require(other == extent, f"{letter!r} has extents {other} and {extent}")
    for letter in out_dims:
        op.require(letter in known, f"{letter!r} of out_dims is in no operand")
    summed = tuple(letter for letter in known if letter not in out_dims)
    for letter in summed:
        op.require(
            letter in lhs_dims and letter in rhs_dims,
            f"{letter!r} is neither in out_dims nor in both operands",
        )
    return Contraction(known, summed, out_dims)
