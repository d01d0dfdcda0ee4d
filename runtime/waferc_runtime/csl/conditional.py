"""`if` and `switch` as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.build import MAX_BRANCHES
from waferc_runtime.csl.conversion import coerce, constant, peers, select, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.types import Meta, core_type
from waferc_runtime.csl.values import Choice, Dynamic, Known, Value, known


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
    return branches, otherwise


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
    local = new_local(ev, "value", value)
    ev.out.append(core.SetLocal(local, value.expr, at))
    return Dynamic(value.type, core.GetLocal(local))


def new_local(ev: Evaluator, name: str, value: Value) -> core.Local:
    """A local variable of the function being lowered, of the type of a run-time value."""
    assert ev.frame is not None
    assert isinstance(value, Dynamic)
    type = core_type(value.type)
    assert type is not None
    locals = ev.frame.function.locals
    local = core.Local(name, type, len(locals))
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
            lhs = _body(ev, branch.body)
            rhs = _chain(ev, branches, otherwise, at)
            return _select(ev, to_core(ev, condition, branch.at), lhs, rhs, at)
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
    emitted = len(ev.out)
    try:
        with ev.only(parts[0]):
            lhs = _body(ev, branch.body)
        with ev.only(parts[1]):
            rhs = rest()
        if isinstance(lhs, Known) and isinstance(rhs, Known):
            lhs, rhs, type = peers(ev, lhs, rhs, at)
            if isinstance(lhs, Known) and isinstance(rhs, Known):
                return known(type, np.where(data, lhs.data, rhs.data))
        if ev.frame is not None:
            return _select(ev, constant(Scalar.BOOL, data), lhs, rhs, at)
    except CslError:
        del ev.out[emitted:]
    raise Split(data.astype(np.intp))


def _select(ev: Evaluator, condition: core.Expr, lhs: Value, rhs: Value, at: Location) -> Value:
    lhs, rhs, type = peers(ev, lhs, rhs, at)
    if type in (Meta.COMPTIME_INT, Meta.COMPTIME_FLOAT):
        return Choice(type, condition, lhs, rhs)
    return select(ev, condition, lhs, rhs, type, at)
