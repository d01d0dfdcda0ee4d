"""Scalar arithmetic of CSL on uniform values and on arrays of them.

A uniform value is a Python `int` or `bool`, or a NumPy float of the CSL type; a value that
differs between PEs is an array of the type's dtype. Integers wrap, `/` truncates toward zero and
`%` takes the sign of the dividend.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import BinaryOp, CompareOp, Scalar, UnaryOp

Uniform = int | float | bool | np.floating[Any]
Value = Uniform | NDArray[Any]

DTYPES: Mapping[Scalar, np.dtype[Any]] = MappingProxyType({s: np.dtype(s.numpy) for s in Scalar})


class ZeroDivisorError(ArithmeticError):
    """An integer was divided by zero; `lane` is the first array index where, None if uniform."""

    def __init__(self, lane: int | None) -> None:
        super().__init__("integer division by zero")
        self.lane = lane


def is_signed(scalar: Scalar) -> bool:
    """Whether an integer type has negative values."""
    return scalar.label.startswith("i")


def wrap(value: int, scalar: Scalar) -> int:
    """The integer reduced modulo 2**bits into the range of the type."""
    bits = scalar.bits
    value &= (1 << bits) - 1
    if is_signed(scalar) and value >> (bits - 1):
        value -= 1 << bits
    return value


def uniform(value: Uniform, scalar: Scalar) -> Uniform:
    """A constant in its canonical form for the type."""
    if scalar is Scalar.BOOL:
        return bool(value)
    if scalar.is_float:
        with np.errstate(over="ignore"):
            return from_item(np.asarray(value, DTYPES[scalar])[()])
    return wrap(int(value), scalar)


def to_array(value: Value, scalar: Scalar) -> NDArray[Any]:
    """The value as an array (of rank 0 when it is uniform) of the type's dtype."""
    return np.asarray(value, dtype=DTYPES[scalar])


def from_item(item: Any) -> Uniform:
    """One element of an array as a uniform value."""
    if isinstance(item, np.floating):
        return cast("np.floating[Any]", item)
    return item.item()


_FLOAT: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
}
_INTEGER: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_INTEGER_ARRAYS: dict[str, Callable[..., NDArray[Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def binary(op: BinaryOp, scalar: Scalar) -> Callable[[Value, Value], Value]:
    """The function of two values for an operator; shifts take any unsigned right operand.

    Raises (the function does):
        ZeroDivisorError: integer `/` or `%` by zero.
    """
    if scalar.is_float:
        return _FLOAT[op]
    if op in ("/", "%"):
        return _division(op == "%", scalar)
    if op in ("<<", ">>"):
        return _shift(op == "<<", scalar)
    dtype = DTYPES[scalar]
    on_int, on_array = _INTEGER[op], _INTEGER_ARRAYS[op]

    def compute(a: Value, b: Value) -> Value:
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            # arrays put together from uniform integers are wider than the type
            return on_array(a, b, dtype=dtype, casting="unsafe")
        return wrap(on_int(int(a), int(b)), scalar)

    return compute


def _division(is_remainder: bool, scalar: Scalar) -> Callable[[Value, Value], Value]:
    def compute(a: Value, b: Value) -> Value:
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            left, right = to_array(a, scalar), to_array(b, scalar)
            if not right.all():
                zero = np.flatnonzero(np.broadcast_to(right, left.shape or right.shape) == 0)
                raise ZeroDivisorError(int(zero[0]))
            remainder = np.fmod(left, right)
            return remainder if is_remainder else (left - remainder) // right
        left_int, right_int = int(a), int(b)
        if right_int == 0:
            raise ZeroDivisorError(None)
        quotient = abs(left_int) // abs(right_int)
        if (left_int < 0) != (right_int < 0):
            quotient = -quotient
        result = left_int - quotient * right_int if is_remainder else quotient
        return wrap(result, scalar)

    return compute


def _shift(is_left: bool, scalar: Scalar) -> Callable[[Value, Value], Value]:
    dtype, bits = DTYPES[scalar], scalar.bits

    def compute(a: Value, b: Value) -> Value:
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            amount = np.minimum(np.asarray(b), bits - 1).astype(dtype)
            value = to_array(a, scalar)
            if not is_left:
                shifted = np.right_shift(value, amount)
                if is_signed(scalar):
                    return shifted
            else:
                shifted = np.left_shift(value, amount)
            return np.where(np.asarray(b) >= bits, dtype.type(0), shifted)
        amount_int = int(b)
        if is_left:
            return 0 if amount_int >= bits else wrap(int(a) << amount_int, scalar)
        return int(a) >> min(amount_int, bits)

    return compute


def unary(op: UnaryOp, scalar: Scalar) -> Callable[[Value], Value]:
    """The function of one value for an operator; `not` is for bool."""

    def compute(x: Value) -> Value:
        if isinstance(x, np.ndarray):
            match op:
                case "not":
                    return np.logical_not(x)
                case "neg":
                    return np.negative(to_array(x, scalar))
                case "invert":
                    return np.invert(to_array(x, scalar))
        match op:
            case "not":
                return not x
            case "neg":
                return -x if scalar.is_float else wrap(-int(x), scalar)
            case "invert":
                return (not x) if scalar is Scalar.BOOL else wrap(~int(x), scalar)

    return compute


def compare(op: CompareOp) -> Callable[[Value, Value], Value]:
    """The comparison; uniform operands give a Python bool."""
    function = _COMPARE[op]

    def compute(a: Value, b: Value) -> Value:
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            return np.asarray(function(a, b))
        return bool(function(a, b))

    return compute


def convert(x: Value, source: Scalar, target: Scalar) -> Value:
    """`@as`: float to integer truncates, then keeps low bits; anything to bool is `!= 0`."""
    if source is target:
        return x
    if isinstance(x, np.ndarray):
        if target is Scalar.BOOL:
            return x != 0
        if source.is_float and not target.is_float:
            with np.errstate(invalid="ignore"):
                wide = np.trunc(x.astype(np.float64))
                wide = np.where(np.abs(wide) < 2.0**63, wide, 0.0)
                return wide.astype(np.int64).astype(DTYPES[target])
        with np.errstate(over="ignore"):
            return x.astype(DTYPES[target])
    if target is Scalar.BOOL:
        return bool(x != 0)
    if target.is_float:
        with np.errstate(over="ignore"):
            return DTYPES[target].type(x)
    if source.is_float:
        wide_float = float(x)
        if not abs(wide_float) < 2.0**63:  # also NaN
            return 0
        return wrap(int(wide_float), target)
    return wrap(int(x), target)


def bitcast(x: Value, source: Scalar, target: Scalar) -> Value:
    """`@bitcast`: the same bits in a type of equal width."""
    if source is target:
        return x
    array = to_array(x, source)
    if source is Scalar.BOOL:
        array = array.astype(np.uint16)
    bits: NDArray[Any] = array.view(np.uint16 if target is Scalar.BOOL else DTYPES[target])
    result = bits != 0 if target is Scalar.BOOL else bits
    return result if isinstance(x, np.ndarray) else from_item(result.reshape(1)[0])
