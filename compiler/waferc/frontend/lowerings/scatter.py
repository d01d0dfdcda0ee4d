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
from waferc_ir.ops.graph_structure import Fill
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
    hits = call.cast(hits, dtype)
    moved = _chosen(call, source, dim, hits)
    is_hit = call.add(Reduce(hits, "max", (0,)))
    condition = call.add(BinaryScalar(reshape(call, is_hit, (extent, *behind)), "gt", 0.0))
    return call.add(Select(condition, moved, x))


def _chosen(call: Call, source: Value, dim: int, hits: Value) -> Value:
    """Slices of `source` at the places where `hits` [slice, place] has a 1.

    What is not finite travels as its sign, over a 0 where finite numbers have a 1: times the 0 of
    another place it would be no number.
    """
    dtype = tensor_type(source).dtype
    shape, letters = shape_of(source), string.ascii_letters[: len(shape_of(source))]
    number = [call.add(Fill(value, shape, dtype)) for value in (0.0, 1.0, -1.0)]
    zero, one, minus = number
    is_finite = call.add(BinaryScalar(call.add(Binary(source, source, "sub")), "eq", 0.0))
    is_above = call.add(BinaryScalar(source, "gt", 0.0))
    is_below = call.add(BinaryScalar(source, "lt", 0.0))
    sign = call.add(Select(is_above, one, call.add(Select(is_below, minus, zero))))
    above = call.add(Select(is_finite, source, sign))
    below = call.cast(is_finite, dtype)

    def at_places(x: Value) -> Value:
        target = letters.replace(letters[dim], "Z")
        return call.add(Contract(x, hits, letters, letters[dim] + "Z", target))

    return call.add(Binary(at_places(above), at_places(below), "div"))
