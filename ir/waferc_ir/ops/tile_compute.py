"""Tile-local computation: each PE works on its own tiles, nothing moves between PEs.

All operands are in one region. Padding lanes are computed like others; `MaskPadding` makes them
neutral where a later reduction needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import (
    LOGICAL,
    POOL,
    TILE_REDUCE,
    binary_dtype,
    float_elements,
    integer_ids,
    reduce_dtype,
    representable,
    unary_dtype,
)
from waferc_ir.ops.layouts import (
    broadcast_layout,
    described,
    partial_over,
    result,
    same_region,
    tiled,
    whole,
)
from waferc_ir.ops.shapes import broadcast, extents, rank_of, reduced, same_dtype
from waferc_ir.ops.windows import contraction, convolved, pooled
from waferc_ir.program import Value
from waferc_ir.types import Layout, Split, TiledType


class Unary(Op, name="tile.unary"):
    """`fn(x)` elementwise; the result has the layout of `x`."""

    x: Value
    fn: str

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        return replace(x, dtype=unary_dtype(self, self.fn, x.dtype))


class Binary(Op, name="tile.binary"):
    """`fn(lhs, rhs)` with NumPy broadcasting of shapes (ranks may differ, aligned at the end).

    A dimension that an operand has is split alike in both, except where its extent is 1 in one of
    them and the other's is not: there it is whole. The result is split as the longer one.
    """

    lhs: Value
    rhs: Value
    fn: str

    def result_type(self) -> TiledType:
        operands = [("lhs", tiled(self, self.lhs, "lhs")), ("rhs", tiled(self, self.rhs, "rhs"))]
        (_, lhs), (_, rhs) = operands
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        return _elementwise(self, operands, binary_dtype(self, self.fn, dtype))


class BinaryScalar(Op, name="tile.binary_scalar"):
    """`fn(x, value)`, or `fn(value, x)` if `reverse`."""

    x: Value
    fn: str
    value: float
    reverse: bool = False

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        self.require(self.fn not in LOGICAL, f"{self.fn} takes no scalar")
        representable(self, self.value, x.dtype)
        return replace(x, dtype=binary_dtype(self, self.fn, x.dtype))


class Select(Op, name="tile.select"):
    """`lhs` where `condition` holds, else `rhs`; broadcasting as in `Binary`."""

    condition: Value
    lhs: Value
    rhs: Value

    def result_type(self) -> TiledType:
        operands = [
            ("condition", tiled(self, self.condition, "condition")),
            ("lhs", tiled(self, self.lhs, "lhs")),
            ("rhs", tiled(self, self.rhs, "rhs")),
        ]
        condition, lhs, rhs = (given for _, given in operands)
        self.require(
            condition.dtype is DType.BOOL, f"condition has {condition.dtype} elements, not bool"
        )
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        return _elementwise(self, operands, dtype)


class Cast(Op, name="tile.cast"):
    """`x` converted to another element type."""

    x: Value
    dtype: DType

    def result_type(self) -> TiledType:
        return replace(tiled(self, self.x, "x"), dtype=self.dtype)


class Reduce(Op, name="tile.reduce"):
    """Reduction by `fn` (sum, max, min) over `dims` of the tile, which become extent 1.

    Where a reduced dimension is split along an axis, the result is partial along that axis.
    """

    x: Value
    fn: str
    dims: tuple[int, ...]

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        reduce_dtype(self, self.fn, TILE_REDUCE, x.dtype)
        fn = TILE_REDUCE[TILE_REDUCE.index(self.fn)]
        shape = reduced(self, x.shape, self.dims, keepdim=True)
        splits = x.layout.splits
        summed = [splits[dim] for dim in self.dims]
        kept = tuple(None if dim in self.dims else split for dim, split in enumerate(splits))
        return result(self, shape, x, Layout(kept, partial_over(summed, fn)))


class Contract(Op, name="tile.contract"):
    """Einstein sum of the two tiles, as `graph.contract`.

    A letter is split alike wherever it occurs; an axis that splits a summed letter makes the
    result partial (sum) along it.
    """

    lhs: Value
    rhs: Value
    lhs_dims: str
    rhs_dims: str
    out_dims: str
    wide: bool = False

    def result_type(self) -> TiledType:
        lhs, rhs = tiled(self, self.lhs, "lhs"), tiled(self, self.rhs, "rhs")
        same_region(self, [("lhs", lhs), ("rhs", rhs)])
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        self.require(not self.wide or dtype is DType.F16, f"wide sums are of f16, not {dtype}")
        self.require(dtype is not DType.BOOL, "a sum of products of bool elements is not defined")
        letters = contraction(
            self, lhs.shape, rhs.shape, self.lhs_dims, self.rhs_dims, self.out_dims
        )
        splits: dict[str, Split | None] = {}
        for dims, given in ((self.lhs_dims, lhs), (self.rhs_dims, rhs)):
            for letter, split in zip(dims, given.layout.splits, strict=True):
                other = splits.setdefault(letter, split)
                self.require(
                    other == split,
                    f"{letter!r} is {described(other)} in lhs and {described(split)} in rhs",
                )
        summed = [splits[letter] for letter in letters.summed]
        kept = tuple(splits[letter] for letter in self.out_dims)
        layout = Layout(kept, partial_over(summed, "sum"))
        of = replace(lhs, dtype=DType.F32) if self.wide else lhs
        return result(self, letters.shape, of, layout)


class CausalMask(Op, name="tile.causal_mask"):
    """Minus infinity where (index in the last dim) > (index in the one before) + `offset`.

    Indices are those of the whole tensor, not of the tile.
    """

    x: Value
    offset: int = 0

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        self.require(x.rank >= 2, f"x has shape {extents(x.shape)}, fewer than 2 dimensions")
        self.require(x.dtype.is_float, f"x has {x.dtype} elements, which have no infinity")
        return x


class MaskPadding(Op, name="tile.mask_padding"):
    """`x` with `value` in every padding lane."""

    x: Value
    value: float

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        representable(self, self.value, x.dtype)
        return x


class GatherRows(Op, name="tile.gather_rows"):
    """Rows of `table` `[v, d]` by `ids` `[...]` -> `[..., d]`.

    If v is split along an axis, a PE yields zeros for rows that it does not hold, and the result
    is partial (sum) along that axis. `ids` are not split along that axis, nor along d's.
    """

    table: Value
    ids: Value

    def result_type(self) -> TiledType:
        table, ids = tiled(self, self.table, "table"), tiled(self, self.ids, "ids")
        same_region(self, [("table", table), ("ids", ids)])
        rank_of(self, table.shape, 2, "table")
        integer_ids(self, ids.dtype)
        rows, columns = table.layout.splits
        layout = Layout((*ids.layout.splits, columns), partial_over([rows], "sum"))
        return result(self, (*ids.shape, table.shape[1]), table, layout)


class Conv2d(Op, name="tile.conv2d"):
    """Convolution of `[n, ci, h, w]` with `[co, ci/groups, kh, kw]`; no bias.

    Spatial dimensions are whole. If ci is split, the result is partial (sum) along its axis. With
    more than one group both channel dimensions are whole.
    """

    x: Value
    weight: Value
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def result_type(self) -> TiledType:
        x, weight = tiled(self, self.x, "x"), tiled(self, self.weight, "weight")
        same_region(self, [("x", x), ("weight", weight)])
        float_elements(self, same_dtype(self, ("x", x.dtype), ("weight", weight.dtype)))
        shape = convolved(
            self, x.shape, weight.shape, self.stride, self.padding, self.dilation, self.groups
        )
        for dim in (2, 3):
            whole(self, x, dim, "x")
            whole(self, weight, dim, "weight")
        if self.groups > 1:
            whole(self, x, 1, "x")
            whole(self, weight, 0, "weight")
        batch, channels = x.layout.splits[:2]
        out_channels, in_channels = weight.layout.splits[:2]
        self.require(
            channels == in_channels,
            f"channels are {described(channels)} in x and {described(in_channels)} in weight",
        )
        layout = Layout((batch, out_channels, None, None), partial_over([channels], "sum"))
        return result(self, shape, x, layout)


class Pool2d(Op, name="tile.pool2d"):
    """Max or mean pooling over the last two dimensions, which are whole."""

    x: Value
    fn: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    count_padding: bool = True

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        reduce_dtype(self, self.fn, POOL, x.dtype)
        shape = pooled(self, x.shape, self.kernel, self.stride, self.padding)
        for dim in (2, 3):
            whole(self, x, dim, "x")
        return result(self, shape, x, x.layout)


def _elementwise(op: Op, operands: Sequence[tuple[str, TiledType]], dtype: DType) -> TiledType:
    same_region(op, operands)
    shape = broadcast(op, [given.shape for _, given in operands])
    layout = broadcast_layout(op, operands, shape)
    return replace(result(op, shape, operands[0][1], layout), dtype=dtype)
