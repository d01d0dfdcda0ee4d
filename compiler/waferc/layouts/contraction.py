"""Strategies of operations that multiply and add: a letter for each axis, or none.

Dimensions are named by letters, alike in all operands and in the result. An axis that gets a
kept letter splits the result; one that gets a summed letter makes it partial, and an all_reduce
follows; operands without the letter are replicated along the axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from waferc.layouts.cost import CostModel
from waferc.layouts.multiplication import multiplications
from waferc.layouts.products import product_block, product_cycles
from waferc.layouts.strategy import AnyFamily, Family, Space, Strategy, result_of, tensor
from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute as graph
from waferc_ir.ops import tile_compute as tile
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, Split


def _named(letters: str, splits: Mapping[str, Split]) -> Layout:
    """Layout of dimensions called `letters`; a dot names a dimension that stays whole."""
    return Layout(tuple(splits.get(letter) for letter in letters))


def _contract(op: graph.Contract, space: Space) -> Iterator[Strategy]:
    lhs, rhs = tensor(op.lhs), tensor(op.rhs)
    extents = dict(zip(op.lhs_dims + op.rhs_dims, lhs.shape + rhs.shape, strict=True))
    for splits in space.grid.assignments(extents):
        local = {
            letter: splits[letter].block if letter in splits else extent
            for letter, extent in extents.items()
        }
        elements = math.prod(local[letter] for letter in op.out_dims)
        axes: list[Axis] = [
            split.axis for letter, split in splits.items() if letter not in op.out_dims
        ]
        yield Strategy(
            (_named(op.lhs_dims, splits), _named(op.rhs_dims, splits)),
            _named(op.out_dims, splits),
            contract_cycles(op, local, lhs.dtype, space.cost)
            + space.reduced(axes, elements, result_of(op).dtype),
            len(axes),
        )
    yield from multiplications(op, space)


def contract_cycles(
    op: graph.Contract | tile.Contract, local: Mapping[str, int], dtype: DType, cost: CostModel
) -> int:
    """Cycles of a contraction of tiles whose letters have the extents `local`."""
    nest, products = _nest_cycles(op, local, dtype, cost), _by_products(op, local, dtype, cost)
    return nest if products is None else min(nest, products[0])


def contract_block(
    op: graph.Contract | tile.Contract, local: Mapping[str, int], dtype: DType, cost: CostModel
) -> Mapping[str, int] | None:
    """The block of a contraction that is cheaper by products; None where a nest is cheaper."""
    products = _by_products(op, local, dtype, cost)
    if products is None or products[0] >= _nest_cycles(op, local, dtype, cost):
        return None
    return products[1]


def _nest_cycles(
    op: graph.Contract | tile.Contract, local: Mapping[str, int], dtype: DType, cost: CostModel
) -> int:
    # the loop nest has its vector along a dimension of one operand alone
    free = [local[c] for c in op.out_dims if (c in op.lhs_dims) != (c in op.rhs_dims)]
    elements = math.prod(local[letter] for letter in op.out_dims)
    work = math.prod(local.values())
    zero = cost.filled(elements, DType.F32 if op.wide else dtype)
    dtype = DType.F16 if op.wide else dtype  # of the factors
    if elements == max(free, default=1):  # nothing but the vector and what is summed
        vectors = work // max(1, elements)
        return zero + cost.stream_multiply_add(vectors, elements, dtype, op.wide)
    return zero + cost.multiply_add(work, max(free, default=1), dtype, op.wide)


def _by_products(
    op: graph.Contract | tile.Contract, local: Mapping[str, int], dtype: DType, cost: CostModel
) -> tuple[int, Mapping[str, int]] | None:
    if op.wide or not dtype.is_float or 0 in local.values():
        return None
    block = product_block(op.out_dims, local)
    return product_cycles(op.out_dims, local, block, dtype, cost), block


def _lower_contract(op: graph.Contract, operands: tuple[Value, ...]) -> Op:
    return tile.Contract(operands[0], operands[1], op.lhs_dims, op.rhs_dims, op.out_dims, op.wide)


def _embedding(op: graph.Embedding, space: Space) -> Iterator[Strategy]:
    table, ids = tensor(op.table), tensor(op.ids)
    letters = "".join(chr(ord("a") + dim) for dim in range(ids.rank))
    extents = dict(zip("VD" + letters, table.shape + ids.shape, strict=True))
    for splits in space.grid.assignments(extents):
        result = _named(letters + "D", splits)
        *rows, columns = result.local_shape((*ids.shape, table.shape[1]))
        axes: list[Axis] = [split.axis for letter, split in splits.items() if letter == "V"]
        yield Strategy(
            (_named("VD", splits), _named(letters, splits)),
            result,
            space.cost.rows(math.prod(rows), columns, table.dtype)
            + space.reduced(axes, math.prod(rows) * columns, table.dtype),
            len(axes),
        )


def _lower_embedding(op: graph.Embedding, operands: tuple[Value, ...]) -> Op:
    return tile.GatherRows(operands[0], operands[1])


def _conv2d(op: graph.Conv2d, space: Space) -> Iterator[Strategy]:
    x, weight, result = tensor(op.x), tensor(op.weight), result_of(op)
    extents = {"n": x.shape[0]}
    if op.groups == 1:
        extents |= {"o": weight.shape[0], "i": x.shape[1]}
    for splits in space.grid.assignments(extents):
        layout = _named("no..", splits)
        batch, channels, rows, columns = layout.local_shape(result.shape)
        taps = math.prod(_named("oi..", splits).local_shape(weight.shape)[1:])
        elements = batch * channels * rows * columns
        axes: list[Axis] = [split.axis for letter, split in splits.items() if letter == "i"]
        yield Strategy(
            (_named("ni..", splits), _named("oi..", splits)),
            layout,
            space.cost.convolved(taps, channels, batch * rows * columns, x.dtype)
            + space.reduced(axes, elements, x.dtype),
            len(axes),
        )


def _lower_conv2d(op: graph.Conv2d, operands: tuple[Value, ...]) -> Op:
    return tile.Conv2d(operands[0], operands[1], op.stride, op.padding, op.dilation, op.groups)


def _pool2d(op: graph.Pool2d, space: Space) -> Iterator[Strategy]:
    x, result = tensor(op.x), result_of(op)
    for splits in space.grid.assignments({"n": x.shape[0], "c": x.shape[1]}):
        layout = _named("nc..", splits)
        batch, channels, rows, columns = layout.local_shape(result.shape)
        elements = batch * channels * rows * columns
        yield Strategy(
            (layout,),
            layout,
            space.cost.folded(math.prod(op.kernel), elements, x.dtype, is_sum=op.fn != "max"),
        )


def _lower_pool2d(op: graph.Pool2d, operands: tuple[Value, ...]) -> Op:
    return tile.Pool2d(operands[0], op.fn, op.kernel, op.stride, op.padding, op.count_padding)


def _reduce(op: graph.Reduce, space: Space) -> Iterator[Strategy]:
    x = tensor(op.x)
    for layout in space.grid.layouts(x.shape):
        local = layout.local_shape(x.shape)
        kept = [dim for dim in range(x.rank) if dim not in op.dims]
        elements = math.prod(local[dim] for dim in kept)
        axes: list[Axis] = [
            split.axis
            for dim, split in enumerate(layout.splits)
            if split is not None and dim in op.dims
        ]
        if op.keepdim:
            splits = tuple(s if dim in kept else None for dim, s in enumerate(layout.splits))
        else:
            splits = tuple(layout.splits[dim] for dim in kept)
        yield Strategy(
            (layout,),
            Layout(splits),
            space.cost.folded(
                math.prod(local) // max(1, elements), elements, x.dtype, is_sum=op.fn == "sum"
            )
            + space.reduced(axes, elements, x.dtype),
        )


def _lower_reduce(op: graph.Reduce, operands: tuple[Value, ...]) -> Op:
    return tile.Reduce(operands[0], op.fn, op.dims)


CONTRACTION: tuple[AnyFamily, ...] = (
    Family(graph.Contract, _contract, _lower_contract),
    Family(graph.Embedding, _embedding, _lower_embedding),
    Family(graph.Conv2d, _conv2d, _lower_conv2d),
    Family(graph.Pool2d, _pool2d, _lower_pool2d),
    Family(graph.Reduce, _reduce, _lower_reduce),
)
