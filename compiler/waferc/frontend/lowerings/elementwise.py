"""Elementwise torch operators: arithmetic with its promotion rules, comparisons, selection."""

from __future__ import annotations

import math

from waferc.frontend.lowerings.declare import Call, Results, lowers, tensor_type
from waferc_ir.dtypes import DType
from waferc_ir.ops.functions import COMPARE
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Select, Unary
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value

_RANKS = (DType.BOOL, DType.I16, DType.I32, DType.F16, DType.F32)
_UNARY = {
    "neg": "neg", "abs": "abs", "exp": "exp", "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt",
    "reciprocal": "reciprocal", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu",
    "erf": "erf", "sin": "sin", "cos": "cos", "floor": "floor", "ceil": "ceil", "sign": "sign",
    "silu": "silu",
}  # fmt: skip
_COMPARE = {name: name for name in COMPARE}


def arithmetic(call: Call, fn: str, lhs: Value | float, rhs: Value | float) -> Value:
    """`fn` of tensors or numbers in the element type of the call's result."""
    return apply(call, fn, lhs, rhs, call.result.dtype)


def apply(call: Call, fn: str, lhs: Value | float, rhs: Value | float, dtype: DType) -> Value:
    """`fn` of tensors or numbers (not two numbers), tensors being cast to `dtype` first."""
    if isinstance(rhs, Value):
        if isinstance(lhs, Value):
            return call.add(Binary(call.cast(lhs, dtype), call.cast(rhs, dtype), fn))
        return call.add(BinaryScalar(call.cast(rhs, dtype), fn, float(lhs), reverse=True))
    assert isinstance(lhs, Value), call.node.target
    return call.add(BinaryScalar(call.cast(lhs, dtype), fn, float(rhs)))


def operand(call: Call, name: str) -> Value | float:
    """An argument that may be a tensor or a number."""
    return call.tensor(name) if call.is_tensor(name) else call.number(name)


def floating(call: Call, name: str) -> Value:
    """A tensor argument in the element type of the result."""
    return call.cast(call.tensor(name), call.result.dtype)


def _unary(call: Call) -> Results:
    name = call.node.target.split(".")[1]
    return call.add(Unary(floating(call, "self"), _UNARY[name]))


lowers(*(f"aten.{name}.default" for name in _UNARY))(_unary)


@lowers("aten.gelu.default")
def _gelu(call: Call) -> Results:
    fn = "gelu_tanh" if call.text("approximate") == "tanh" else "gelu"
    return call.add(Unary(call.tensor("self"), fn))


@lowers("aten.add.Tensor")
def _add(call: Call) -> Results:
    lhs, rhs = operand(call, "self"), operand(call, "other")
    if call.result.dtype is DType.BOOL:
        return logic(call, "or", lhs, rhs)
    return arithmetic(call, "add", lhs, _scaled(call, rhs))


@lowers("aten.sub.Tensor")
def _sub(call: Call) -> Results:
    return arithmetic(call, "sub", operand(call, "self"), _scaled(call, operand(call, "other")))


def _scaled(call: Call, x: Value | float) -> Value | float:
    """`alpha * x`, where the call has an `alpha`."""
    alpha = call.number("alpha")
    if alpha == 1:
        return x
    return arithmetic(call, "mul", x, alpha) if isinstance(x, Value) else alpha * x


@lowers("aten.mul.Tensor")
def _mul(call: Call) -> Results:
    lhs, rhs = operand(call, "self"), operand(call, "other")
    if call.result.dtype is DType.BOOL:
        return logic(call, "and", lhs, rhs)
    return arithmetic(call, "mul", lhs, rhs)


@lowers("aten.div.Tensor", "aten.div.Tensor_mode")
def _div(call: Call) -> Results:
    lhs, rhs = operand(call, "self"), operand(call, "other")
    rounding = call.text("rounding_mode") if "rounding_mode" in call.node.arguments else None
    if not call.result.dtype.is_float:
        raise call.refuse("divides integers, which the wafer's kernels do not")
    quotient = arithmetic(call, "div", lhs, rhs)
    if rounding is None:
        return quotient
    return call.add(Unary(quotient, "floor")) if rounding == "floor" else truncate(call, quotient)


def truncate(call: Call, x: Value) -> Value:
    """`x` rounded toward zero."""
    whole = call.add(Unary(call.add(Unary(x, "abs")), "floor"))
    return call.add(Binary(whole, call.add(Unary(x, "sign")), "mul"))


@lowers("aten.trunc.default")
def _trunc(call: Call) -> Results:
    x = call.tensor("self")
    return truncate(call, x) if tensor_type(x).dtype.is_float else x


@lowers("aten.remainder.Tensor", "aten.remainder.Scalar", "aten.fmod.Tensor", "aten.fmod.Scalar")
def _remainder(call: Call) -> Results:
    if not call.result.dtype.is_float:
        raise call.refuse("divides integers, which the wafer's kernels do not")
    lhs, rhs = operand(call, "self"), operand(call, "other")
    quotient = arithmetic(call, "div", lhs, rhs)
    is_floor = ".remainder." in call.node.target
    whole = call.add(Unary(quotient, "floor")) if is_floor else truncate(call, quotient)
    return arithmetic(call, "sub", lhs, arithmetic(call, "mul", whole, rhs))


@lowers("aten.maximum.default", "aten.minimum.default")
def _extremum(call: Call) -> Results:
    fn = "max" if ".max" in call.node.target else "min"
    return arithmetic(call, fn, operand(call, "self"), operand(call, "other"))


@lowers("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def _pow(call: Call) -> Results:
    base, exponent = operand(call, "self"), operand(call, "exponent")
    if isinstance(base, Value) and not isinstance(exponent, Value):
        return power(call, call.cast(base, call.result.dtype), exponent)
    return arithmetic(call, "pow", base, exponent)


def power(call: Call, x: Value, exponent: float) -> Value:
    """`x ** exponent`: by multiplication where the exponent is a small whole number."""
    special = {0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if exponent in special and tensor_type(x).dtype.is_float:
        return call.add(Unary(x, special[exponent]))
    if exponent == 0:
        kind = tensor_type(x)
        return call.add(Fill(1.0, kind.shape, kind.dtype))
    if exponent not in range(1, 9):
        return call.add(BinaryScalar(x, "pow", float(exponent)))
    result: Value | None = None
    square = x
    remaining = int(exponent)
    while remaining:
        if remaining & 1:
            result = square if result is None else call.add(Binary(result, square, "mul"))
        remaining >>= 1
        if remaining:
            square = call.add(Binary(square, square, "mul"))
    assert result is not None
    return result


def comparable(call: Call, *operands: Value | float) -> DType:
    """The element type in which torch compares operands."""
    tensors = [tensor_type(item) for item in operands if isinstance(item, Value)]
    full = [kind.dtype for kind in tensors if kind.rank] or [kind.dtype for kind in tensors]
    dtype = max(full, key=_RANKS.index)
    numbers = [item for item in operands if not isinstance(item, Value)]
    numbers_are_float = any(isinstance(item, float) for item in numbers)
    others_are_float = any(kind.dtype.is_float for kind in tensors)
    if not dtype.is_float and (numbers_are_float or others_are_float):
        return DType.F32
    return DType.I32 if dtype is DType.BOOL and numbers else dtype


def _compare(call: Call) -> Results:
    fn = _COMPARE[call.node.target.split(".")[1]]
    lhs, rhs = operand(call, "self"), operand(call, "other")
    dtype = comparable(call, lhs, rhs)
    if dtype is DType.BOOL and fn not in ("eq", "ne"):
        dtype = DType.I32
    return apply(call, fn, lhs, rhs, dtype)


lowers(*(f"aten.{name}.{kind}" for name in _COMPARE for kind in ("Tensor", "Scalar")))(_compare)


def truth(call: Call, x: Value) -> Value:
    """`x` as truth values: whether it differs from 0."""
    return x if tensor_type(x).dtype is DType.BOOL else call.add(BinaryScalar(x, "ne", 0.0))


def logic(call: Call, fn: str, lhs: Value | float, rhs: Value | float) -> Value:
    """`and` or `or` of truth values."""
    shape = call.result.shape
    sides = [
        truth(call, side)
        if isinstance(side, Value)
        else call.add(Fill(float(bool(side)), shape, DType.BOOL))
        for side in (lhs, rhs)
    ]
    return call.add(Binary(sides[0], sides[1], fn))


@lowers(
    "aten.logical_and.default",
    "aten.logical_or.default",
    "aten.bitwise_and.Tensor",
    "aten.bitwise_or.Tensor",
)
def _logic(call: Call) -> Results:
    if call.result.dtype is not DType.BOOL:
        raise call.refuse("works on the bits of integers, which the wafer's kernels do not")
    fn = "and" if "_and" in call.node.target else "or"
    return logic(call, fn, operand(call, "self"), operand(call, "other"))


@lowers("aten.logical_xor.default", "aten.bitwise_xor.Tensor")
def _exclusive_or(call: Call) -> Results:
    if call.result.dtype is not DType.BOOL:
        raise call.refuse("works on the bits of integers, which the wafer's kernels do not")
    sides = truth(call, call.tensor("self")), truth(call, call.tensor("other"))
    return call.add(Binary(*sides, "ne"))


@lowers("aten.logical_not.default", "aten.bitwise_not.default")
def _not(call: Call) -> Results:
    if call.result.dtype is not DType.BOOL:
        raise call.refuse("works on the bits of integers, which the wafer's kernels do not")
    return call.add(Unary(truth(call, call.tensor("self")), "logical_not"))


@lowers("aten.isnan.default")
def _isnan(call: Call) -> Results:
    x = call.tensor("self")
    return call.add(Binary(x, x, "ne"))


@lowers("aten.isinf.default")
def _isinf(call: Call) -> Results:
    return call.add(BinaryScalar(call.add(Unary(call.tensor("self"), "abs")), "eq", math.inf))


@lowers("aten.where.self")
def _where(call: Call) -> Results:
    condition = truth(call, call.tensor("condition"))
    return select(call, condition, operand(call, "self"), operand(call, "other"))


def select(call: Call, condition: Value, lhs: Value | float, rhs: Value | float) -> Value:
    """`lhs` where `condition` holds, else `rhs`, in the element type of the call's result."""
    dtype = call.result.dtype
    rank = len(call.result.shape)
    sides = [
        call.cast(side, dtype)
        if isinstance(side, Value)
        else call.add(Fill(float(side), (1,) * rank, dtype))
        for side in (lhs, rhs)
    ]
    return call.add(Select(condition, sides[0], sides[1]))


@lowers("aten.masked_fill.Scalar")
def _masked_fill(call: Call) -> Results:
    mask = truth(call, call.tensor("mask"))
    return select(call, mask, operand(call, "value"), call.tensor("self"))


@lowers("aten.clamp.default", "aten.hardtanh.default")
def _clamp(call: Call) -> Results:
    bounds = ("min", "max") if "clamp" in call.node.target else ("min_val", "max_val")
    low, high = (call.optional_number(bound) for bound in bounds)
    x = floating(call, "self")
    if low is not None:
        x = arithmetic(call, "max", x, low)
    return x if high is None else arithmetic(call, "min", x, high)


@lowers("aten.clamp.Tensor")
def _clamp_by_tensors(call: Call) -> Results:
    x = floating(call, "self")
    low, high = call.optional_tensor("min"), call.optional_tensor("max")
    if low is not None:
        x = arithmetic(call, "max", x, low)
    return x if high is None else arithmetic(call, "min", x, high)
