"""Blocks with names: `label: { ... break :label value; }`, as statements and as values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.at_once import syntax_nodes
from waferc_runtime.csl.conditional import new_local
from waferc_runtime.csl.conversion import as_core, peers
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, Loop, Result, evaluates
from waferc_runtime.csl.interpret import run_labeled
from waferc_runtime.csl.loops import entered, once
from waferc_runtime.csl.lower import inside, lower_block, lowers
from waferc_runtime.csl.types import core_type, type_name
from waferc_runtime.csl.values import Dynamic, Value, Void, type_of

_T = TypeVar("_T")


@lowers(syntax.LabeledBlock)
def _statement(ev: Evaluator, node: syntax.LabeledBlock) -> None:
    _lower(ev, node, None, lambda: None)


@evaluates(syntax.LabeledBlock)
def _value(ev: Evaluator, node: syntax.LabeledBlock) -> Value:
    if ev.frame is None:
        flow = run_labeled(ev, node)
        if flow is None:
            return Void()
        if flow.kind == "break" and flow.label == node.label:
            return flow.value
        raise not_supported(f"{flow.kind} out of a value", node.at)
    results: list[Result] = []
    return _lower(ev, node, results, lambda: _joined(ev, node, results))


def _joined(ev: Evaluator, node: syntax.LabeledBlock, results: list[Result]) -> Value:
    """The value that the block was left with, in a local that each `break` assigns."""
    if not results:
        return Void()
    value = results[0][2]
    type = type_of(value)
    for _, _, other, at in results[1:]:
        value, _, type = peers(ev, value, other, at)
    if core_type(type) is None:
        help = "give it a type with a size, as in @as(i16, ...)"
        raise CslError(f"the block has a value of type {type_name(type)}", node.at, help=help)
    local = new_local(ev, node.label, type)
    for out, place, result, at in results:
        out[place] = core.SetLocal(local, as_core(ev, result, type, at), at)
    return Dynamic(type, core.GetLocal(local))


def _lower(
    ev: Evaluator, node: syntax.LabeledBlock, results: list[Result] | None, finish: Callable[[], _T]
) -> _T:
    """Add a block; `finish` is called once its statements are there, but not yet in place."""
    is_plain = _ends_with_breaks(node.body.statements, node.label)
    loop = Loop(node.label, is_loop=False, is_once=True, is_plain=is_plain, results=results)
    with entered(ev, loop):
        body = inside(ev, lambda: lower_block(ev, node.body))
    value = finish()
    once(ev, loop, body, node.at)
    return value


def _ends_with_breaks(statements: tuple[syntax.Statement, ...], label: str) -> bool:
    """Whether nothing follows a break of the block, so that it needs no jump."""
    if not statements:
        return True
    *first, last = statements
    if any(_breaks(statement, label) for statement in first):
        return False
    match last:
        case syntax.Break():
            return last.value is None or not _breaks(last.value, label)
        case syntax.Block():
            return _ends_with_breaks(last.statements, label)
        case syntax.If():
            bodies = [body for _, body in last.branches]
            bodies += [] if last.otherwise is None else [last.otherwise]
            return all(_ends_with_breaks(body.statements, label) for body in bodies)
        case _:
            return not _breaks(last, label)


def _breaks(node: object, label: str) -> bool:
    return any(isinstance(n, syntax.Break) and n.label == label for n in syntax_nodes(node))
