"""Communication of all PEs of a region along one of its axes."""

from __future__ import annotations

from dataclasses import replace

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.layouts import described, maybe_partial, result, same_region, tiled
from waferc_ir.ops.shapes import same_dtype
from waferc_ir.ops.windows import contraction
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, Split, TiledType


class AllReduce(Op, name="collective.all_reduce"):
    """Every PE of a line along `axis` gets the reduction (sum, max or min) of the line's tiles.

    The operand is partial along `axis` with that function; the result is not. The order of the
    additions is from PE 0 upward.
    """

    x: Value
    axis: Axis

    def result_type(self) -> TiledType:
        x = maybe_partial(self, self.x, "x")
        rest = tuple(partial for partial in x.layout.partial if partial.axis != self.axis)
        self.require(
            len(rest) < len(x.layout.partial), f"x is not partial along {self.axis}: {x.layout}"
        )
        return result(self, x.shape, x, Layout(x.layout.splits, rest))


class AllGather(Op, name="collective.all_gather"):
    """Every PE of a line along `axis` gets the whole dimension that was split along it.

    The padding beyond the extent is dropped.
    """

    x: Value
    axis: Axis

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        found = x.layout.split_of(self.axis)
        if found is None:
            self.refuse(f"axis {self.axis} splits no dimension of x: {x.layout}")
        splits = tuple(None if dim == found[0] else s for dim, s in enumerate(x.layout.splits))
        return result(self, x.shape, x, Layout(splits))


class Multiply(Op, name="collective.multiply"):
    """Einstein sum of `rows` `[m, k]` and a matrix `[k, n]` that stays where it is: `[m, n]`.

    The letter of `rows` alone, m, is split along an axis, in blocks that begin behind all blocks
    of n along that axis; k is split along the other axis. Blocks of rows come to all PEs, one after
    the other, and their products are added up along k's axis, from PE 0 upward. In the result n is
    split as in the matrix, and m along k's axis in blocks of the same size from PE `first` on,
    which is behind all blocks of k. Other dimensions have extent 1 and are whole. If `wide`,
    factors are f16 and sums f32.
    """

    rows: Value
    matrix: Value
    rows_dims: str
    matrix_dims: str
    out_dims: str
    first: int
    wide: bool = False

    def result_type(self) -> TiledType:
        rows = tiled(self, self.rows, "rows", anywhere=True)
        matrix = tiled(self, self.matrix, "matrix")
        same_region(self, [("rows", rows), ("matrix", matrix)])
        dtype = same_dtype(self, ("rows", rows.dtype), ("matrix", matrix.dtype))
        self.require(dtype.is_float, f"elements are {dtype}, which are no floats")
        self.require(not self.wide or dtype is DType.F16, f"wide sums are of f16, not {dtype}")
        letters = contraction(
            self, rows.shape, matrix.shape, self.rows_dims, self.matrix_dims, self.out_dims
        )
        m, k, n = self.letters()
        dims, shape = self.rows_dims + self.matrix_dims, rows.shape + matrix.shape
        extents = dict(zip(dims, shape, strict=True))
        split = self._splits(rows, matrix)
        along, across, columns = split[m], split[k], split[n]
        self.require(
            along.axis == columns.axis != across.axis,
            f"{m} and {n} are along {along.axis} and {columns.axis}, {k} along {across.axis}",
        )
        for blocks, letter, first in ((columns, n, along.first), (across, k, self.first)):
            used = -(-extents[letter] // blocks.block)
            self.require(
                0 < used <= first,
                f"rows from PE {first} along {blocks.axis}, and {used} PEs hold {letter}",
            )
        kept = {m: Split(across.axis, along.block, self.first), n: columns}
        layout = Layout(tuple(kept.get(letter) for letter in self.out_dims))
        of = replace(rows, dtype=DType.F32) if self.wide else rows
        return result(self, letters.shape, of, layout)

    def letters(self) -> tuple[str, str, str]:
        """The letters of rows, of what is summed, and of columns.

        Raises:
            VerifyError: there is not one of each that is split.
        """
        found: list[str] = []
        for role, dims, alike, other in (
            ("rows", self.rows_dims, False, self.matrix_dims),
            ("a sum", self.rows_dims, True, self.matrix_dims),
            ("columns", self.matrix_dims, False, self.rows_dims),
        ):
            operand = self.matrix if role == "columns" else self.rows
            given = maybe_partial(self, operand, "an operand")
            these = [
                letter
                for letter, cut in zip(dims, given.layout.splits, strict=True)
                if cut is not None and (letter in other) is alike
            ]
            self.require(len(these) == 1, f"there is not one split letter of {role}: {these}")
            found += these
        self.require(found[1] not in self.out_dims, f"{found[1]} is not summed")
        return found[0], found[1], found[2]

    def _splits(self, rows: TiledType, matrix: TiledType) -> dict[str, Split]:
        """The split of each letter that is split; others have extent 1."""
        found: dict[str, Split] = {}
        whole: dict[str, int] = {}
        for dims, given in ((self.rows_dims, rows), (self.matrix_dims, matrix)):
            for letter, extent, split in zip(dims, given.shape, given.layout.splits, strict=True):
                if split is None:
                    whole[letter] = extent
                    continue
                other = found.setdefault(letter, split)
                self.require(
                    other == split, f"{letter!r} is {described(other)} and {described(split)}"
                )
        for letter, extent in whole.items():
            self.require(
                extent == 1 and letter not in found, f"{letter!r} is whole, extent {extent}"
            )
        return found
