"""Elementwise operations: a DSD operation where one exists, else `@map` with a scalar function."""

from __future__ import annotations

import math
from collections.abc import Sequence

from waferc.analysis.scratch import has_vectors
from waferc.emit.kernels.context import (
    KernelContext,
    Tile,
    copy,
    immediate,
    mapped,
    move,
    operation,
    suffix,
)
from waferc.emit.pe_program import (
    Affine,
    CallVectors,
    DsdOperation,
    For,
    MapOperation,
    Operand,
    ScalarFunction,
    Statement,
)
from waferc.emit.views import View, nest, row_major
from waferc.layouts.vector_functions import vector_parts
from waferc_ir.dtypes import DType
from waferc_ir.ops import tile_compute

_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "max": "fmax", "and": "fmul", "or": "fmax"}
_UNARY = {"neg": "fneg", "abs": "fabs"}
_COMMUTES = ("add", "mul", "max", "min", "eq", "ne", "and", "or")
_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def broadcast(role: str, operand: Tile, result: Tile) -> View:
    """The view of an operand over the index space of the result, aligned at the last dimension."""
    own = row_major(operand.shape)
    lead = len(result.shape) - len(operand.shape)
    strides = [0] * lead
    for stride, extent, target in zip(own, operand.shape, result.shape[lead:], strict=True):
        strides.append(stride if extent == target else 0)
    return View(role, operand.array, tuple(strides))


def unary(op: tile_compute.Unary, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """`fn(x)` over the whole tile."""
    x = context.tile(op.x)
    letter = suffix(result.element)
    flat = (x.elements,)
    views = [View("out", result.array, (1,)), View("x", x.array, (1,))]
    if not x.is_float:
        function = context.functions.integer_function(op.fn, x.element, result.element)
        return nest(flat, views, lambda o: mapped(function, o[0], o[1]))
    if op.fn in _UNARY:
        name = f"{_UNARY[op.fn]}{letter}"
        return nest(flat, views, lambda o: operation(name, o[0], o[1]))
    zero, one = immediate(0.0, x.element), immediate(1.0, x.element)
    if op.fn == "relu":
        return nest(flat, views, lambda o: operation(f"fmax{letter}", o[0], o[1], zero))
    if op.fn == "logical_not":
        if op.x.type.dtype is DType.BOOL:
            return nest(flat, views, lambda o: operation(f"fsub{letter}", o[0], one, o[1]))
        equal = context.float_function("eq", x.element)
        return nest(flat, views, lambda o: mapped(equal, o[0], o[1], zero))
    if has_vectors(op, context.machine):
        return _by_vectors(op.fn, x, result, context)
    function = context.float_function(op.fn, x.element)
    return nest(flat, views, lambda o: mapped(function, o[0], o[1]))


def _by_vectors(fn: str, x: Tile, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """A function of f16 by operations on vectors, in calls for some elements each."""
    statements: list[Statement] = []
    start = 0
    for function, times in vector_parts(fn, x.elements):
        called = context.functions.vectors(function, context.scratch[x.element])
        terms = (("k", function.count),) if times > 1 else ()
        views = [
            View(r, a, (1,), Affine(start, terms))
            for r, a in (("x", x.array), ("out", result.array))
        ]
        body = nest(
            (function.count,),
            views,
            lambda o, called=called: CallVectors(called.name, tuple(o), called.cycles),
        )
        statements += (For("k", 0, times, body),) if times > 1 else body
        start += times * function.count
    return tuple(statements)


def binary(op: tile_compute.Binary, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """`fn(lhs, rhs)` with broadcasting."""
    lhs, rhs = context.tile(op.lhs), context.tile(op.rhs)
    views = [
        View("out", result.array, row_major(result.shape)),
        broadcast("lhs", lhs, result),
        broadcast("rhs", rhs, result),
    ]
    build = _combine(op.fn, lhs, result, context)
    return nest(result.shape, views, build)


def binary_scalar(
    op: tile_compute.BinaryScalar, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """`fn(x, value)` or `fn(value, x)`."""
    x = context.tile(op.x)
    flat = (x.elements,)
    out, source = View("out", result.array, (1,)), View("x", x.array, (1,))
    fn, reverse = op.fn, op.reverse
    if reverse and (fn in _COMMUTES or fn in _MIRROR):
        fn, reverse = _MIRROR.get(fn, fn), False
    if x.is_float:
        special = _special_scalar(fn, reverse, op.value, x, result, context)
        if special is not None:
            return special
    value = immediate(op.value, x.element)
    order = [out, value, source] if reverse else [out, source, value]
    return nest(flat, order, _combine(fn, x, result, context))


def _combine(fn: str, operand: Tile, result: Tile, context: KernelContext) -> _Build:
    """What computes `fn` of two operands of the element type of `operand`."""
    if not operand.is_float:
        return _Map(context.functions.integer_function(fn, operand.element, result.element))
    if fn in _BINARY:
        return _Dsd(f"{_BINARY[fn]}{suffix(operand.element)}")
    return _Map(context.float_function(fn, operand.element))


class _Dsd:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, operands: Sequence[Operand]) -> DsdOperation:
        dest, *sources = operands
        return operation(self._name, dest, *sources)


class _Map:
    def __init__(self, function: ScalarFunction) -> None:
        self._function = function

    def __call__(self, operands: Sequence[Operand]) -> MapOperation:
        dest, *sources = operands
        return mapped(self._function, dest, *sources)


_Build = _Dsd | _Map


def _special_scalar(
    fn: str, reverse: bool, value: float, x: Tile, result: Tile, context: KernelContext
) -> tuple[Statement, ...] | None:
    """Cheaper forms for some functions of a float tile and a constant; None if there is none."""
    letter = suffix(x.element)
    flat = (x.elements,)
    out, source = View("out", result.array, (1,)), View("x", x.array, (1,))

    def dsd(name: str, *operands: View | Operand) -> tuple[Statement, ...]:
        return nest(flat, operands, _Dsd(f"{name}{letter}"))

    if fn == "min":
        negated = immediate(-value, x.element)
        return (
            *dsd("fneg", out, source), *dsd("fmax", out, out, negated), *dsd("fneg", out, out),
        )  # fmt: skip
    if fn == "div" and not reverse and _is_power_of_two(value):
        return dsd("fmul", out, source, immediate(1.0 / value, x.element))
    if fn == "pow" and not reverse:
        return _power(value, x, result, context)
    return None


def _power(
    exponent: float, x: Tile, result: Tile, context: KernelContext
) -> tuple[Statement, ...] | None:
    letter = suffix(x.element)
    flat = (x.elements,)
    out, source = View("out", result.array, (1,)), View("x", x.array, (1,))
    square = nest(flat, [out, source, source], _Dsd(f"fmul{letter}"))
    if exponent == 1.0:
        return copy(x, result)
    if exponent == 2.0:
        return square
    if exponent == 3.0 and x.array != result.array:
        return (*square, *nest(flat, [out, out, source], _Dsd(f"fmul{letter}")))
    if exponent == 4.0:
        return (*square, *nest(flat, [out, out, out], _Dsd(f"fmul{letter}")))
    names = {0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if exponent in names:
        return nest(flat, [out, source], _Map(context.float_function(names[exponent], x.element)))
    return None


def _is_power_of_two(value: float) -> bool:
    return (
        math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5 and 2**-14 <= abs(value) <= 2**14
    )


def cast(op: tile_compute.Cast, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """Another element type; to bool means: is not zero."""
    x = context.tile(op.x)
    flat = (x.elements,)
    views = [View("out", result.array, (1,)), View("x", x.array, (1,))]
    if op.dtype is DType.BOOL and op.x.type.dtype is not DType.BOOL:
        return nest(flat, views, _Map(context.functions.truth(x.element, result.element)))
    match x.element, result.element:
        case ("f32", "f16"):
            return nest(flat, views, _Dsd("fs2h"))
        case ("f16", "f32"):
            return nest(flat, views, _Dsd("fh2s"))
        case (source, target) if source == target:
            return () if x.array == result.array else nest(flat, views, move)
        case (source, target):
            return nest(flat, views, _Map(context.functions.conversion(source, target)))
