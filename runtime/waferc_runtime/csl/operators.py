"""Unary and binary operators, on known values and at run time."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import arithmetic, core, syntax
from waferc_runtime.csl.conversion import coerce, peers, to_core
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.places import address_of
from waferc_runtime.csl.types import (
    EnumType,
    Meta,
    is_float,
    is_integer,
    is_numeric,
    is_signed,
    scalar_of,
    type_name,
)
from waferc_runtime.csl.values import (
    Dynamic,
    Known,
    Text,
    TypeValue,
    Value,
    known,
    type_of,
)

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
ORDERS = frozenset({"<", "<=", ">", ">="})


@evaluates(syntax.Binary)
def _binary(ev: Evaluator, node: syntax.Binary) -> Value:
    if node.op in ("and", "or"):
        return _logic(ev, node)
    lhs = ev.value(node.lhs)
    rhs = ev.value(node.rhs)
    return binary(ev, node.op, lhs, rhs, node.at)


def binary(ev: Evaluator, op: str, lhs: Value, rhs: Value, at: Location) -> Value:
    """`lhs op rhs`, known if both are.

    Raises:
        CslError: the operator does not take such operands.
    """
    if op in COMPARISONS:
        return _compare(ev, op, lhs, rhs, at)
    if op in ("<<", ">>"):
        return _shift(ev, op, lhs, rhs, at)
    lhs, rhs, type = peers(ev, lhs, rhs, at)
    is_bits = op in ("&", "|", "^")
    allowed = is_numeric(type) and not (is_bits and (is_float(type) or type is Meta.COMPTIME_FLOAT))
    if not allowed and not (is_bits and type is Scalar.BOOL):
        raise CslError(f"{op} does not take operands of type {type_name(type)}", at)
    if isinstance(lhs, Known) and isinstance(rhs, Known):
        data = arithmetic.arithmetic(op, type, lhs.data, rhs.data, at, ev.active)
        return known(type, data)
    scalar = cast(Scalar, type)
    return Dynamic(
        type, core.BinaryExpr(scalar, cast(Any, op), to_core(ev, lhs, at), to_core(ev, rhs, at))
    )


def _shift(ev: Evaluator, op: str, lhs: Value, rhs: Value, at: Location) -> Value:
    type, amount = type_of(lhs), type_of(rhs)
    if not (is_integer(type) or type is Meta.COMPTIME_INT):
        raise CslError(f"{op} does not take operands of type {type_name(type)}", at)
    unsigned = isinstance(amount, Scalar) and is_integer(amount) and not is_signed(amount)
    if not unsigned and amount is not Meta.COMPTIME_INT:
        raise CslError(
            f"a shift count of type {type_name(amount)}", at, help="shift counts are unsigned"
        )
    if isinstance(lhs, Known) and isinstance(rhs, Known):
        data = arithmetic.arithmetic(op, type, lhs.data, rhs.data, at, ev.active)
        return known(type, data)
    if type is Meta.COMPTIME_INT:
        raise CslError(
            "a comptime_int has no size at run time", at, help="@as(u16, ...) gives it one"
        )
    if amount is Meta.COMPTIME_INT:
        rhs = coerce(ev, rhs, Scalar.U16, at)
    left, right = to_core(ev, lhs, at), to_core(ev, rhs, at)
    return Dynamic(type, core.BinaryExpr(cast(Scalar, type), cast(Any, op), left, right))


def _compare(ev: Evaluator, op: str, lhs: Value, rhs: Value, at: Location) -> Value:
    match lhs, rhs:
        case TypeValue(), TypeValue() if op not in ORDERS:
            return Known(Scalar.BOOL, (lhs.data == rhs.data) == (op == "=="))
        case Text(), Text() if op not in ORDERS:
            return Known(Scalar.BOOL, (lhs.data == rhs.data) == (op == "=="))
        case _:
            pass
    lhs, rhs, type = peers(ev, lhs, rhs, at)
    is_equal_only = type is Scalar.BOOL or isinstance(type, (Handle, EnumType))
    if not is_numeric(type) and not (is_equal_only and op not in ORDERS):
        raise CslError(f"{op} does not take operands of type {type_name(type)}", at)
    if isinstance(lhs, Known) and isinstance(rhs, Known):
        return known(Scalar.BOOL, arithmetic.compare(op, lhs.data, rhs.data))
    left, right = to_core(ev, lhs, at), to_core(ev, rhs, at)
    return Dynamic(Scalar.BOOL, core.CompareExpr(cast(Any, op), left, right))


def _logic(ev: Evaluator, node: syntax.Binary) -> Value:
    lhs = coerce(ev, ev.value(node.lhs), Scalar.BOOL, node.lhs.at)
    is_and = node.op == "and"
    if not isinstance(lhs, Known):
        before, ev.out = ev.out, []
        try:
            rhs = coerce(ev, ev.value(node.rhs), Scalar.BOOL, node.rhs.at)
        finally:
            first, ev.out = ev.out, before
        if first:
            return _stepwise(ev, node, lhs, first, rhs)
        left, right = to_core(ev, lhs, node.at), to_core(ev, rhs, node.at)
        return Dynamic(Scalar.BOOL, core.LogicExpr("and" if is_and else "or", left, right))
    parts = ev.split_active(lhs)
    if isinstance(parts, bool):
        if parts != is_and:
            return Known(Scalar.BOOL, parts)
        return coerce(ev, ev.value(node.rhs), Scalar.BOOL, node.rhs.at)
    with ev.only(parts[0] if is_and else parts[1]):
        rhs = coerce(ev, ev.value(node.rhs), Scalar.BOOL, node.rhs.at)
    if isinstance(rhs, Known):
        left = cast(Any, lhs.data)
        return known(Scalar.BOOL, left & rhs.data if is_and else left | rhs.data)
    right = to_core(ev, rhs, node.at)
    return Dynamic(
        Scalar.BOOL, core.LogicExpr("and" if is_and else "or", to_core(ev, lhs, node.at), right)
    )


def _stepwise(
    ev: Evaluator, node: syntax.Binary, lhs: Value, first: list[core.Stmt], rhs: Value
) -> Value:
    """`and`, `or` whose right side takes statements, `first`, which run only if it counts."""
    assert ev.frame is not None
    local = core.Local("holds", Scalar.BOOL, len(ev.frame.function.locals))
    ev.frame.function.locals.append(local)
    ev.out.append(core.SetLocal(local, to_core(ev, lhs, node.at), node.at))
    body = [*first, core.SetLocal(local, to_core(ev, rhs, node.at), node.at)]
    is_and = node.op == "and"
    then, rest = (body if is_and else []), ([] if is_and else body)
    ev.out.append(core.If(core.GetLocal(local), then, rest, node.at))
    return Dynamic(Scalar.BOOL, core.GetLocal(local))


@evaluates(syntax.Unary)
def _unary(ev: Evaluator, node: syntax.Unary) -> Value:
    if node.op == "&":
        return address_of(ev, node.x, node.at)
    x = ev.value(node.x)
    type = type_of(x)
    match node.op:
        case "!":
            allowed = type is Scalar.BOOL
        case "~":
            allowed = is_integer(type) or type is Meta.COMPTIME_INT
        case _:
            allowed = is_numeric(type)
    if not allowed:
        raise CslError(f"{node.op} does not take an operand of type {type_name(type)}", node.at)
    if isinstance(x, Known):
        match node.op:
            case "!":
                return known(type, arithmetic.logical_not(x.data))
            case "~":
                return known(type, arithmetic.invert(type, x.data, node.at))
            case _:
                return known(type, arithmetic.negate(type, x.data, node.at))
    scalar = scalar_of(type)
    assert scalar is not None
    match node.op:
        case "!":
            return Dynamic(type, core.UnaryExpr(scalar, "not", to_core(ev, x, node.at)))
        case "~":
            return Dynamic(type, core.UnaryExpr(scalar, "invert", to_core(ev, x, node.at)))
        case _:
            return Dynamic(type, core.UnaryExpr(scalar, "neg", to_core(ev, x, node.at)))


@evaluates(syntax.ComptimeExpr)
def _comptime(ev: Evaluator, node: syntax.ComptimeExpr) -> Value:
    return ev.known(node.x)


@evaluates(syntax.Truth)
def _truth(_ev: Evaluator, node: syntax.Truth) -> Value:
    return Known(Scalar.BOOL, node.value)


@evaluates(syntax.Integer)
def _integer(_ev: Evaluator, node: syntax.Integer) -> Value:
    return Known(Meta.COMPTIME_INT, node.value)


@evaluates(syntax.Float)
def _float(_ev: Evaluator, node: syntax.Float) -> Value:
    if np.isinf(node.value):
        raise CslError("this number is too large", node.at)
    return Known(Meta.COMPTIME_FLOAT, node.value)


@evaluates(syntax.Text)
def _text(_ev: Evaluator, node: syntax.Text) -> Value:
    return Text(node.value)
