"""Convolution, pooling and resizing of images; one-dimensional forms as images of height 1."""

from __future__ import annotations

import math

import numpy as np

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.elementwise import arithmetic
from waferc_ir.ops.graph_compute import Conv2d, MatMul, Pool2d
from waferc_ir.ops.graph_move import Expand, Pad, Reshape
from waferc_ir.program import Value

Pair = tuple[int, int]


@lowers("aten.convolution.default")
def _convolution(call: Call) -> Results:
    if call.flag("transposed"):
        raise call.refuse("is transposed, which is not supported")
    x, weight = call.tensor("input"), call.tensor("weight")
    bias = call.optional_tensor("bias")
    spatial = len(shape_of(weight)) - 2
    if spatial not in (1, 2):
        raise call.refuse(f"has {spatial} spatial dimensions; 1 and 2 are supported")
    shape = shape_of(x)
    has_batch = len(shape) == spatial + 2
    x = _image(call, x, spatial, has_batch)
    if spatial == 1:
        outputs, channels, width = shape_of(weight)
        weight = call.add(Reshape(weight, (outputs, channels, 1, width)))
    stride, dilation = (_pair(call, name, 1, spatial) for name in ("stride", "dilation"))
    padding = _pair(call, "padding", 0, spatial)
    groups = call.integer("groups")
    result = call.add(Conv2d(x, weight, bias, stride, padding, dilation, groups))
    return _shaped(call, result)


def _image(call: Call, x: Value, spatial: int, has_batch: bool) -> Value:
    """`x` as `[n, c, h, w]`."""
    shape = shape_of(x)
    leading = shape[: len(shape) - spatial]
    full = (1,) * (2 - len(leading)) + leading if not has_batch else leading
    wanted = (*full, *((1,) if spatial == 1 else ()), *shape[len(shape) - spatial :])
    return x if wanted == shape else call.add(Reshape(x, wanted))


def _shaped(call: Call, x: Value) -> Value:
    return x if shape_of(x) == call.result.shape else call.add(Reshape(x, call.result.shape))


def _pair(call: Call, name: str, neutral: int, spatial: int) -> Pair:
    """A number per spatial dimension, (height, width)."""
    given = call.integers(name)
    if len(given) < spatial:
        given = given * spatial
    return (neutral, given[0]) if spatial == 1 else (given[0], given[1])


@lowers("aten.max_pool2d.default", "aten.max_pool1d.default")
def _max_pool(call: Call) -> Results:
    return _pool(call, "max", 1 if "pool1d" in call.node.target else 2)


@lowers("aten.max_pool2d_with_indices.default")
def _max_pool_with_indices(call: Call) -> Results:
    if 1 in call.used:
        raise call.refuse("yields indices, which have no form in the graph IR")
    return _pool(call, "max", 2), None


@lowers("aten.avg_pool2d.default")
def _average_pool(call: Call) -> Results:
    return _pool(call, "mean", 2)


def _pool(call: Call, fn: str, spatial: int) -> Value:
    x = call.tensor("self")
    shape = shape_of(x)
    x = _image(call, x, spatial, has_batch=len(shape) == spatial + 2)
    kernel = _pair(call, "kernel_size", 1, spatial)
    stride = _pair(call, "stride", 1, spatial) if call.integers("stride") else kernel
    padding = _pair(call, "padding", 0, spatial)
    if fn == "max" and set(call.integers("dilation")) - {1}:
        raise call.refuse("is dilated, which is not supported")
    excess = _excess(shape_of(x), kernel, stride, padding) if call.flag("ceil_mode") else (0, 0)
    if any(excess):
        if fn == "mean":
            raise call.refuse("rounds its extent up, which is not supported for averages")
        after = (0, 0, *excess)
        x = call.add(Pad(x, (0, 0, 0, 0), after, -math.inf))
    count = fn == "mean" and call.flag("count_include_pad")
    result = call.add(Pool2d(x, fn, kernel, stride, padding, count_padding=count or fn == "max"))
    divisor = call.optional_number("divisor_override") if fn == "mean" else None
    if divisor is not None:
        factor = math.prod(kernel) / divisor
        full = call.add(Pool2d(x, fn, kernel, stride, padding))
        result = arithmetic(call, "mul", full, factor)
    return _shaped(call, result)


def _excess(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Elements that windows reach beyond the padded end when the extent is rounded up."""
    reach: list[int] = []
    for axis in range(2):
        extent = shape[2 + axis] + 2 * padding[axis]
        windows = -(-(extent - kernel[axis]) // stride[axis]) + 1
        if (windows - 1) * stride[axis] >= shape[2 + axis] + padding[axis]:
            windows -= 1  # torch lets no window start in the padding behind
        reach.append(max(0, (windows - 1) * stride[axis] + kernel[axis] - extent))
    return reach[0], reach[1]


@lowers("aten._adaptive_avg_pool2d.default")
def _adaptive_average(call: Call) -> Results:
    x = call.tensor("self")
    for axis in (-2, -1):
        wanted = call.result.shape[axis]
        x = _along(call, x, axis, _averaging(shape_of(x)[axis], wanted))
    return x


def _averaging(extent: int, wanted: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """`[extent, wanted]`: column i averages the elements that torch gives to output i."""
    matrix = np.zeros((extent, wanted))
    for column in range(wanted):
        start, stop = column * extent // wanted, -(-(column + 1) * extent // wanted)
        matrix[start:stop, column] = 1 / (stop - start)
    return matrix


@lowers("aten.adaptive_max_pool2d.default")
def _adaptive_max(call: Call) -> Results:
    if 1 in call.used:
        raise call.refuse("yields indices, which have no form in the graph IR")
    x = call.tensor("self")
    wanted = call.result.shape[-2:]
    extents = shape_of(x)[-2:]
    if any(extent % want for extent, want in zip(extents, wanted, strict=True)):
        raise call.refuse(f"of {list(extents)} to {list(wanted)} has windows of unequal size")
    kernel = (extents[0] // wanted[0], extents[1] // wanted[1])
    image = _image(call, x, 2, has_batch=len(shape_of(x)) == 4)
    return _shaped(call, call.add(Pool2d(image, "max", kernel, kernel, (0, 0)))), None


@lowers("aten.upsample_nearest2d.vec")
def _upsample_nearest(call: Call) -> Results:
    x = call.tensor("input")
    before, after = shape_of(x)[2:], call.result.shape[2:]
    if any(new % old for new, old in zip(after, before, strict=True)):
        raise call.refuse(f"of {list(before)} to {list(after)} is by no whole factor")
    leading = shape_of(x)[:2]
    spread = tuple(item for extent in before for item in (extent, 1))
    grown = tuple(
        item for old, new in zip(before, after, strict=True) for item in (old, new // old)
    )
    x = call.add(Reshape(x, (*leading, *spread)))
    x = call.add(Expand(x, (*leading, *grown)))
    return call.add(Reshape(x, call.result.shape))


@lowers("aten.upsample_bilinear2d.vec")
def _upsample_bilinear(call: Call) -> Results:
    x = call.tensor("input")
    factors = _scale_factors(call)
    for axis in (-2, -1):
        extent, wanted = shape_of(x)[axis], call.result.shape[axis]
        matrix = _interpolation(extent, wanted, call.flag("align_corners"), factors[axis])
        x = _along(call, x, axis, matrix)
    return x


def _scale_factors(call: Call) -> tuple[float | None, float | None]:
    factors = call.node.arguments["scale_factors"]
    if not isinstance(factors, tuple):
        return None, None
    height, width = (item if isinstance(item, (int, float)) else None for item in factors)
    return height, width


def _interpolation(
    extent: int, wanted: int, align_corners: bool, factor: float | None
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """`[extent, wanted]`: column i holds the two weights of output i."""
    outputs = np.arange(wanted, dtype=np.float64)
    if align_corners:
        places = outputs * ((extent - 1) / (wanted - 1) if wanted > 1 else 0.0)
    else:
        step = extent / wanted if factor is None else 1 / factor
        places = np.maximum((outputs + 0.5) * step - 0.5, 0.0)
    low = np.minimum(np.floor(places).astype(int), extent - 1)
    high = np.minimum(low + 1, extent - 1)
    share = np.minimum(places - low, 1.0)
    matrix = np.zeros((extent, wanted))
    np.add.at(matrix, (low, np.arange(wanted)), 1 - share)
    np.add.at(matrix, (high, np.arange(wanted)), share)
    return matrix


def _along(
    call: Call, x: Value, axis: int, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> Value:
    """The product of dimension `axis` (-1 or -2) with a constant `[extent, wanted]` matrix."""
    if matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix))):
        return x
    dtype = tensor_type(x).dtype
    if axis == -1:
        constant = call.constant(matrix.astype(dtype.numpy), "columns")
        return call.add(MatMul(x, constant))
    constant = call.constant(np.ascontiguousarray(matrix.T.astype(dtype.numpy)), "rows")
    return call.add(MatMul(constant, x))
