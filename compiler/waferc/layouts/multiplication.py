"""Strategies of large products: blocks of rows visit a matrix that stays spread over all PEs.

Rows `[m, k]` come to all PEs along an axis, block by block, products are added up along the other
one (`collective.multiply`). The PEs at the end of both axes hold blocks of rows and of the result
and do not multiply; the last one along the axis of the rows sends them to all. Let `b` and `d` be
columns and depth of a PE's part of the matrix, `r` the rows of a block: for every row a PE takes in
`d / 2` wavelets of f16, multiplies in `b * d / 4` cycles and hands on `b / 2`; a vector costs 9
cycles beside its `r` elements. So blocks are as long as the memory allows, for two arrays of
`r * d` and `r * b`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from waferc.layouts.cost import CostModel
from waferc.layouts.strategy import Space, Strategy, result_of, tensor
from waferc_ir.ops import collective
from waferc_ir.ops import graph_compute as graph
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, Split, TiledType

_BUDGETS = (36_864, 24_576, 12_288)  # bytes of a block of rows and of its products
_LEAST_ROWS = 16  # shorter vectors are not worth it
_MOST_BLOCKS = 64


@dataclass(frozen=True)
class _Roles:
    """Letters of a product, and the axis along which rows come."""

    m: str
    k: str
    n: str
    axis: Axis

    @property
    def other(self) -> Axis:
        """The axis of the sum."""
        return "y" if self.axis == "x" else "x"


@dataclass(frozen=True)
class _Lowering:
    """Makes the tiled operation of a strategy; it is asked for by parts that are alike, too."""

    is_lhs: bool  # rows are those of lhs
    first: int

    def __call__(self, op: graph.Contract, operands: tuple[Value, ...]) -> Op:
        sides = [(operands[0], op.lhs_dims), (operands[1], op.rhs_dims)]
        (rows, rows_dims), (matrix, matrix_dims) = sides if self.is_lhs else sides[::-1]
        return collective.Multiply(
            rows, matrix, rows_dims, matrix_dims, op.out_dims, self.first, op.wide
        )


def multiplications(op: graph.Contract, space: Space) -> Iterator[Strategy]:
    """The best numbers of blocks for some amounts of memory, rows from either side, either axis."""
    lhs, rhs = tensor(op.lhs), tensor(op.rhs)
    if op.lhs == op.rhs or not lhs.dtype.is_float:
        return
    extents = dict(zip(op.lhs_dims + op.rhs_dims, lhs.shape + rhs.shape, strict=True))
    large = {letter for letter, extent in extents.items() if extent > 1}
    for is_lhs in (True, False):
        own, matrix = (op.lhs_dims, op.rhs_dims) if is_lhs else (op.rhs_dims, op.lhs_dims)
        rows = [c for c in own if c not in matrix and c in large]
        summed = [c for c in own if c in matrix and c in large]
        columns = [c for c in matrix if c not in own and c in large]
        if not len(rows) == len(summed) == len(columns) == 1 or summed[0] in op.out_dims:
            continue
        for axis in ("x", "y"):
            roles = _Roles(rows[0], summed[0], columns[0], axis)
            yield from _best(op, roles, extents, space, is_lhs=is_lhs)


def _best(
    op: graph.Contract, roles: _Roles, extents: Mapping[str, int], space: Space, *, is_lhs: bool
) -> Iterator[Strategy]:
    dtype = tensor(op.lhs).dtype
    size_of = result_of(op).dtype.size_bytes
    along, across = space.grid.pes(roles.axis), space.grid.pes(roles.other)
    found: dict[int, tuple[int, Strategy]] = {}
    for blocks in range(1, min(_MOST_BLOCKS, along - 1, across)):
        size = -(-extents[roles.m] // blocks)
        size = -(-size // 8) * 8 if size > 8 else size + size % 2
        if size < _LEAST_ROWS or -(-extents[roles.m] // size) != blocks:
            continue
        columns = -(-extents[roles.n] // (along - 1 - blocks))
        depth = -(-extents[roles.k] // (across - blocks))
        taken = size * (depth * dtype.size_bytes + columns * size_of)
        cycles = space.cost.multiply_rows(
            blocks, size, depth, columns, dtype, wide=op.wide
        ) + _flight(space.cost, along, across)
        splits = {
            roles.m: Split(roles.axis, size, along - 1 - blocks),
            roles.k: Split(roles.other, depth),
            roles.n: Split(roles.axis, columns),
        }
        out = splits | {roles.m: Split(roles.other, size, across - blocks)}
        strategy = Strategy(
            (_layout(op.lhs_dims, splits), _layout(op.rhs_dims, splits)),
            _layout(op.out_dims, out),
            cycles,
            2,  # as much code as two all_reduces
            _Lowering(is_lhs, across - blocks),
        )
        for budget in _BUDGETS:
            if taken <= budget and (budget not in found or cycles < found[budget][0]):
                found[budget] = cycles, strategy
    yield from dict.fromkeys(strategy for _, strategy in found.values())


def multiply_cycles(op: collective.Multiply, cost: CostModel) -> int:
    """Cycles of a multiplication of tiles."""
    m, k, n = op.letters()
    rows, matrix = op.rows.type, op.matrix.type
    assert isinstance(rows, TiledType)
    assert isinstance(matrix, TiledType)
    local = dict(zip(op.rows_dims, rows.local_shape, strict=True))
    local |= dict(zip(op.matrix_dims, matrix.local_shape, strict=True))
    split = rows.layout.splits[op.rows_dims.index(m)]
    assert split is not None
    blocks = -(-rows.shape[op.rows_dims.index(m)] // split.block)
    extents = {"x": cost.width, "y": cost.height}
    other: Axis = "y" if split.axis == "x" else "x"
    working = cost.multiply_rows(blocks, local[m], local[k], local[n], rows.dtype, wide=op.wide)
    return working + _flight(cost, extents[split.axis], extents[other])


def _flight(cost: CostModel, along: int, across: int) -> int:
    """The first block comes to the farthest PE by multicast, the last sum from PE to PE."""
    machine = cost.machine
    step = 2 * machine.ramp_cycles + machine.hop_cycles + 1
    return machine.hop_cycles * along + step * across


def _layout(letters: str, splits: Mapping[str, Split]) -> Layout:
    return Layout(tuple(splits.get(letter) for letter in letters))
