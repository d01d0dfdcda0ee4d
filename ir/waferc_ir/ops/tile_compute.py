"""Tile-local computation: each PE works on its own tiles, nothing moves between PEs.

All operands are in one region. Padding lanes are computed like others; `MaskPadding` makes them
neutral where a later reduction needs it.
"""

from __future__ import annotations

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value


class Unary(Op, name="tile.unary"):
    """`fn(x)` elementwise; the result has the layout of `x`."""

    x: Value
    fn: str


class Binary(Op, name="tile.binary"):
    """`fn(lhs, rhs)` with NumPy broadcasting of shapes (ranks may differ, aligned at the end).

    A dimension that an operand has is split alike in both, except where its extent is 1 in one of
    them and the other's is not: there it is whole. The result is split as the longer one.
    """

    lhs: Value
    rhs: Value
    fn: str


class BinaryScalar(Op, name="tile.binary_scalar"):
    """`fn(x, value)`, or `fn(value, x)` if `reverse`."""

    x: Value
    fn: str
    value: float
    reverse: bool = False


class Select(Op, name="tile.select"):
    """`lhs` where `condition` holds, else `rhs`; broadcasting as in `Binary`."""

    condition: Value
    lhs: Value
    rhs: Value


class Cast(Op, name="tile.cast"):
    """`x` converted to another element type."""

    x: Value
    dtype: DType


class Reduce(Op, name="tile.reduce"):
    """Reduction by `fn` (sum, max, min) over `dims` of the tile, which become extent 1.

    Where a reduced dimension is split along an axis, the result is partial along that axis.
    """

    x: Value
    fn: str
    dims: tuple[int, ...]


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


class CausalMask(Op, name="tile.causal_mask"):
    """Minus infinity where (index in the last dim) > (index in the one before) + `offset`.

    Indices are those of the whole tensor, not of the tile.
    """

    x: Value
    offset: int = 0


class MaskPadding(Op, name="tile.mask_padding"):
    """`x` with `value` in every padding lane."""

    x: Value
    value: float


class GatherRows(Op, name="tile.gather_rows"):
    """Rows of `table` `[v, d]` by `ids` `[...]` -> `[..., d]`.

    If v is split along an axis, a PE yields zeros for rows that it does not hold, and the result
    is partial (sum) along that axis. `ids` are not split along that axis, nor along d's.
    """

    table: Value
    ids: Value


class Conv2d(Op, name="tile.conv2d"):
    """Convolution of `[n, ci, h, w]` with `[co, ci/groups, kh, kw]`; no bias.

    Spatial dimensions are whole. If ci is split (groups = 1), the result is partial (sum).
    """

    x: Value
    weight: Value
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Pool2d(Op, name="tile.pool2d"):
    """Max or mean pooling over the last two dimensions, which are whole."""

    x: Value
    fn: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    count_padding: bool = True
