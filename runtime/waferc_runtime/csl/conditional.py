"""`if` and `switch` as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeGuard, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.build import MAX_BRANCHES
from waferc_runtime.csl.conversion import coerce, constant, peers, select, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.types import CslType, EnumType, Meta, core_type
from waferc_runtime.csl.values import MAX_LANE_INT, Choice, Dynamic, Known, Value, known, type_of


@dataclass(frozen=True, slots=True)
class Branch:
    """A condition, evaluated when asked for, and what holds then."""

    condition: Callable[[], Value]
    body: syntax.Expr | syntax.Block
    at: Location


@evaluates(syntax.IfExpr)
def _if(ev: Evaluator, node: syntax.IfExpr) -> Value:
    branches = [
        Branch(lambda c=condition: ev.value(c), body, condition.at)
        for condition, body in node.branches
    ]
    return _choose(ev, branches, node.otherwise, node.at)


@evaluates(syntax.Switch)
def _switch(ev: Evaluator, node: syntax.Switch) -> Value:
    branches, otherwise = switch_branches(ev, node)
    return _choose(ev, branches, otherwise, node.at)


def switch_branches(
    ev: Evaluator, node: syntax.Switch
) -> tuple[list[Branch], syntax.Expr | syntax.Block | None]:
    """A switch as a chain of branches, and its `else`. The subject is evaluated once.

    Raises:
        CslError: there are two `else`.
    """
    subject = once(ev, ev.value(node.subject), node.subject.at)
    branches: list[Branch] = []
    otherwise: syntax.Expr | syntax.Block | None = None
    for prong in node.prongs:
        if prong.values:
            test = _matches(ev, subject, prong)
            branches.append(Branch(test, prong.body, prong.at))
        elif otherwise is not None:
            raise CslError("the switch has two else", prong.at)
        else:
            otherwise = prong.body
    if otherwise is None and branches and _covers(ev, type_of(subject), node):
        otherwise = branches.pop().body
    return branches, otherwise


def _covers(ev: Evaluator, type: CslType, node: syntax.Switch) -> bool:
    """Whether the prongs have all values of an enum or of bool, so that the last is an `else`."""
    values = [ev.known(value) for prong in node.prongs for value in prong.values]
    numbers = {int(v.data) for v in values if isinstance(v, Known) and v.type == type}
    match type:
        case EnumType():
            return numbers >= {number for _, number in type.members}
        case Scalar.BOOL:
            return numbers == {0, 1}
        case _:
            return False


def _matches(ev: Evaluator, subject: Value, prong: syntax.Prong) -> Callable[[], Value]:
    def test() -> Value:
        holds: Value = Known(Scalar.BOOL, False)
        for node in prong.values:
            equal = binary(ev, "==", subject, ev.known(node), node.at)
            if isinstance(holds, Known) and isinstance(equal, Known):
                holds = known(Scalar.BOOL, cast(bool, holds.data) | cast(bool, equal.data))
            elif isinstance(holds, Known):
                holds = equal
            else:
                left, right = to_core(ev, holds, node.at), to_core(ev, equal, node.at)
                holds = Dynamic(Scalar.BOOL, core.LogicExpr("or", left, right))
        return holds

    return test


def once(ev: Evaluator, value: Value, at: Location) -> Value:
    """The value in a local of its own, when reading it again would compute it again."""
    if not isinstance(value, Dynamic) or value.is_constant or ev.frame is None:
        return value
    if isinstance(value.expr, core.GetLocal):
        return value
    local = new_local(ev, "value", value.type)
    ev.out.append(core.SetLocal(local, value.expr, at))
    return Dynamic(value.type, core.GetLocal(local))


def new_local(ev: Evaluator, name: str, type: CslType) -> core.Local:
    """A local variable of the function being lowered, of a type that exists at run time."""
    assert ev.frame is not None
    target = core_type(type)
    assert target is not None
    locals = ev.frame.function.locals
    local = core.Local(name, target, len(locals))
    locals.append(local)
    return local


def _choose(
    ev: Evaluator,
    branches: list[Branch],
    otherwise: syntax.Expr | syntax.Block | None,
    at: Location,
) -> Value:
    if len(branches) > MAX_BRANCHES:
        raise CslError(f"more than {MAX_BRANCHES} branches", at)
    return _chain(ev, iter(branches), otherwise, at)


def _chain(
    ev: Evaluator,
    branches: Iterator[Branch],
    otherwise: syntax.Expr | syntax.Block | None,
    at: Location,
) -> Value:
    for branch in branches:
        condition = coerce(ev, branch.condition(), Scalar.BOOL, branch.at)
        if not isinstance(condition, Known):
            expr = to_core(ev, condition, branch.at)
            then, lhs = apart(ev, lambda b=branch: _body(ev, b.body))
            rest, rhs = apart(ev, lambda: _chain(ev, branches, otherwise, at))
            return _select(ev, expr, (then, lhs), (rest, rhs), at)
        parts = ev.split_active(condition)
        if parts is True:
            return _body(ev, branch.body)
        if parts is not False:
            return _lanes(ev, condition, branch, lambda: _chain(ev, branches, otherwise, at), at)
    if otherwise is None:
        raise CslError("no branch is taken, and there is no else", at)
    return _body(ev, otherwise)


def _body(ev: Evaluator, body: syntax.Expr | syntax.Block) -> Value:
    if isinstance(body, syntax.Block):
        raise not_supported("a block as a value", body.at)
    return ev.value(body)


def _lanes(
    ev: Evaluator, condition: Known, branch: Branch, rest: Callable[[], Value], at: Location
) -> Value:
    """Choose per PE; where that cannot be one value, the class is split."""
    parts = ev.split_active(condition)
    assert not isinstance(parts, bool)
    data = np.asarray(condition.data, np.bool_)
    try:
        with ev.only(parts[0]):
            then, lhs = apart(ev, lambda: _body(ev, branch.body))
        with ev.only(parts[1]):
            other, rhs = apart(ev, rest)
        if then or other:
            return _select(ev, constant(Scalar.BOOL, data), (then, lhs), (other, rhs), at)
        if isinstance(lhs, Known) and isinstance(rhs, Known):
            lhs, rhs, type = peers(ev, lhs, rhs, at)
            if _fits_lanes(lhs) and _fits_lanes(rhs):
                return known(type, np.where(data, lhs.data, rhs.data))
        if ev.frame is not None:
            return _select(ev, constant(Scalar.BOOL, data), ([], lhs), ([], rhs), at)
    except CslError:
        pass
    raise Split(data.astype(np.intp))


def _fits_lanes(value: Value) -> TypeGuard[Known]:
    """Whether it is known and may differ between PEs: an integer only if it is not too large."""
    if not isinstance(value, Known):
        return False
    return not isinstance(value.data, int) or abs(value.data) < MAX_LANE_INT


Apart = tuple[list[core.Stmt], Value]


def apart(ev: Evaluator, evaluate: Callable[[], Value]) -> Apart:
    """A value, and the statements that have to run before it is read."""
    before, ev.out = ev.out, []
    try:
        value = evaluate()
        return ev.out, value
    finally:
        ev.out = before


def _select(ev: Evaluator, condition: core.Expr, yes: Apart, no: Apart, at: Location) -> Value:
    (then, lhs), (rest, rhs) = yes, no
    lhs, rhs, type = peers(ev, lhs, rhs, at)
    if (then or rest) and ev.frame is not None:
        ev.out.append(core.If(condition, then, rest, at))
        if type is Meta.VOID:
            return lhs
        if core_type(type) is None:
            help = "give its values a type with a size, as in @as(i16, ...)"
            raise CslError("a value with statements is chosen at run time", at, help=help)
        local = new_local(ev, "chosen", type)
        then.append(core.SetLocal(local, to_core(ev, lhs, at), at))
        rest.append(core.SetLocal(local, to_core(ev, rhs, at), at))
        return Dynamic(type, core.GetLocal(local))
    if type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT):
        return Choice(type, condition, lhs, rhs)
    return select(ev, condition, lhs, rhs, type, at)
