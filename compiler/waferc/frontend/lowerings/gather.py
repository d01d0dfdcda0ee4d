"""Rows by number: embeddings, indexing with one tensor of indices, and elements: gather."""

from __future__ import annotations

import math

import numpy as np

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.move import reshape
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Embedding, Reduce, Select
from waferc_ir.ops.graph_move import Permute, Slice
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value


@lowers("aten.embedding.default")
def _embedding(call: Call) -> Results:
    table = call.tensor("weight")
    ids = call.limit(call.tensor("indices"), 0, shape_of(table)[0] - 1)
    return call.add(Embedding(table, ids))


@lowers("aten.index_select.default")
def _index_select(call: Call) -> Results:
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    return rows(call, x, dim, call.limit(call.tensor("index"), 0, shape_of(x)[dim] - 1))


@lowers("aten.index.Tensor")
def _index(call: Call) -> Results:
    indices = call.optional_tensors("indices")
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if len(given) != 1:
        raise call.refuse(f"has {len(given)} tensors of indices; one is supported")
    dim, index = given[0]
    if tensor_type(index).dtype is DType.BOOL:
        raise call.refuse("selects by a mask", help="select with torch.where")
    x = call.tensor("self")
    extent = shape_of(x)[dim]
    call.limit(index, -extent, extent - 1)
    is_negative = call.add(BinaryScalar(index, "lt", 0.0))
    from_end = call.add(BinaryScalar(index, "add", float(extent)))
    return rows(call, x, dim, call.add(Select(is_negative, from_end, index)))


@lowers("aten.gather.default")
def _gather(call: Call) -> Results:
    """A sum over the dimension in which all but the wanted element are replaced by zero."""
    x, index = call.tensor("self"), call.tensor("index")
    rank, kind = len(shape_of(x)), tensor_type(x)
    if not kind.dtype.is_float or not rank:
        raise call.refuse(f"of {kind} is not supported", help="gather from a tensor of floats")
    dim = call.dim("dim", rank)
    for other, extent in enumerate(shape_of(index)):
        if other != dim and extent != shape_of(x)[other]:
            x = call.add(Slice(x, other, 0, extent))
    extent, wanted = shape_of(x)[dim], shape_of(index)
    call.limit(index, 0, extent - 1)
    apart = reshape(call, index, (*wanted[: dim + 1], 1, *wanted[dim + 1 :]))
    table = reshape(call, x, (*wanted[:dim], 1, extent, *wanted[dim + 1 :]))
    places = call.constant(np.arange(extent, dtype=np.int32), "places")
    column = reshape(call, places, (extent, *(1,) * (rank - dim - 1)))
    hits = call.add(Binary(apart, column, "eq"))
    zero = call.add(Fill(0.0, (1,), kind.dtype))
    return call.add(Reduce(call.add(Select(hits, table, zero)), "sum", (dim + 1,)))


def rows(call: Call, x: Value, dim: int, index: Value) -> Value:
    """Elements of dimension `dim` by number; the dimensions of `index` take its place."""
    shape = shape_of(x)
    rank = len(shape)
    front = (dim, *(d for d in range(rank) if d != dim))
    moved = x if dim == 0 else call.add(Permute(x, front))
    others = tuple(shape[d] for d in front[1:])
    table = reshape(call, moved, (shape[dim], math.prod(others)))
    flat = reshape(call, index, (math.prod(shape_of(index)),))
    found = reshape(call, call.add(Embedding(table, flat)), (*shape_of(index), *others))
    if dim == 0:
        return found
    count = len(shape_of(index))
    before = tuple(range(count, count + dim))
    return call.add(Permute(found, (*before, *range(count), *range(count + dim, count + rank - 1))))
