"""Scalar functions of the IR on arrays, in the array's own element type.

f32 is computed in f32, f16 in f32 and rounded once. Floating-point exceptions are not reported:
infinities and NaN travel as on the wafer. Integers wrap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_SQRT_HALF = 0.7071067811865476
_GELU_TANH = 0.7978845608028654  # sqrt(2 / pi)

# W. J. Cody, "Rational Chebyshev approximation for the error function", Math. Comp. 23 (1969);
# coefficients as in his Fortran function CALERF. Accurate to double precision.
_ERF_NEAR = (
    (3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02,
     3.20937758913846947e03, 1.85777706184603153e-1),
    (2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03,
     2.84423683343917062e03),
)  # fmt: skip
_ERF_FAR = (
    (5.64188496988670089e-1, 8.88314979438837594e00, 6.61191906371416295e01,
     2.98635138197400131e02, 8.81952221241769090e02, 1.71204761263407058e03,
     2.05107837782607147e03, 1.23033935479799725e03, 2.15311535474403846e-8),
    (1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02,
     1.62138957456669019e03, 3.29079923573345963e03, 4.36261909014324716e03,
     3.43936767414372164e03, 1.23033935480374942e03),
)  # fmt: skip


def erf(x: Array) -> Array:
    """The error function, computed in f64 and rounded to the element type of `x`."""
    wide = x.astype(np.float64)
    y = np.minimum(np.abs(wide), 6.0)  # 1 - erf(6) is below the resolution of f64
    near = y * _ratio(np.square(y), *_ERF_NEAR)
    far = 1.0 - np.exp(-np.square(y)) * _ratio(y, *_ERF_FAR)
    return (np.sign(wide) * np.where(y <= 0.46875, near, far)).astype(x.dtype)


def _ratio(y: Array, top: tuple[float, ...], bottom: tuple[float, ...]) -> Array:
    """Cody's rational function: `top[-1]` leads the numerator, 1 the denominator."""
    numerator, denominator = top[-1] * y, y
    for a, b in zip(top[:-2], bottom[:-1], strict=True):
        numerator, denominator = (numerator + a) * y, (denominator + b) * y
    return (numerator + top[-2]) / (denominator + bottom[-1])


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1, small) / (1 + small)


def _gelu(x: Array) -> Array:
    wide = x.astype(np.float64)
    return wide * 0.5 * (1.0 + erf(wide * _SQRT_HALF))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(_GELU_TANH * (x + 0.044715 * x * x * x)))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _same(x: Array) -> Array:
    return x


_UNARY: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x * _sigmoid(x),
    "erf": erf,
    "sin": np.sin,
    "cos": np.cos,
    "floor": np.floor,
    "ceil": np.ceil,
    "sign": np.sign,
    "softplus": _softplus,
    "logical_not": np.logical_not,
}
_ON_INTEGERS: dict[str, Callable[[Array], Array]] = {"floor": _same, "ceil": _same}

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
}

UNARY: Mapping[str, Callable[[Array], Array]] = MappingProxyType(_UNARY)
BINARY: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(_BINARY)


def unary(fn: str, x: Array) -> Array:
    """`fn(x)` elementwise; the element type of `x`, bool for `logical_not`."""
    function = UNARY[fn] if x.dtype.kind == "f" else _ON_INTEGERS.get(fn, UNARY[fn])
    with np.errstate(all="ignore"):
        result = np.asarray(function(widened(x)))
        return result if result.dtype == np.bool_ else result.astype(x.dtype)


def binary(fn: str, lhs: Array, rhs: Array) -> Array:
    """`fn(lhs, rhs)` with broadcasting; the element type of `lhs`, bool for comparisons."""
    with np.errstate(all="ignore"):
        if fn == "pow" and lhs.dtype.kind in "iu":  # NumPy refuses negative integer exponents
            result = np.asarray(np.power(lhs.astype(np.float64), rhs))
        else:
            result = np.asarray(BINARY[fn](widened(lhs), widened(rhs)))
        return result if result.dtype == np.bool_ else result.astype(lhs.dtype)


def binary_scalar(fn: str, x: Array, value: float, reverse: bool) -> Array:
    """`fn(x, value)`, or `fn(value, x)`; the value is rounded to the element type of `x` first."""
    with np.errstate(all="ignore"):
        scalar = np.asarray(value).astype(x.dtype)
    return binary(fn, scalar, x) if reverse else binary(fn, x, scalar)


def cast(x: Array, dtype: str) -> Array:
    """`x` in the NumPy element type `dtype`; floats become integers by truncation."""
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def widened(x: Array) -> Array:
    """f16 as f32, everything else as it is."""
    return x.astype(np.float32) if x.dtype == np.float16 else x
