"""Data movement: views, permutations, slices, concatenation, padding, copies."""

from __future__ import annotations

import math

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.elementwise import truth
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_move import Concat, Expand, Pad, Permute, Reshape, Slice
from waferc_ir.program import Value


@lowers("aten.view.default", "aten.unsqueeze.default", "aten.squeeze.dims")
def _reshape(call: Call) -> Results:
    """Every operator whose result has the elements of its operand in the same order."""
    x = call.tensor("self")
    return reshape(call, x, call.result.shape)


def reshape(call: Call, x: Value, shape: tuple[int, ...]) -> Value:
    """`x` in another shape; itself if it has it."""
    return x if shape_of(x) == shape else call.add(Reshape(x, shape))


@lowers("aten.clone.default", "aten.alias.default")
def _same(call: Call) -> Results:
    return call.tensor("self")


@lowers("aten._to_copy.default", "aten.copy.default")
def _convert(call: Call) -> Results:
    if call.node.target == "aten.copy.default":
        source = _converted(call, call.tensor("src"), call.result.dtype)
        shape = call.result.shape
        return source if shape_of(source) == shape else call.add(Expand(source, shape))
    return _converted(call, call.tensor("self"), call.result.dtype)


def _converted(call: Call, x: Value, dtype: DType) -> Value:
    return truth(call, x) if dtype is DType.BOOL else call.cast(x, dtype)


@lowers("aten.permute.default")
def _permute(call: Call) -> Results:
    x = call.tensor("self")
    rank = len(shape_of(x))
    return call.add(Permute(x, tuple(dim % rank for dim in call.integers("dims"))))


@lowers("aten.slice.Tensor")
def _slice(call: Call) -> Results:
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    extent = shape_of(x)[dim]
    start = _bounded(call.optional_number("start"), 0, extent)
    stop = _bounded(call.optional_number("end"), extent, extent)
    return slice_of(call, x, dim, start, stop, call.integer("step"))


def _bounded(given: float | None, default: int, extent: int) -> int:
    """An index as Python slices take it: negative from the end, and cut to the extent."""
    if given is None:
        return default
    index = int(given) + extent if given < 0 else int(given)
    return max(0, min(index, extent))


def slice_of(call: Call, x: Value, dim: int, start: int, stop: int, step: int = 1) -> Value:
    """A slice; `x` itself if it is all of it."""
    if (start, stop, step) == (0, shape_of(x)[dim], 1):
        return x
    return call.add(Slice(x, dim, start, stop, step))


@lowers("aten.select.int")
def _select(call: Call) -> Results:
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    index = call.integer("index") % shape_of(x)[dim]
    return reshape(call, slice_of(call, x, dim, index, index + 1), call.result.shape)


@lowers("aten.split_with_sizes.default")
def _split(call: Call) -> Results:
    """Consecutive parts along a dimension; their extents are those of the results."""
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    parts: list[Value | None] = []
    start = 0
    for number, meta in enumerate(call.node.results):
        assert meta is not None, call.node.target
        stop = start + meta.shape[dim]
        parts.append(slice_of(call, x, dim, start, stop) if number in call.used else None)
        start = stop
    return tuple(parts)


@lowers("getitem")
def _getitem(call: Call) -> Results:
    result = call.results_of("0")[call.integer("1")]
    assert result is not None, "lowerings yield or refuse the results that are used"
    return result


@lowers("aten.cat.default")
def _cat(call: Call) -> Results:
    rank = len(call.result.shape)
    given = call.optional_tensors("tensors")
    parts = [call.cast(x, call.result.dtype) for x in given if x is not None]
    return concat(call, parts, call.dim("dim", rank))


def concat(call: Call, parts: list[Value], dim: int) -> Value:
    """Parts one after the other; a single part is itself."""
    return parts[0] if len(parts) == 1 else call.add(Concat(tuple(parts), dim))


@lowers("aten.expand.default")
def _expand(call: Call) -> Results:
    x = call.tensor("self")
    return x if shape_of(x) == call.result.shape else call.add(Expand(x, call.result.shape))


@lowers("aten.repeat.default")
def _repeat(call: Call) -> Results:
    x = call.tensor("self")
    counts = call.integers("repeats")
    shape = (1,) * (len(counts) - len(shape_of(x))) + shape_of(x)
    spread = tuple(item for extent in shape for item in (1, extent))
    grown = tuple(item for n, extent in zip(counts, shape, strict=True) for item in (n, extent))
    if spread == grown:
        return reshape(call, x, shape)
    expanded = call.add(Expand(call.add(Reshape(x, spread)), grown))
    return call.add(Reshape(expanded, call.result.shape))


@lowers("aten.constant_pad_nd.default")
def _pad(call: Call) -> Results:
    """`pad` lists (before, after) from the last dimension to the first; negative ones cut."""
    x = call.tensor("self")
    widths = call.integers("pad")
    rank = len(shape_of(x))
    before, after = [0] * rank, [0] * rank
    for number in range(len(widths) // 2):
        dim = rank - 1 - number
        low, high = widths[2 * number], widths[2 * number + 1]
        extent = shape_of(x)[dim]
        x = slice_of(call, x, dim, max(0, -low), extent - max(0, -high))
        before[dim], after[dim] = max(0, low), max(0, high)
    if not any(before) and not any(after):
        return x
    return call.add(Pad(x, tuple(before), tuple(after), float(call.number("value"))))


@lowers("aten.roll.default")
def _roll(call: Call) -> Results:
    x = call.tensor("self")
    shape = shape_of(x)
    shifts, dims = call.integers("shifts"), call.integers("dims")
    if not dims:
        x, dims = reshape(call, x, (math.prod(shape),)), (0,)
    for shift, dim in zip(shifts, dims, strict=True):
        where = dim % len(shape_of(x))
        extent = shape_of(x)[where]
        cut = (extent - shift) % extent
        if cut:
            parts = [
                slice_of(call, x, where, cut, extent), slice_of(call, x, where, 0, cut)
            ]  # fmt: skip
            x = concat(call, parts, where)
    return reshape(call, x, shape)


@lowers("aten.slice_scatter.default")
def _scatter_slice(call: Call) -> Results:
    """`self` with a range of one dimension replaced by `src`."""
    x, source = call.tensor("self"), call.tensor("src")
    source = call.cast(source, tensor_type(x).dtype)
    shape = shape_of(x)
    dim = call.dim("dim", len(shape))
    extent = shape[dim]
    if call.integer("step") != 1:
        raise call.refuse("writes every other element, which is not supported")
    start = _bounded(call.optional_number("start"), 0, extent)
    stop = _bounded(call.optional_number("end"), extent, extent)
    if start >= stop:
        return x
    parts = [source]
    if start > 0:
        parts.insert(0, slice_of(call, x, dim, 0, start))
    if stop < extent:
        parts.append(slice_of(call, x, dim, stop, extent))
    return concat(call, parts, dim)
