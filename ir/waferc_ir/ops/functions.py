"""Scalar functions of elementwise and reduce operations, and what element types they take."""

from __future__ import annotations

import math

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.types import ReduceFn

# fmt: off
UNARY = (
    "neg", "abs", "exp", "log", "sqrt", "rsqrt", "reciprocal", "tanh", "sigmoid", "relu",
    "gelu", "gelu_tanh", "silu", "erf", "sin", "cos", "floor", "ceil", "sign", "softplus",
    "logical_not",
)
# fmt: on
ARITHMETIC = ("add", "sub", "mul", "div", "max", "min", "pow")
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
LOGICAL = ("and", "or")
BINARY = (*ARITHMETIC, *COMPARE, *LOGICAL)
REDUCE = ("sum", "max", "min", "mean")
TILE_REDUCE: tuple[ReduceFn, ...] = ("sum", "max", "min")
POOL = ("max", "mean")

_ON_INTEGERS = ("neg", "abs", "relu", "floor", "ceil", "sign")
_INTEGER_BITS = {DType.I32: 32, DType.I16: 16}


def known_function(op: Op, fn: str, functions: tuple[str, ...]) -> None:
    """Require that `fn` is one of `functions`."""
    op.require(fn in functions, f"no function is called {fn!r}; known: {', '.join(functions)}")


def unary_dtype(op: Op, fn: str, dtype: DType) -> DType:
    """Element type of `fn(x)` for elements of type `dtype`."""
    known_function(op, fn, UNARY)
    if fn == "logical_not":
        return DType.BOOL
    if fn in _ON_INTEGERS:
        op.require(dtype is not DType.BOOL, f"{fn} of bool elements is not defined")
    else:
        op.require(dtype.is_float, f"{fn} takes floating-point elements and gets {dtype}")
    return dtype


def binary_dtype(op: Op, fn: str, dtype: DType) -> DType:
    """Element type of `fn(lhs, rhs)` when both have elements of type `dtype`."""
    known_function(op, fn, BINARY)
    if fn in LOGICAL:
        op.require(dtype is DType.BOOL, f"{fn} takes bool elements and gets {dtype}")
    if fn in ARITHMETIC:
        op.require(dtype is not DType.BOOL, f"{fn} of bool elements is not defined")
    if fn == "div":
        op.require(dtype.is_float, f"div takes floating-point elements and gets {dtype}")
    return dtype if fn in ARITHMETIC else DType.BOOL


def reduce_dtype(op: Op, fn: str, functions: tuple[str, ...], dtype: DType) -> DType:
    """Element type of the reduction by `fn`, one of `functions`."""
    known_function(op, fn, functions)
    if fn == "mean":
        op.require(dtype.is_float, f"mean takes floating-point elements and gets {dtype}")
    op.require(dtype is not DType.BOOL, f"{fn} of bool elements is not defined")
    return dtype


def representable(op: Op, value: float, dtype: DType) -> None:
    """Require that `value` is a number of type `dtype`; floating-point types round it."""
    if dtype.is_float:
        return
    integral = math.isfinite(value) and value == math.floor(value)
    op.require(integral, f"{value!r} is no element of type {dtype}")
    low, high = 0, 1
    if dtype is not DType.BOOL:
        bound = 1 << (_INTEGER_BITS[dtype] - 1)
        low, high = -bound, bound - 1
    op.require(low <= value <= high, f"{value!r} is outside {dtype}, {low} to {high}")


def float_elements(op: Op, dtype: DType) -> DType:
    """Require floating-point elements."""
    op.require(dtype.is_float, f"takes floating-point elements and gets {dtype}")
    return dtype


def integer_ids(op: Op, dtype: DType) -> None:
    """Require integer elements, as row numbers are."""
    op.require(dtype in _INTEGER_BITS, f"ids are integers, and these have {dtype} elements")
