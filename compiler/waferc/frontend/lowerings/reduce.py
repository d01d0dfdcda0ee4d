"""Reductions: sums, means, extrema, variances, norms, truth of any and all."""

from __future__ import annotations

import math

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of
from waferc.frontend.lowerings.elementwise import arithmetic, floating, truth
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Reduce, Unary
from waferc_ir.program import Value


def reduce(call: Call, x: Value, fn: str, dims: tuple[int, ...], keepdim: bool) -> Value:
    """Reduction over `dims`; of a scalar, the scalar itself."""
    return call.add(Reduce(x, fn, dims, keepdim)) if dims else x


def _dims(call: Call, x: Value, name: str) -> tuple[int, ...]:
    rank = len(shape_of(x))
    return call.dims(name, rank) if name in call.node.arguments else tuple(range(rank))


def _keepdim(call: Call) -> bool:
    return "keepdim" in call.node.arguments and call.flag("keepdim")


@lowers("aten.sum.dim_IntList", "aten.mean.default", "aten.mean.dim")
def _sum(call: Call) -> Results:
    x = floating(call, "self")
    fn = "sum" if ".sum." in call.node.target else "mean"
    return reduce(call, x, fn, _dims(call, x, "dim"), _keepdim(call))


@lowers("aten.amax.default", "aten.amin.default", "aten.max.default", "aten.min.default")
def _extremum(call: Call) -> Results:
    x = call.tensor("self")
    fn = "max" if "max." in call.node.target else "min"
    return reduce(call, x, fn, _dims(call, x, "dim"), _keepdim(call))


@lowers("aten.max.dim", "aten.min.dim")
def _extremum_along(call: Call) -> Results:
    if 1 in call.used:
        raise call.refuse("yields indices, which have no form in the graph IR")
    x = call.tensor("self")
    fn = "max" if ".max." in call.node.target else "min"
    return reduce(call, x, fn, _dims(call, x, "dim"), _keepdim(call)), None


@lowers("aten.any.default", "aten.any.dim", "aten.any.dims")
def _any(call: Call) -> Results:
    x = call.cast(truth(call, call.tensor("self")), DType.F32)
    return truth(call, reduce(call, x, "max", _dims(call, x, "dim"), _keepdim(call)))


@lowers("aten.var.correction")
def _var(call: Call) -> Results:
    variance, _ = _moments(call)
    return variance


@lowers("aten.var_mean.correction")
def _var_mean(call: Call) -> Results:
    return _moments(call)


def _moments(call: Call) -> tuple[Value, Value]:
    """Variance and mean over the call's dimensions."""
    x = call.tensor("self")
    dims, keepdim = _dims(call, x, "dim"), _keepdim(call)
    correction = call.optional_number("correction")
    count = math.prod(shape_of(x)[dim] for dim in dims)
    divisor = count - (1.0 if correction is None else correction)
    if divisor <= 0:
        raise call.refuse(f"divides the variance of {count} elements by {divisor:g}")
    centred = call.add(Binary(x, reduce(call, x, "mean", dims, keepdim=True), "sub"))
    squares = reduce(call, call.add(Binary(centred, centred, "mul")), "sum", dims, keepdim)
    return (
        call.add(BinaryScalar(squares, "mul", 1 / divisor)),
        reduce(call, x, "mean", dims, keepdim),
    )


@lowers("aten.linalg_vector_norm.default")
def _vector_norm(call: Call) -> Results:
    x = floating(call, "self")
    dims, keepdim, order = _dims(call, x, "dim"), _keepdim(call), call.number("ord")
    if order == 2:
        squares = call.add(Binary(x, x, "mul"))
        return call.add(Unary(reduce(call, squares, "sum", dims, keepdim), "sqrt"))
    if order in (1, math.inf, -math.inf):
        fn = {1: "sum", math.inf: "max", -math.inf: "min"}[order]
        return reduce(call, call.add(Unary(x, "abs")), fn, dims, keepdim)
    raise call.refuse(f"has order {order:g}", help="orders 1, 2 and infinity are known")


@lowers("aten.logsumexp.default")
def _logsumexp(call: Call) -> Results:
    x = floating(call, "self")
    dims, keepdim = _dims(call, x, "dim"), _keepdim(call)
    highest = reduce(call, x, "max", dims, keepdim=True)
    exponential = call.add(Unary(call.add(Binary(x, highest, "sub")), "exp"))
    total = call.add(Unary(reduce(call, exponential, "sum", dims, keepdim), "log"))
    return arithmetic(call, "add", total, reduce(call, x, "max", dims, keepdim))
