"""Convolution and pooling without bias and padding."""

from __future__ import annotations

import math

import numpy as np

from waferc.evaluate.arrays import pool2d as pool_array
from waferc.passes.decomposing import Decomposing, kind_of, shape_of
from waferc_ir.ops.graph_compute import Conv2d, Pool2d
from waferc_ir.ops.graph_move import Pad
from waferc_ir.program import Value


def conv2d(to: Decomposing, op: Conv2d) -> Value:
    """Padding as a pad, the bias as an addition."""
    x = _padded(to, op.x, op.padding, 0.0)
    result = to.add(Conv2d(x, op.weight, None, op.stride, (0, 0), op.dilation, op.groups))
    if op.bias is None:
        return result
    channels = shape_of(op.bias)[0]
    return to.binary("add", result, to.reshape(op.bias, (channels, 1, 1)))


def pool2d(to: Decomposing, op: Pool2d) -> Value:
    """Padding as a pad: minus infinity for a maximum, 0 for a mean.

    A mean that does not count the padding is one that does, times a constant for each window.
    """
    if not any(op.padding):
        return to.add(Pool2d(op.x, op.fn, op.kernel, op.stride, (0, 0)))
    kind = kind_of(op.x)
    lowest = -math.inf if kind.dtype.is_float else float(np.iinfo(kind.dtype.numpy).min)
    x = _padded(to, op.x, op.padding, lowest if op.fn == "max" else 0.0)
    result = to.add(Pool2d(x, op.fn, op.kernel, op.stride, (0, 0)))
    if op.fn == "max" or op.count_padding:
        return result
    ones = np.ones((1, 1, *kind.shape[2:]))
    share = pool_array(ones, "mean", op.kernel, op.stride, op.padding, count_padding=True)
    return to.binary("mul", result, to.constant(1 / share, "pool.count", kind.dtype))


def _padded(to: Decomposing, x: Value, padding: tuple[int, ...], value: float) -> Value:
    if not any(padding):
        return x
    around = (0, 0, *padding)
    return to.add(Pad(x, around, around, value))
