"""Arithmetic on known numbers: CSL's integers and floats, one number or one per PE.

`active` says for which PEs a result counts: inside a branch that some PEs do not take, what goes
wrong for those is no error. Sized integers wrap as they do at run time; comptime_int does not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.types import (
    CslType,
    EnumType,
    Meta,
    integer_range,
    is_float,
    is_integer,
    is_signed,
    type_name,
)
from waferc_runtime.csl.values import MAX_LANE_INT, Number

Active = NDArray[np.bool_] | None  # [pe]; None: all
MAX_BITS = 4096  # of a comptime_int

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LANES: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(_OPERATORS)
_BITS_OF = {Scalar.F16: np.uint16, Scalar.F32: np.uint32}


def first_offender(bad: bool | NDArray[np.bool_], active: Active) -> int | None:
    """Index of the first PE for which `bad` holds and counts (0 when it holds for all), or None."""
    if isinstance(bad, np.ndarray):
        offending = bad if active is None else bad & active
        return int(np.argmax(offending)) if offending.any() else None
    return 0 if bad else None


def pick(data: Number, pe: int) -> Any:
    """The number that PE `pe` sees."""
    return data[pe].item() if isinstance(data, np.ndarray) else data


def smallest(data: Number) -> Any:
    """The smallest of the numbers that PEs see."""
    return data.min() if isinstance(data, np.ndarray) else data


def is_lanes(*data: Number) -> bool:
    """Whether any of the numbers differs between PEs."""
    return any(isinstance(x, np.ndarray) for x in data)


def compare(op: str, a: Number, b: Number) -> Number:
    """`a op b` as truth, per PE if either has lanes."""
    return _LANES[op](a, b)


def arithmetic(
    op: str, type: CslType, a: Number, b: Number, at: Location, active: Active
) -> Number:
    """`a op b` for operands of one numeric type (of shifts, the right one may be of another).

    Raises:
        CslError: a division by zero, or a comptime_int that grows beyond reason.
    """
    if is_float(type) or type is Meta.COMPTIME_FLOAT:
        return _float_arithmetic(op, type, a, b, at, active)
    if op in ("/", "%"):
        result = _divide(op, a, b, at, active)
    elif op in ("<<", ">>"):
        result = _shift(op, type, a, b, at, active)
    else:
        result = _LANES[op](a, b)
        is_wide = type in (Meta.COMPTIME_INT, Scalar.I64, Scalar.U64)
        if is_wide and is_lanes(a, b) and op in ("+", "-", "*"):
            _check_lane_size(_LANES[op](_as_float(a), _as_float(b)), type, at)
    return _bounded(result, type, at)


def negate(type: CslType, x: Number, at: Location) -> Number:
    """`-x`."""
    if is_float(type) or type is Meta.COMPTIME_FLOAT:
        return -cast(float, x)
    return _bounded(-cast(int, x), type, at)


def invert(type: CslType, x: Number, at: Location) -> Number:
    """`~x`."""
    return _bounded(~cast(int, x), type, at)


def logical_not(x: Number) -> Number:
    """`!x`."""
    return np.logical_not(x) if isinstance(x, np.ndarray) else not x


def round_to(type: CslType, x: Number) -> Number:
    """A float rounded to f16 or f32, kept in 64 bits."""
    if type not in (Scalar.F16, Scalar.F32):
        return np.asarray(x, np.float64) if isinstance(x, np.ndarray) else float(x)
    with np.errstate(all="ignore"):
        rounded = np.asarray(x, np.float64).astype(cast(Scalar, type).numpy).astype(np.float64)
    return rounded if rounded.ndim else rounded.item()


def wrap(type: Scalar, x: Number) -> Number:
    """An integer reduced to the bits of its type."""
    if type.bits == 64 and isinstance(x, np.ndarray):
        return x  # within int64, see MAX_LANE_INT
    low = cast(int, x) & ((1 << type.bits) - 1)
    if not is_signed(type):
        return low
    half = 1 << (type.bits - 1)
    return (low ^ half) - half


def coerce_integer(x: Number, type: Scalar, at: Location, active: Active) -> Number:
    """An integer as a value of a sized type, unchanged.

    Raises:
        CslError: it is out of the type's range.
    """
    low, high = integer_range(type)
    bad = cast("bool | NDArray[np.bool_]", (cast(int, x) < low) | (cast(int, x) > high))
    pe = first_offender(bad, active)
    if pe is not None:
        raise CslError(
            f"{pick(x, pe)} does not fit {type.label}", at, notes=[f"its range is {low} to {high}"]
        )
    return wrap(type, x)


def coerce_float(x: Number, type: CslType, at: Location) -> Number:
    """A literal number as a float type.

    Raises:
        CslError: it is finite, but beyond the type's range.
    """
    try:
        wide = np.asarray(x, np.float64)
    except OverflowError:
        raise CslError(f"this number does not fit {type_name(type)}", at) from None
    rounded = round_to(type, wide if wide.ndim else wide.item())
    if bool(np.any(np.isinf(rounded) & np.isfinite(wide))):
        raise CslError(f"{wide.flat[0]:g} does not fit {type_name(type)}", at)
    return rounded


def convert(x: Number, source: CslType, type: CslType, at: Location, active: Active) -> Number:
    """`@as(type, x)`: to integers toward zero, to bool whether it is not zero, else the value.

    Raises:
        CslError: the value is out of the range of an integer type, or no number.
    """
    if type is Scalar.BOOL:
        return cast(Number, cast(Any, x) != 0)
    if isinstance(x, np.ndarray) and x.dtype == np.bool_:
        x = x.astype(np.int64)
    elif isinstance(x, bool):
        x = int(x)
    if is_float(type) or type is Meta.COMPTIME_FLOAT:
        return coerce_float(x, type, at)
    if is_float(source) or source is Meta.COMPTIME_FLOAT:
        pe = first_offender(~np.isfinite(cast(Any, x)), active)
        if pe is not None:
            raise CslError(f"{pick(x, pe)} is not an integer of type {type_name(type)}", at)
        if isinstance(x, np.ndarray):
            x = np.nan_to_num(x.astype(np.float64)).astype(np.int64)
        else:
            x = int(x)
    if type is Meta.COMPTIME_INT or isinstance(type, Handle):
        return x
    target = type.base if isinstance(type, EnumType) else cast(Scalar, type)
    return coerce_integer(x, target, at, active)


def bitcast(x: Number, source: Scalar, type: Scalar) -> Number:
    """The same bits as another type of the same width."""
    bits = x
    if source.is_float:
        raw = np.asarray(x, np.float64).astype(source.numpy).view(_BITS_OF[source])
        bits = raw.astype(np.int64) if raw.ndim else int(raw)
    elif isinstance(bits, np.ndarray):
        bits = bits.astype(np.int64)
    if type.is_float:
        unsigned = np.asarray(cast(int, bits) & ((1 << type.bits) - 1))
        with np.errstate(invalid="ignore"):  # a NaN that signals
            value = unsigned.astype(_BITS_OF[type]).view(type.numpy).astype(np.float64)
        return value if value.ndim else value.item()
    if type is Scalar.BOOL:
        return cast(Number, cast(Any, bits) != 0)
    return wrap(type, bits)


def _as_float(x: Number) -> Any:
    return np.asarray(x).astype(np.float64)


def _check_lane_size(estimate: NDArray[np.float64], type: CslType, at: Location) -> None:
    if type in (Meta.COMPTIME_INT, Scalar.I64, Scalar.U64) and bool(
        (np.abs(estimate) >= MAX_LANE_INT).any()
    ):
        raise CslError("an integer that differs between PEs is too large", at)


def _bounded(x: Number, type: CslType, at: Location) -> Number:
    if is_integer(type):
        return wrap(cast(Scalar, type), x)
    if isinstance(x, int) and x.bit_length() > MAX_BITS:
        raise CslError(f"this integer has more than {MAX_BITS:,} bits", at)
    return x


def _float_arithmetic(
    op: str, type: CslType, a: Number, b: Number, at: Location, active: Active
) -> Number:
    with np.errstate(all="ignore"):
        if op in ("/", "%"):
            if type is Meta.COMPTIME_FLOAT:
                _check_divisor(b, at, active)
            function = np.divide if op == "/" else np.fmod
            result = function(np.asarray(a, np.float64), np.asarray(b, np.float64))
        else:
            result = np.asarray(_LANES[op](np.asarray(a, np.float64), np.asarray(b, np.float64)))
        return round_to(type, result if result.ndim else result.item())


def _check_divisor(b: Number, at: Location, active: Active) -> None:
    if first_offender(cast(Any, b) == 0, active) is not None:
        raise CslError("division by zero", at)


def _divide(op: str, a: Number, b: Number, at: Location, active: Active) -> Number:
    _check_divisor(b, at, active)
    if not is_lanes(a, b):
        x, y = cast(int, a), cast(int, b)
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return quotient if op == "/" else x - quotient * y
    divisor = np.where(np.asarray(b) == 0, 1, b)
    x, y = np.asarray(a), np.asarray(divisor)
    quotient = np.abs(x) // np.abs(y) * np.sign(x) * np.sign(y)
    return quotient if op == "/" else x - quotient * y


def _shift(op: str, type: CslType, a: Number, b: Number, at: Location, active: Active) -> Number:
    pe = first_offender(cast(Any, b) < 0, active)
    if pe is not None:
        raise CslError(f"a shift by {pick(b, pe)}", at, help="shift counts are not negative")
    limit = type.bits if isinstance(type, Scalar) else MAX_BITS
    if not is_lanes(a, b):
        x, count = cast(int, a), cast(int, b)
        if op == "<<" and count > limit:
            if isinstance(type, Scalar):
                return 0
            raise CslError(f"a shift by {count} makes too large an integer", at)
        return x << count if op == "<<" else x >> min(count, MAX_BITS)
    x, count = np.asarray(a, np.int64), np.clip(np.asarray(b, np.int64), 0, 62)
    if op == ">>":
        return x >> count
    if not isinstance(type, Scalar) or type.bits == 64:
        _check_lane_size(np.ldexp(x.astype(np.float64), count), type, at)
    return np.where(np.asarray(b) >= limit, 0, x << count)
