"""Softmax, means and norms with primitive operations."""

from __future__ import annotations

import math

from waferc.passes.decomposing import Decomposing, kind_of, shape_of
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import LayerNorm, Reduce, RmsNorm, Softmax
from waferc_ir.program import Value


def softmax(to: Decomposing, op: Softmax) -> Value:
    """`exp(x - max) * (1 / sum(exp(x - max)))`, or its logarithm."""
    dims = (op.dim,)
    shifted = to.binary("sub", op.x, to.reduce("max", op.x, dims))
    exponential = to.unary("exp", shifted)
    total = to.reduce("sum", exponential, dims)
    if op.log:
        return to.binary("sub", shifted, to.unary("log", total))
    return to.binary("mul", exponential, to.unary("reciprocal", total))  # fewer divisions


def mean(to: Decomposing, op: Reduce) -> Value:
    """A mean as a sum times 1/n; other reductions stay."""
    if op.fn != "mean":
        return to.add(op)
    total = to.reduce("sum", op.x, op.dims, op.keepdim)
    return to.scalar("mul", total, 1 / _count(op.x, op.dims))


def layer_norm(to: Decomposing, op: LayerNorm) -> Value:
    """`(x - mean) * rsqrt(var + eps) * weight + bias`; the variance around the mean."""
    dims = _last(op.x, op.rank)
    average = to.scalar("mul", to.reduce("sum", op.x, dims), 1 / _count(op.x, dims))
    centred = to.binary("sub", op.x, average)
    result = to.binary("mul", centred, _inverse_deviation(to, centred, dims, op.eps))
    if op.weight is not None:
        result = to.binary("mul", result, op.weight)
    return result if op.bias is None else to.binary("add", result, op.bias)


def rms_norm(to: Decomposing, op: RmsNorm) -> Value:
    """`x * rsqrt(mean(x^2) + eps) * weight`."""
    dims = _last(op.x, op.rank)
    result = to.binary("mul", op.x, _inverse_deviation(to, op.x, dims, op.eps))
    return result if op.weight is None else to.binary("mul", result, op.weight)


def _inverse_deviation(to: Decomposing, x: Value, dims: tuple[int, ...], eps: float) -> Value:
    """`rsqrt(mean(x^2) + eps)`.

    In f16 elements are scaled before they are squared: the sum of squares of some hundred elements
    would leave the range of the type.
    """
    count = _count(x, dims)
    if kind_of(x).dtype is DType.F16:
        scaled = to.scalar("mul", x, 1 / math.sqrt(count))
        square = to.reduce("sum", to.binary("mul", scaled, scaled), dims)
    else:
        total = to.reduce("sum", to.binary("mul", x, x), dims)
        square = to.scalar("mul", total, 1 / count)
    return to.unary("rsqrt", to.scalar("add", square, eps))


def _last(x: Value, rank: int) -> tuple[int, ...]:
    full = len(shape_of(x))
    return tuple(range(full - rank, full))


def _count(x: Value, dims: tuple[int, ...]) -> int:
    return math.prod(shape_of(x)[dim] for dim in dims)
