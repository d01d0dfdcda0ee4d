"""Rows by number: embeddings, and indexing with one tensor of indices."""

from __future__ import annotations

import math

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.move import reshape
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import BinaryScalar, Embedding, Select
from waferc_ir.ops.graph_move import Permute
from waferc_ir.program import Value


@lowers("aten.embedding.default")
def _embedding(call: Call) -> Results:
    return call.add(Embedding(call.tensor("weight"), call.tensor("indices")))


@lowers("aten.index_select.default")
def _index_select(call: Call) -> Results:
    x = call.tensor("self")
    return rows(call, x, call.dim("dim", len(shape_of(x))), call.tensor("index"))


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
    is_negative = call.add(BinaryScalar(index, "lt", 0.0))
    from_end = call.add(BinaryScalar(index, "add", float(extent)))
    return rows(call, x, dim, call.add(Select(is_negative, from_end, index)))


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
