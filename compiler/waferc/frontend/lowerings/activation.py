"""Activation functions that are written with elementwise operations."""

from __future__ import annotations

import math

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of
from waferc.frontend.lowerings.elementwise import arithmetic, floating
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Unary
from waferc_ir.ops.graph_move import Slice
from waferc_ir.program import Value


@lowers("aten.softplus.default")
def _softplus(call: Call) -> Results:
    x, beta = call.tensor("self"), call.number("beta")
    if beta == 1:
        return call.add(Unary(x, "softplus"))
    scaled = call.add(Unary(arithmetic(call, "mul", x, beta), "softplus"))
    return arithmetic(call, "mul", scaled, 1 / beta)


@lowers("aten.hardsigmoid.default")
def _hardsigmoid(call: Call) -> Results:
    return _hard_sigmoid(call, call.tensor("self"))


@lowers("aten.hardswish.default")
def _hardswish(call: Call) -> Results:
    x = call.tensor("self")
    return arithmetic(call, "mul", x, _hard_sigmoid(call, x))


def _hard_sigmoid(call: Call, x: Value) -> Value:
    lifted = arithmetic(call, "max", arithmetic(call, "add", x, 3.0), 0.0)
    return arithmetic(call, "mul", arithmetic(call, "min", lifted, 6.0), 1 / 6)


@lowers("aten.mish.default")
def _mish(call: Call) -> Results:
    x = call.tensor("self")
    gate = call.add(Unary(call.add(Unary(x, "softplus")), "tanh"))
    return arithmetic(call, "mul", x, gate)


@lowers("aten.leaky_relu.default")
def _leaky_relu(call: Call) -> Results:
    return _two_slopes(call, call.tensor("self"), call.number("negative_slope"))


def _two_slopes(call: Call, x: Value, slope: Value | float) -> Value:
    negative = arithmetic(call, "mul", arithmetic(call, "min", x, 0.0), slope)
    return arithmetic(call, "add", call.add(Unary(x, "relu")), negative)


@lowers("aten.elu.default")
def _elu(call: Call) -> Results:
    x = call.tensor("self")
    alpha, scale, input_scale = (call.number(name) for name in ("alpha", "scale", "input_scale"))
    bounded = arithmetic(call, "min", x, 0.0)
    if input_scale != 1:
        bounded = arithmetic(call, "mul", bounded, input_scale)
    curve = arithmetic(call, "sub", call.add(Unary(bounded, "exp")), 1.0)
    if alpha != 1:
        curve = arithmetic(call, "mul", curve, alpha)
    result = arithmetic(call, "add", call.add(Unary(x, "relu")), curve)
    return result if scale == 1 else arithmetic(call, "mul", result, scale)


@lowers("aten.glu.default")
def _glu(call: Call) -> Results:
    x = call.tensor("self")
    dim = call.dim("dim", len(shape_of(x)))
    half = shape_of(x)[dim] // 2
    linear, gate = (call.add(Slice(x, dim, start, start + half)) for start in (0, half))
    return call.add(Binary(linear, call.add(Unary(gate, "sigmoid")), "mul"))


@lowers("aten.expm1.default")
def _expm1(call: Call) -> Results:
    return arithmetic(call, "sub", call.add(Unary(floating(call, "self"), "exp")), 1.0)


@lowers("aten.log1p.default")
def _log1p(call: Call) -> Results:
    return call.add(Unary(arithmetic(call, "add", call.tensor("self"), 1.0), "log"))


@lowers("aten.exp2.default")
def _exp2(call: Call) -> Results:
    scaled = arithmetic(call, "mul", call.tensor("self"), math.log(2))
    return call.add(Unary(scaled, "exp"))


@lowers("aten.log2.default", "aten.log10.default")
def _other_logarithms(call: Call) -> Results:
    base = 2 if "log2" in call.node.target else 10
    natural = call.add(Unary(floating(call, "self"), "log"))
    return arithmetic(call, "mul", natural, 1 / math.log(base))


@lowers("aten.sinh.default", "aten.cosh.default")
def _hyperbolic(call: Call) -> Results:
    x = floating(call, "self")
    grown = call.add(Unary(x, "exp"))
    shrunk = call.add(Unary(call.add(Unary(x, "neg")), "exp"))
    fn = "sub" if "sinh" in call.node.target else "add"
    return call.add(BinaryScalar(call.add(Binary(grown, shrunk, fn)), "mul", 0.5))


@lowers("aten.tan.default")
def _tan(call: Call) -> Results:
    x = floating(call, "self")
    return call.add(Binary(call.add(Unary(x, "sin")), call.add(Unary(x, "cos")), "div"))
