"""What graph operations do to whole arrays: products, norms, convolution, pooling.

f32 is computed in f32. f16 is computed in f32 and rounded once at the end of the operation, which
is closer to the exact result than an engine that accumulates in f16 can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from waferc.evaluate.scalar import widened
from waferc_ir.spread import spread_order

Array = NDArray[Any]


def reduce(x: Array, fn: str, dims: Sequence[int], keepdim: bool) -> Array:
    """Reduction by `fn` (sum, max, min, mean) over `dims`."""
    axis = tuple(dims)
    wide = widened(x)
    with np.errstate(all="ignore"):
        match fn:
            case "sum":
                result = np.sum(wide, axis=axis, keepdims=keepdim, dtype=wide.dtype)
            case "mean":
                result = np.mean(wide, axis=axis, keepdims=keepdim, dtype=wide.dtype)
            case "max":
                result = np.max(wide, axis=axis, keepdims=keepdim)
            case "min":
                result = np.min(wide, axis=axis, keepdims=keepdim)
            case _:
                raise ValueError(fn)
        return np.asarray(result, x.dtype)


def softmax(x: Array, dim: int, log: bool) -> Array:
    """Softmax along `dim`, or its logarithm; rows of minus infinity alone become NaN."""
    wide = widened(x)
    with np.errstate(all="ignore"):
        shifted = wide - np.max(wide, axis=dim, keepdims=True)
        exponential = np.exp(shifted)
        total = np.sum(exponential, axis=dim, keepdims=True)
        return (shifted - np.log(total) if log else exponential / total).astype(x.dtype)


def spread(array: Array, dims: tuple[int, ...]) -> Array:
    """The array with `dims` in the order in which states are stored."""
    for dim in dims:
        array = np.take(array, np.array(spread_order(array.shape[dim])), axis=dim)
    return array


def gathered(array: Array, dims: tuple[int, ...]) -> Array:
    """What `spread` makes `array` of."""
    for dim in dims:
        array = np.take(array, np.argsort(spread_order(array.shape[dim])), axis=dim)
    return array


def layer_norm(x: Array, weight: Array | None, bias: Array | None, rank: int, eps: float) -> Array:
    """Layer norm over the last `rank` dimensions; variance around the mean, two passes."""
    wide = widened(x)
    axis = tuple(range(-rank, 0))
    with np.errstate(all="ignore"):
        centred = wide - np.mean(wide, axis=axis, keepdims=True)
        variance = np.mean(np.square(centred), axis=axis, keepdims=True)
        return _affine(centred / np.sqrt(variance + np.float32(eps)), weight, bias, x.dtype)


def rms_norm(x: Array, weight: Array | None, rank: int, eps: float) -> Array:
    """`x / sqrt(mean(x^2) + eps)` over the last `rank` dimensions, times `weight`."""
    wide = widened(x)
    axis = tuple(range(-rank, 0))
    with np.errstate(all="ignore"):
        square = np.mean(np.square(wide), axis=axis, keepdims=True)
        return _affine(wide / np.sqrt(square + np.float32(eps)), weight, None, x.dtype)


def _affine(x: Array, weight: Array | None, bias: Array | None, dtype: np.dtype[Any]) -> Array:
    if weight is not None:
        x = x * widened(weight)
    if bias is not None:
        x = x + widened(bias)
    return x.astype(dtype)


def matmul(lhs: Array, rhs: Array) -> Array:
    """`[..., m, k] x [..., k, n] -> [..., m, n]`."""
    with np.errstate(all="ignore"):
        return np.matmul(widened(lhs), widened(rhs)).astype(lhs.dtype)


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """`[..., k] x [n, k] (+ [n]) -> [..., n]`."""
    with np.errstate(all="ignore"):
        result = np.matmul(widened(x), widened(weight).T)
        return (result if bias is None else result + widened(bias)).astype(x.dtype)


def attention(
    query: Array, key: Array, value: Array, mask: Array | None, causal: bool, scale: float
) -> Array:
    """Scaled dot-product attention; a query that sees no key yields NaN."""
    with np.errstate(all="ignore"):
        transposed = np.swapaxes(widened(key), -1, -2)
        scores = np.matmul(widened(query) * np.float32(scale), transposed)
        if mask is not None and mask.dtype == np.bool_:
            scores = np.where(mask, scores, np.float32(-np.inf))
        elif mask is not None:
            scores = scores + widened(mask)
        if causal:
            scores = causal_mask(scores, 0)
        return np.matmul(softmax(scores, -1, log=False), widened(value)).astype(query.dtype)


def causal_mask(x: Array, offset: int) -> Array:
    """Minus infinity where (index in the last dim) > (index in the one before) + `offset`."""
    rows = np.arange(int(x.shape[-2]))[:, None]
    columns = np.arange(int(x.shape[-1]))
    return np.where(columns > rows + offset, x.dtype.type(-np.inf), x)


def embedding(table: Array, ids: Array) -> Array:
    """Rows of `table` by `ids`; ids outside of the table yield rows of zeros."""
    inside = np.logical_and(ids >= 0, ids < table.shape[0])
    found: Array = np.take(table, np.clip(ids, 0, table.shape[0] - 1), axis=0)
    found[~inside] = 0
    return found


def contract(lhs: Array, rhs: Array, lhs_dims: str, rhs_dims: str, out_dims: str) -> Array:
    """Einstein sum of two operands, as one batched matrix product."""
    batch = [d for d in out_dims if d in lhs_dims and d in rhs_dims]
    rows = [d for d in out_dims if d not in rhs_dims]
    columns = [d for d in out_dims if d not in lhs_dims]
    summed = [d for d in lhs_dims if d not in out_dims]
    extents = {**dict(zip(lhs_dims, lhs.shape, strict=True)),
               **dict(zip(rhs_dims, rhs.shape, strict=True))}  # fmt: skip

    def arranged(operand: Array, dims: str, groups: Sequence[list[str]]) -> Array:
        order = [dims.index(letter) for group in groups for letter in group]
        shape = [math.prod(extents[letter] for letter in group) for group in groups]
        return np.transpose(operand, order).reshape(shape)

    left = arranged(widened(lhs), lhs_dims, (batch, rows, summed))
    right = arranged(widened(rhs), rhs_dims, (batch, summed, columns))
    with np.errstate(all="ignore"):
        product = np.matmul(left, right).astype(lhs.dtype)
    order = [*batch, *rows, *columns]
    product = product.reshape([extents[letter] for letter in order])
    return np.transpose(product, [order.index(letter) for letter in out_dims])


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """`[n, ci, h, w] x [co, ci/groups, kh, kw] (+ [co]) -> [n, co, oh, ow]`."""
    padded = np.pad(widened(x), [(0, 0), (0, 0), *((p, p) for p in padding)])
    outputs, _, height, width = weight.shape
    reach = (dilation[0] * (height - 1) + 1, dilation[1] * (width - 1) + 1)
    windows = sliding_window_view(padded, reach, (2, 3))  # [n, c, oh, ow, kh, kw]
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    count, channels, rows, columns = windows.shape[:4]
    grouped = windows.reshape(count, groups, channels // groups, rows, columns, height, width)
    kernels = widened(weight).reshape(groups, outputs // groups, channels // groups, height, width)
    with np.errstate(all="ignore"):
        result = np.einsum("ngcyxhw,gochw->ngoyx", grouped, kernels, optimize=True)
        result = result.reshape(count, outputs, rows, columns)
        if bias is not None:
            result = result + widened(bias)[:, None, None]
        return result.astype(x.dtype)


def pool2d(
    x: Array,
    fn: str,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    count_padding: bool,
) -> Array:
    """Max or mean over windows of the last two of four dimensions."""

    def windows(array: Array, fill: float) -> Array:
        padded = np.pad(array, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=fill)
        seen = sliding_window_view(padded, tuple(kernel), (2, 3))
        return seen[:, :, :: stride[0], :: stride[1]]

    wide = widened(x)
    with np.errstate(all="ignore"):
        if fn == "max":
            lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
            return np.max(windows(wide, lowest), axis=(-2, -1)).astype(x.dtype)
        total = np.sum(windows(wide, 0), axis=(-2, -1), dtype=wide.dtype)
        if count_padding:
            return (total / wide.dtype.type(math.prod(kernel))).astype(x.dtype)
        counted = np.sum(windows(np.ones_like(wide), 0), axis=(-2, -1))
        return (total / counted).astype(x.dtype)
