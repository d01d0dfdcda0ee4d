"""Statements at compile time: functions called there, comptime blocks, the layout block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import at_once, syntax
from waferc_runtime.csl.conditional import switch_branches
from waferc_runtime.csl.conversion import coerce
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported
from waferc_runtime.csl.evaluator import Evaluator, Mask
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.places import check_bounds, check_rank, row_major
from waferc_runtime.csl.types import ArrayType, CslType, EnumType, Meta, type_name
from waferc_runtime.csl.values import (
    ArrayValue,
    Cell,
    Known,
    RangeValue,
    StructValue,
    Value,
    Void,
    type_of,
)


@dataclass(frozen=True, slots=True)
class Flow:
    """How a block is left before its end."""

    kind: Literal["return", "break", "continue"]
    value: Value
    label: str | None = None


def run_function(ev: Evaluator, decl: syntax.FunctionDecl, result: CslType, at: Location) -> Value:
    """The result of a function whose arguments stand in the scope of `ev`.

    Raises:
        CslError: something in it is not known at compile time.
    """
    if decl.body is None:
        raise not_supported("an extern function", at)
    flow = run(ev, decl.body)
    value = flow.value if flow is not None and flow.kind == "return" else Void()
    if not ev.exits:
        return coerce(ev, value, result, at)
    if ev.active is not None and ev.active.any():
        ev.exits.append((ev.active, value))
    return _joined(ev, result, at)


def _joined(ev: Evaluator, result: CslType, at: Location) -> Value:
    """What a function returns whose PEs left it at several places."""
    whole: Value | None = None
    for mask, value in ev.exits:
        with ev.only(mask):
            part = coerce(ev, value, result, at)
        joined = part if whole is None else at_once.merged(mask, part, whole)
        if joined is None:
            raise Split(mask.astype(np.intp))
        whole = joined
    assert whole is not None
    return whole


def run_setup(ev: Evaluator, body: syntax.Block) -> None:
    """Run a top-level comptime or layout block; problems of its statements are collected."""
    ev.is_setup = True
    problems = ev.context.program.problems
    with ev.block():
        for statement in body.statements:
            errors = len(problems.errors)
            with problems.collecting():
                _STATEMENTS[type(statement)](ev, statement)
            if len(problems.errors) > errors and isinstance(statement, syntax.VariableDecl):
                ev.scope.failed.add(statement.name)


def run(ev: Evaluator, body: syntax.Block) -> Flow | None:
    """Run a block in a scope of its own."""
    with ev.block():
        for statement in body.statements:
            flow = _STATEMENTS[type(statement)](ev, statement)
            if flow is not None:
                return flow
    return None


def owned(value: Value) -> Value:
    """A value to keep in a variable: arrays and structs are copied."""
    match value:
        case ArrayValue(items=list()):
            return ArrayValue(value.type, [owned(item) for item in value.items or []])
        case StructValue():
            return StructValue({n: owned(v) for n, v in value.fields.items()}, value.type)
        case _:
            return value


def _declare(ev: Evaluator, node: syntax.VariableDecl) -> None:
    declare_cell(ev, node)


def declare_cell(ev: Evaluator, node: syntax.VariableDecl) -> None:
    """Declare a constant, or a variable that lives at compile time."""
    type = None if node.type is None else ev.type(node.type)
    if node.value is None:
        if type is None:
            raise CslError(f"{node.name!r} has neither type nor value", node.at)
        value = zero_of(type, node.at)
    else:
        value = ev.value(node.value)
        if type is not None:
            value = coerce(ev, value, type, node.value.at)
    value = owned(value)
    if node.is_const:
        ev.scope.names[node.name] = value
    else:
        ev.scope.names[node.name] = Cell(type or type_of(value), value)


def zero_of(type: CslType, at: Location) -> Value:
    """A zero of a type, or an array of them: what a variable without a first value holds.

    Raises:
        CslError: the type has no zero.
    """
    match type:
        case ArrayType():
            return ArrayValue(type, None, zero_of(type.element, at))
        case Scalar.BOOL:
            return Known(type, False)
        case Scalar() if type.is_float:
            return Known(type, 0.0)
        case Meta.COMPTIME_FLOAT:
            return Known(type, 0.0)
        case Scalar() | Handle() | EnumType() | Meta.COMPTIME_INT:
            return Known(type, 0)
        case Meta.STRUCT | Meta.VOID:
            return Void()
        case _:
            raise CslError(f"there is no zero of type {type_name(type)}", at)


def assign_cell(ev: Evaluator, node: syntax.Assign) -> None:
    """Assign to a compile-time variable, or to an element or field of one."""
    value = ev.value(node.value)
    if node.op:
        value = binary(ev, node.op, ev.value(node.target), value, node.at)
    match node.target:
        case syntax.Name(name=name):
            if name == "_":
                return
            cell = ev.scope.find(name)
            if not isinstance(cell, Cell):
                raise CslError(f"{name!r} cannot be assigned at compile time", node.target.at)
            if cell.type is not None and cell.type is not Meta.STRUCT:
                value = coerce(ev, value, cell.type, node.value.at)
            cell.value = owned(_where_active(ev, value, cell.value))
        case syntax.Index(base=base) as target:
            _require_cell(ev, base)
            array = ev.raw(base)
            if not isinstance(array, ArrayValue):
                raise CslError("this cannot be assigned at compile time", target.at)
            _assign_item(ev, array, target, value)
        case syntax.Member(base=base, name=name) as target:
            _require_cell(ev, base)
            struct = ev.raw(base)
            if not isinstance(struct, StructValue) or name not in struct.fields:
                raise CslError("this cannot be assigned at compile time", target.at)
            old = struct.fields[name]
            value = coerce(ev, value, type_of(old), target.at)
            struct.fields[name] = owned(_where_active(ev, value, old))
        case target:
            raise CslError("this cannot be assigned at compile time", target.at)


def _where_active(ev: Evaluator, new: Value, old: Value) -> Value:
    """What a variable holds after it was assigned on the active lanes only."""
    if ev.active is None:
        return new
    value = at_once.merged(ev.active, new, old)
    if value is None:
        raise Split(ev.active.astype(np.intp))
    return value


def _require_cell(ev: Evaluator, node: syntax.Expr) -> None:
    while isinstance(node, (syntax.Index, syntax.Member)):
        node = node.base
    if not isinstance(node, syntax.Name) or not isinstance(ev.scope.find(node.name), Cell):
        raise CslError("only variables can be assigned at compile time", node.at)


def _assign_item(ev: Evaluator, array: ArrayValue, node: syntax.Index, value: Value) -> None:
    check_rank(array.type, len(node.indices), node.at)
    flat = 0
    dims = array.type.dims
    for index, extent, step in zip(node.indices, dims, row_major(dims), strict=True):
        number = ev.integer(index)
        check_bounds(ev, Known(Meta.COMPTIME_INT, number), extent, index.at)
        flat += number * step
    if array.items is None:
        assert array.fill is not None
        array.items = [array.fill] * array.type.count
    value = coerce(ev, value, array.type.element, node.at)
    array.items[flat] = owned(_where_active(ev, value, array.items[flat]))


def _expression(ev: Evaluator, node: syntax.ExprStatement) -> None:
    ev.value(node.value)


def _if(ev: Evaluator, node: syntax.If) -> Flow | None:
    branches = iter(node.branches)
    for condition, body in branches:
        parts = ev.split_active(_condition(ev, condition))
        if parts is True:
            return run(ev, body)
        if parts is not False:
            rest = syntax.If(tuple(branches), node.otherwise, node.at)
            return _parted(ev, parts, body, rest)
    return None if node.otherwise is None else run(ev, node.otherwise)


def _parted(
    ev: Evaluator, parts: tuple[Mask, Mask], body: syntax.Block, rest: syntax.If
) -> Flow | None:
    """Run a branch for some PEs and what is left of its chain for the others.

    PEs that return are set aside. If something is wrong the class is split, so that errors are
    those of the PEs that they belong to.
    """
    before, left = ev.active, len(ev.exits)
    live = parts[0] | parts[1]
    try:
        for mask, runs in ((parts[0], lambda: run(ev, body)), (parts[1], lambda: _if(ev, rest))):
            ev.active = mask
            flow = runs()
            if flow is not None and flow.kind != "return":
                raise Split(parts[0].astype(np.intp))
            if flow is not None and ev.active.any():
                ev.exits.append((ev.active, flow.value))
    except CslError:
        raise Split(parts[0].astype(np.intp)) from None
    for mask, _ in ev.exits[left:]:
        live = live & ~mask
    ev.active = before if len(ev.exits) == left else live
    return None if live.any() else Flow("return", Void())


def _condition(ev: Evaluator, node: syntax.Expr) -> Known:
    return ev.truth(coerce(ev, ev.value(node), Scalar.BOOL, node.at), node.at)


def _switch(ev: Evaluator, node: syntax.Switch) -> Flow | None:
    branches, otherwise = switch_branches(ev, node)
    for branch in branches:
        if ev.uniform(ev.truth(branch.condition(), branch.at)):
            return _prong(ev, branch.body)
    return None if otherwise is None else _prong(ev, otherwise)


def _prong(ev: Evaluator, body: syntax.Expr | syntax.Block) -> Flow | None:
    if isinstance(body, syntax.Block):
        return run(ev, body)
    ev.value(body)
    return None


def _for(ev: Evaluator, node: syntax.For) -> Flow | None:
    iterable = ev.value(node.iterable)
    match iterable:
        case RangeValue():
            counter = at_once.counter_of_range(ev, node, iterable)
            if at_once.run_at_once(ev, node, counter, lambda: _goes_on(ev, node.body)):
                return None
            start, step, count = at_once.uniform(ev, counter)
            element = iterable.element
            return _loop(ev, node, count, lambda n: Known(element, start + n * step))
        case ArrayValue():
            return _loop(ev, node, iterable.type.count, iterable.item)
        case StructValue() if iterable.is_tuple:
            items = list(iterable.fields.values())
            return _loop(ev, node, len(items), lambda n: items[n])
        case _:
            raise CslError(
                f"a value of type {ev.name_of(iterable)} has no elements", node.iterable.at
            )


def _goes_on(ev: Evaluator, body: syntax.Block) -> bool:
    """Run the body of a loop; whether the loop goes on."""
    flow = run(ev, body)
    return flow is None or flow.kind == "continue"


def _loop(ev: Evaluator, node: syntax.For, count: int, item: Callable[[int], Value]) -> Flow | None:
    program = ev.context.program
    for number in range(count):
        program.iterate(node.at)
        with ev.block():
            ev.scope.names[node.value] = item(number)
            if node.index is not None:
                ev.scope.names[node.index] = Known(Scalar.U16, number)
            flow = run(ev, node.body)
        if flow is not None and flow.kind != "continue":
            return _after_break(flow, node.label)
    return None


def _after_break(flow: Flow, label: str | None) -> Flow | None:
    if flow.kind == "break" and flow.label in (None, label):
        return None
    return flow


def _while(ev: Evaluator, node: syntax.While) -> Flow | None:
    counter = at_once.counter_of_while(ev, node) if ev.context.is_layout else None
    if counter is not None and at_once.run_at_once(
        ev, node, counter, lambda: _goes_on(ev, node.body)
    ):
        cell = ev.scope.find(counter.name)
        assert isinstance(cell, Cell)
        cell.value = at_once.final(counter)
        return None
    program = ev.context.program
    while ev.uniform(_condition(ev, node.condition)):
        program.iterate(node.at)
        flow = run(ev, node.body)
        if flow is not None and flow.kind != "continue":
            return _after_break(flow, node.label)
        if node.step is not None:
            _STATEMENTS[type(node.step)](ev, node.step)
    return None


def _return(ev: Evaluator, node: syntax.Return) -> Flow:
    return Flow("return", Void() if node.value is None else ev.value(node.value))


def _break(ev: Evaluator, node: syntax.Break) -> Flow:
    value = Void() if node.value is None else ev.value(node.value)
    return Flow("break", value, node.label)


def _continue(_ev: Evaluator, _node: syntax.Continue) -> Flow:
    return Flow("continue", Void())


def _comptime(ev: Evaluator, node: syntax.ComptimeBlock) -> Flow | None:
    return run(ev, node.body)


def _labeled(ev: Evaluator, node: syntax.LabeledBlock) -> Flow | None:
    flow = run_labeled(ev, node)
    if flow is not None and flow.kind == "break" and flow.label == node.label:
        return None
    return flow


def run_labeled(ev: Evaluator, node: syntax.LabeledBlock) -> Flow | None:
    """Run a named block; how it was left may be meant for it."""
    return run(ev, node.body)


_STATEMENTS: dict[type, Callable[[Evaluator, Any], Flow | None]] = {
    syntax.VariableDecl: _declare,
    syntax.Assign: assign_cell,
    syntax.ExprStatement: _expression,
    syntax.If: _if,
    syntax.For: _for,
    syntax.While: _while,
    syntax.Switch: _switch,
    syntax.Return: _return,
    syntax.Break: _break,
    syntax.Continue: _continue,
    syntax.Block: run,
    syntax.ComptimeBlock: _comptime,
    syntax.LabeledBlock: _labeled,
}
