"""Rules for elementwise operations: fills become numbers, neutral elements go.

Results are those of the operation that is replaced, bit for bit, but for the sign of zeros.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from waferc.passes.simplifying import Simplifying, kind_of, shape_of
from waferc_ir.dtypes import DType
from waferc_ir.ops.functions import LOGICAL
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Cast, CausalMask, Select, Unary
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value

_NEUTRAL = {
    ("add", 0.0), ("sub", 0.0), ("mul", 1.0), ("div", 1.0), ("pow", 1.0),
    ("max", -math.inf), ("min", math.inf),
}  # fmt: skip
_COMMUTES = ("add", "mul", "max", "min")
_INVERSES = ("neg", "logical_not")
_WIDER = {DType.F16: (DType.F32,), DType.I16: (DType.I32, DType.F32), DType.BOOL: tuple(DType)}


def cast(to: Simplifying, op: Cast) -> Value | None:
    """To the same type: nothing. Of a fill: a fill. Of a widening: the cast of what it widened."""
    if kind_of(op.x).dtype is op.dtype:
        return op.x
    match to.definition(op.x):
        case Fill(dtype=DType.F32 | DType.BOOL | DType.I32 | DType.I16) as inner:
            if not op.dtype.is_float:
                return None
            value = float(np.asarray(inner.value).astype(inner.dtype.numpy))
            return to.add(replace(inner, value=value, dtype=op.dtype))
        case Cast() as inner if kind_of(op.x).dtype in _WIDER.get(kind_of(inner.x).dtype, ()):
            return to.add(Cast(inner.x, op.dtype))
        case _:
            return None


def unary(to: Simplifying, op: Unary) -> Value | None:
    """The inverse of what an operand is the result of: that operand."""
    inner = to.definition(op.x)
    if op.fn not in _INVERSES or not isinstance(inner, Unary) or inner.fn != op.fn:
        return None
    is_truth = kind_of(inner.x).dtype is DType.BOOL
    return inner.x if op.fn == "neg" or is_truth else None


def binary(to: Simplifying, op: Binary) -> Value | None:
    """With a fill that does not widen the result: with a number."""
    if op.fn in LOGICAL or kind_of(op.lhs).dtype is DType.BOOL:
        return None
    result = op.result_type().shape
    right, left = to.number(op.rhs), to.number(op.lhs)
    if right is not None and shape_of(op.lhs) == result:
        return to.add(BinaryScalar(op.lhs, op.fn, right))
    if left is not None and shape_of(op.rhs) == result:
        return to.add(BinaryScalar(op.rhs, op.fn, left, reverse=True))
    return None


def binary_scalar(to: Simplifying, op: BinaryScalar) -> Value | None:
    """With a neutral element: nothing. By a power of two: a product.

    Multiplication by a number and then another is one where one of them is a power of two, which
    rounds nothing.
    """
    if op.reverse and op.fn in _COMMUTES:
        return to.add(replace(op, reverse=False))
    if op.reverse:
        return None
    if (op.fn, op.value) in _NEUTRAL:
        return op.x
    if op.fn == "div" and _is_power_of_two(op.value):
        return to.add(BinaryScalar(op.x, "mul", 1 / op.value))
    inner = to.definition(op.x)
    is_product = isinstance(inner, BinaryScalar) and inner.fn == "mul" and not inner.reverse
    if op.fn == "mul" and isinstance(inner, BinaryScalar) and is_product:
        exact = _is_power_of_two(op.value) and _is_power_of_two(inner.value)
        if exact and to.has_one_use(op.x):
            return to.add(BinaryScalar(inner.x, "mul", op.value * inner.value))
    return None


def _is_power_of_two(value: float) -> bool:
    """Whether multiplying and dividing by a number only moves exponents, within reason."""
    mantissa, exponent = math.frexp(abs(value))
    return mantissa == 0.5 and -8 <= exponent <= 8


def select(to: Simplifying, op: Select) -> Value | None:
    """By a constant condition: the side that it selects, if that has the full shape."""
    number = to.number(op.condition)
    if number is None:
        return None
    chosen = op.lhs if number else op.rhs
    return chosen if shape_of(chosen) == op.result_type().shape else None


def causal_select(to: Simplifying, op: Select) -> Value | None:
    """By a constant triangle, with minus infinity on the hidden side: a causal mask."""
    data = to.data(op.condition)
    if data is None or data.ndim < 2:
        return None
    for kept, hidden, is_hidden in ((op.lhs, op.rhs, ~data), (op.rhs, op.lhs, data)):
        if to.number(hidden) == -math.inf and shape_of(kept) == op.result_type().shape:
            return _causal(to, kept, is_hidden)
    return None


def causal_sum(to: Simplifying, op: Binary) -> Value | None:
    """Plus a constant of zeros and, in a triangle, minus infinity: a causal mask."""
    if op.fn != "add" or not kind_of(op.lhs).dtype.is_float:
        return None
    for kept, mask in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        data = to.data(mask)
        if data is None or data.ndim < 2 or shape_of(kept) != op.result_type().shape:
            continue
        is_hidden = np.isneginf(data)
        if np.all(is_hidden | (data == 0)):
            return _causal(to, kept, is_hidden)
    return None


def _causal(
    to: Simplifying, x: Value, is_hidden: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Value | None:
    """A causal mask of `x`, if `is_hidden` is a triangle of the extents of its last dimensions.

    The offset is read off the first row.
    """
    rows, columns = is_hidden.shape[-2:]
    if (rows, columns) != shape_of(x)[-2:] or not is_hidden.any():
        return None
    first = is_hidden.reshape(-1, rows, columns)[0, 0]
    offset = columns - 1 - int(np.count_nonzero(first))
    triangle = np.arange(columns) > np.arange(rows)[:, None] + offset
    return to.add(CausalMask(x, offset)) if np.all(is_hidden == triangle) else None
