"""Run-time functions and their statements, lowered to the core language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.build import MAX_BRANCHES
from waferc_runtime.csl.conditional import Branch, switch_branches
from waferc_runtime.csl.context import Context, PendingFunction
from waferc_runtime.csl.conversion import as_core, coerce, constant, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, Frame
from waferc_runtime.csl.interpret import assign_cell, run
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.types import (
    Meta,
    type_name,
)
from waferc_runtime.csl.values import (
    Cell,
    Dynamic,
    Known,
    LocalPlace,
    MemoryPlace,
    RegisterPlace,
    SlotPlace,
    StructValue,
    Value,
    type_of,
)
from waferc_runtime.csl.variables import declare_local, store

Handler = Callable[[Evaluator, Any], None]
STATEMENTS: dict[type, Handler] = {}  # those of loops and blocks enter themselves
_H = TypeVar("_H", bound=Handler)


def lowers(node: type) -> Callable[[_H], _H]:
    """Enter a handler for statements of a syntax class."""

    def enter(handler: _H) -> _H:
        STATEMENTS[node] = handler
        return handler

    return enter


def lower_pending(context: Context) -> None:
    """Lower the bodies of all functions that are called, bound or exported."""
    while context.pending:
        pending = context.pending.pop(0)
        with context.program.problems.collecting():
            _lower_function(context, pending)


def _lower_function(context: Context, pending: PendingFunction) -> None:
    decl, function = pending.decl, pending.function
    if decl.body is None:
        raise not_supported("an extern function", decl.at)
    function.locals = list(function.parameters)
    context.objects = [o for o in context.objects if all(o is not p for p in pending.objects)]
    places = context.results.get(function)
    frame = Frame(function, pending.result, decl.addressed, places, objects=pending.objects)
    pending.objects.clear()
    ev = Evaluator(context, pending.instance, pending.scope, frame, pending.active)
    errors = len(context.program.problems.errors)
    lower_block(ev, decl.body)
    function.body = ev.out
    if frame.static is not None:
        context.static[function] = frame.static
    is_whole = len(context.program.problems.errors) == errors
    if is_whole and pending.result is not Meta.VOID and not _returns(function.body):
        raise CslError(
            f"the function {decl.name!r} may end without a value",
            decl.at,
            help=f"it returns {type_name(pending.result)}",
        )


def _returns(body: list[core.Stmt]) -> bool:
    """Whether the end of a body is never reached."""
    if not body:
        return False
    match body[-1]:
        case core.Return():
            return True
        case core.If() as node:
            return _returns(node.then) and _returns(node.otherwise)
        case core.While(condition=core.Const(value=True)) as node:
            return not _breaks(node.body)
        case _:
            return False


def _breaks(body: list[core.Stmt]) -> bool:
    for node in body:
        match node:
            case core.Break():
                return True
            case core.If() if _breaks(node.then) or _breaks(node.otherwise):
                return True
            case _:
                pass
    return False


def lower_block(ev: Evaluator, body: syntax.Block) -> None:
    """Lower the statements of a block into `ev.out`; a problem ends its statement only."""
    problems = ev.context.program.problems
    with ev.block():
        for statement in body.statements:
            errors = len(problems.errors)
            done = False
            with problems.collecting():
                STATEMENTS[type(statement)](ev, statement)
                done = True
            has_failed = not done or len(problems.errors) > errors
            if has_failed and isinstance(statement, syntax.VariableDecl):
                ev.scope.failed.add(statement.name)


def inside(ev: Evaluator, lower: Callable[[], None]) -> list[core.Stmt]:
    """The statements that `lower` adds, in a list of their own."""
    before, ev.out = ev.out, []
    try:
        lower()
        return ev.out
    finally:
        ev.out = before


def _assign(ev: Evaluator, node: syntax.Assign) -> None:
    match node.target:
        case syntax.Name(name="_"):
            _discard(ev, ev.value(node.value), node)
            return
        case syntax.Name(name=name) if isinstance(ev.scope.find(name), Cell):
            assign_cell(ev.comptime(), node)
            return
        case _:
            pass
    place = ev.raw(node.target)
    value = ev.value(node.value)
    if node.op and isinstance(place, (MemoryPlace, SlotPlace, LocalPlace, RegisterPlace)):
        value = binary(ev, node.op, ev.read(place, node.target.at), value, node.at)
    store(ev, place, value, node.target.at if _is_constant(place) else node.value.at)


def _is_constant(place: Value) -> bool:
    match place:
        case MemoryPlace() | LocalPlace():
            return place.is_const
        case SlotPlace() | RegisterPlace() | StructValue():
            return False
        case _:
            return True


def _expression(ev: Evaluator, node: syntax.ExprStatement) -> None:
    _discard(ev, ev.value(node.value), node)


def _discard(ev: Evaluator, value: Value, node: syntax.Assign | syntax.ExprStatement) -> None:
    """Keep what an unused value does: calls are made."""
    if isinstance(value, Dynamic) and isinstance(value.expr, (core.Call, core.LibraryCall)):
        ev.out.append(core.Evaluate(value.expr, node.at))


def _if(ev: Evaluator, node: syntax.If) -> None:
    branches = [
        Branch(lambda c=condition: ev.value(c), body, condition.at)
        for condition, body in node.branches
    ]
    _lower_branches(ev, branches, node.otherwise, node)


def _switch(ev: Evaluator, node: syntax.Switch) -> None:
    branches, otherwise = switch_branches(ev, node)
    _lower_branches(ev, branches, otherwise, node)


def _lower_branches(
    ev: Evaluator,
    branches: list[Branch],
    otherwise: syntax.Expr | syntax.Block | None,
    node: syntax.If | syntax.Switch,
) -> None:
    """A chain of branches. What follows one that only some PEs take is lowered for the others."""
    if len(branches) > MAX_BRANCHES:
        raise CslError(f"more than {MAX_BRANCHES} branches", node.at)
    before_out, before_active = ev.out, ev.active
    try:
        for branch in branches:
            condition = coerce(ev, branch.condition(), Scalar.BOOL, branch.at)
            if isinstance(condition, Known):
                parts = ev.split_active(condition)
                if parts is False:
                    continue
                if parts is True:
                    _body(ev, branch.body)
                    return
                expr = constant(Scalar.BOOL, condition.data)
                ev.active = parts[0]
            else:
                parts = None
                expr = to_core(ev, condition, branch.at)
            then = inside(ev, lambda b=branch: _body(ev, b.body))
            rest: list[core.Stmt] = []
            ev.out.append(core.If(expr, then, rest, node.at))
            ev.out = rest
            if parts is not None:
                ev.active = parts[1]
        if otherwise is not None:
            _body(ev, otherwise)
    finally:
        ev.out, ev.active = before_out, before_active


def _body(ev: Evaluator, body: syntax.Expr | syntax.Block) -> None:
    if isinstance(body, syntax.Block):
        lower_block(ev, body)
    else:
        _expression(ev, syntax.ExprStatement(body, body.at))


def _return(ev: Evaluator, node: syntax.Return) -> None:
    assert ev.frame is not None
    result = ev.frame.result
    if node.value is None:
        if result is not Meta.VOID:
            raise CslError(f"return without a value of type {type_name(result)}", node.at)
        ev.out.append(core.Return(None, node.at))
        return
    value = ev.value(node.value)
    if ev.frame.places is not None:
        store(ev, ev.frame.places, value, node.value.at)
        ev.out.append(core.Return(None, node.at))
        return
    if result is Meta.VOID:
        if type_of(value) is not Meta.VOID:
            raise CslError(f"a void function returns a {ev.name_of(value)}", node.at)
        if isinstance(value, Dynamic):
            ev.out.append(core.Evaluate(value.expr, node.at))
        ev.out.append(core.Return(None, node.at))
        return
    ev.out.append(core.Return(as_core(ev, value, result, node.value.at), node.at))


def _comptime(ev: Evaluator, node: syntax.ComptimeBlock) -> None:
    run(ev.comptime(), node.body)


_HERE: dict[type, Handler] = {
    syntax.VariableDecl: declare_local,
    syntax.Assign: _assign,
    syntax.ExprStatement: _expression,
    syntax.If: _if,
    syntax.Switch: _switch,
    syntax.Return: _return,
    syntax.Block: lower_block,
    syntax.ComptimeBlock: _comptime,
}
STATEMENTS.update(_HERE)
