"""Writing slices at positions that are known at run time: the update of a cache.

A write is a selection by a comparison with the positions, elementwise in the tensor that is
written, so that it may lie in any layout, split along the written dimension too, and nothing
moves between PEs. Positions beyond the extent write nothing.
"""

from __future__ import annotations

import string

import numpy as np

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.move import reshape
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Contract, Reduce, Select
from waferc_ir.ops.graph_move import Expand
from waferc_ir.program import Value


@lowers("aten.index_copy.default")
def _index_copy(call: Call) -> Results:
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    index = call.limit(call.tensor("index"), 0, shape_of(x)[dim] - 1)
    return write_slices(call, x, dim, index, call.tensor("source"))


@lowers("aten.index_put.default")
def _index_put(call: Call) -> Results:
    if call.flag("accumulate"):
        raise call.refuse("adds up what it writes, which is not supported")
    indices = call.optional_tensors("indices")
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if len(given) != 1 or tensor_type(given[0][1]).dtype is DType.BOOL:
        raise call.refuse("writes by several tensors of indices or by a mask; one is supported")
    x, (dim, index) = call.tensor("self"), given[0]
    if len(shape_of(index)) != 1:
        raise call.refuse("writes by indices of more than one dimension")
    shape = shape_of(x)
    wanted = (*shape[:dim], shape_of(index)[0], *shape[dim + 1 :])
    source = call.cast(call.tensor("values"), tensor_type(x).dtype)
    if shape_of(source) != wanted:
        source = call.add(Expand(source, wanted))
    call.limit(index, -shape[dim], shape[dim] - 1)
    from_end = call.add(BinaryScalar(index, "add", float(shape[dim])))
    is_negative = call.add(BinaryScalar(index, "lt", 0.0))
    return write_slices(call, x, dim, call.add(Select(is_negative, from_end, index)), source)


def write_slices(call: Call, x: Value, dim: int, index: Value, source: Value) -> Value:
    """`x` with slice `index[i]` of dimension `dim` replaced by slice i of `source`."""
    shape, dtype = shape_of(x), tensor_type(x).dtype
    extent = shape[dim]
    count = shape_of(index)[0] if shape_of(index) else 1
    places = call.constant(np.arange(extent, dtype=np.int32), "places")
    column = reshape(call, call.cast(index, DType.I32), (count, 1))
    row = reshape(call, places, (1, extent))
    hits = call.add(Binary(column, row, "eq"))  # [slice of source, place]
    behind = (1,) * (len(shape) - dim - 1)
    if count == 1:
        return call.add(Select(reshape(call, hits, (extent, *behind)), source, x))
    if not dtype.is_float:
        raise call.refuse("writes several slices of integers, which is not supported")
    letters = string.ascii_letters[: len(shape)]
    moved = call.add(
        Contract(
            source,
            call.cast(hits, dtype),
            letters,
            letters[dim] + "Z",
            letters.replace(letters[dim], "Z"),
        )
    )
    is_hit = call.add(Reduce(call.cast(hits, dtype), "max", (0,)))
    condition = call.add(BinaryScalar(reshape(call, is_hit, (extent, *behind)), "gt", 0.0))
    return call.add(Select(condition, moved, x))
