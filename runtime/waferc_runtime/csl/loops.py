"""Loops of run-time functions, and how they are left.

The core language leaves and continues innermost loops only. A `break` that goes further sets a
flag; behind each loop on its way the flag is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.at_once import syntax_nodes
from waferc_runtime.csl.conditional import new_local
from waferc_runtime.csl.conversion import coerce, materialise, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, Loop
from waferc_runtime.csl.lower import STATEMENTS, inside, lower_block, lowers
from waferc_runtime.csl.places import element
from waferc_runtime.csl.types import ArrayType, is_integer, type_name
from waferc_runtime.csl.values import (
    ArrayValue,
    Dynamic,
    Known,
    LocalPlace,
    MemoryPlace,
    RangeValue,
    StructValue,
    Value,
)

_TRUE = core.Const(Scalar.BOOL, True)


# ---- leaving


@contextmanager
def entered(ev: Evaluator, loop: Loop) -> Generator[None]:
    """Inside, `loop` is the innermost one."""
    assert ev.frame is not None
    ev.frame.loops.append(loop)
    try:
        yield
    finally:
        ev.frame.loops.pop()


def emit(ev: Evaluator, loop: Loop, node: core.While | core.For) -> None:
    """Add a finished loop, with the flags of what it breaks further out."""
    assert ev.frame is not None
    outer = ev.frame.loops[-1] if ev.frame.loops else None
    crossed = list(loop.crossed.items())
    for flag, (target, _) in crossed:
        if target is outer:
            ev.out.append(core.SetLocal(flag, core.Const(Scalar.BOOL, False), node.at))
    ev.out.append(node)
    for flag, (target, is_continue) in crossed:
        goes_on = target is outer and is_continue and not target.is_once
        leave = core.Continue(node.at) if goes_on else core.Break(node.at)
        ev.out.append(core.If(core.GetLocal(flag), [leave], [], node.at))


def leave(ev: Evaluator, target: Loop, at: Location, *, is_continue: bool = False) -> None:
    """Leave `target`, or go on with its next iteration, from wherever inside of it."""
    assert ev.frame is not None
    inner = ev.frame.loops[ev.frame.loops.index(target) + 1 :]
    inner = [loop for loop in inner if not loop.is_plain]
    if not inner:
        if not target.is_plain:
            goes_on = is_continue and not target.is_once
            ev.out.append(core.Continue(at) if goes_on else core.Break(at))
        return
    flags = target.continued if is_continue else target.broken
    if not flags:
        local = core.Local("left", Scalar.BOOL, len(ev.frame.function.locals))
        ev.frame.function.locals.append(local)
        flags.append(local)
    for loop in inner:
        loop.crossed[flags[0]] = (target, is_continue)
    ev.out.append(core.SetLocal(flags[0], _TRUE, at))
    ev.out.append(core.Break(at))


def labeled(ev: Evaluator, label: str, at: Location) -> Loop:
    """The loop or block of that name around the statement being lowered.

    Raises:
        CslError: there is none.
    """
    assert ev.frame is not None
    for loop in reversed(ev.frame.loops):
        if loop.label == label:
            return loop
    raise CslError(f"nothing around this break is called {label!r}", at)


@lowers(syntax.Break)
def _break(ev: Evaluator, node: syntax.Break) -> None:
    if node.label is None:
        leave(ev, _innermost(ev, "break", node.at), node.at)
        return
    target = labeled(ev, node.label, node.at)
    if node.value is not None and target.results is None:
        raise CslError(f"{node.label!r} is no block with a value", node.at)
    if target.results is not None:
        if node.value is None:
            raise CslError(f"{node.label!r} is a block with a value", node.at)
        value = ev.value(node.value)
        target.results.append((ev.out, len(ev.out), value, node.at))
        ev.out.append(core.Break(node.at))  # `blocks` puts the assignment in its place
    leave(ev, target, node.at)


@lowers(syntax.Continue)
def _continue(ev: Evaluator, node: syntax.Continue) -> None:
    leave(ev, _innermost(ev, "continue", node.at), node.at, is_continue=True)


def _innermost(ev: Evaluator, word: str, at: Location) -> Loop:
    assert ev.frame is not None
    for loop in reversed(ev.frame.loops):
        if loop.is_loop and not (word == "break" and loop.is_iteration):
            return loop
    raise CslError(f"{word} outside of a loop", at)


# ---- while


@lowers(syntax.While)
def _while(ev: Evaluator, node: syntax.While) -> None:
    early: list[core.Stmt] = []
    before, ev.out = ev.out, early
    try:
        condition = coerce(ev, ev.value(node.condition), Scalar.BOOL, node.condition.at)
    finally:
        ev.out = before
    active = ev.active
    if isinstance(condition, Known):
        parts = ev.split_active(condition)
        if parts is False:
            return
        active = ev.active if parts is True else parts[0]
    expr = to_core(ev, condition, node.condition.at)
    loop = Loop(node.label)
    with ev.only(active), entered(ev, loop):
        body = inside(ev, lambda: lower_block(ev, node.body))
        step = [] if node.step is None else inside(ev, lambda: _statement(ev, node.step))
    if early:
        # what the condition computes first is computed anew for each iteration
        end = core.If(expr, [], [core.Break(node.at)], node.at)
        body, expr = [*early, end, *body], _TRUE
    emit(ev, loop, core.While(expr, step, body, node.at))


def _statement(ev: Evaluator, node: syntax.Statement | None) -> None:
    if node is not None:
        STATEMENTS[type(node)](ev, node)


# ---- for


@lowers(syntax.For)
def _for(ev: Evaluator, node: syntax.For) -> None:
    iterable = ev.value(node.iterable)
    if node.is_inline:
        _unrolled(ev, node, iterable)
        return
    match iterable:
        case RangeValue():
            _for_range(ev, node, iterable)
        case ArrayValue(items=None, fill=fill) if fill is not None:
            _for_array(ev, node, iterable.type, lambda _: fill)
        case ArrayValue():
            array = materialise(ev, iterable, "elements", node.iterable.at)
            _for_array(ev, node, iterable.type, lambda i: element(ev, array, [i], node.at))
        case MemoryPlace(type=ArrayType() as type):
            _for_array(ev, node, type, lambda i: element(ev, iterable, [i], node.at))
        case _:
            name = ev.name_of(iterable)
            raise CslError(f"a value of type {name} has no elements", node.iterable.at)


def _for_range(ev: Evaluator, node: syntax.For, range: RangeValue) -> None:
    at = node.iterable.at
    if not is_integer(range.element):
        raise CslError(f"a range of {type_name(range.element)} at run time", at)
    bounds = (range.start, range.stop, range.step)
    if isinstance(range.step, Known) and np.any(np.asarray(range.step.data) == 0):
        raise CslError("a range with step 0", at)
    start, stop, step = (to_core(ev, bound, at) for bound in bounds)
    variable = new_local(ev, node.value, range.element)
    index = None if node.index is None else new_local(ev, node.index, Scalar.U16)
    names: dict[str, Value] = {node.value: LocalPlace(range.element, variable, is_const=True)}
    if node.index is not None and index is not None:
        names[node.index] = LocalPlace(Scalar.U16, index, is_const=True)
    loop = Loop(node.label)
    body = _loop_body(ev, node, loop, names, [])
    emit(ev, loop, core.For(variable, index, start, stop, step, body, node.at))


def _for_array(
    ev: Evaluator, node: syntax.For, type: ArrayType, item: Callable[[Value], Value]
) -> None:
    """A loop over an array: the value is a copy of each element."""
    if len(type.dims) != 1:
        raise CslError(f"a loop over an array of {len(type.dims)} dimensions", node.iterable.at)
    counter = new_local(ev, node.index or "_", Scalar.U16)
    place = LocalPlace(Scalar.U16, counter, is_const=True)
    names: dict[str, Value] = {}
    if node.index is not None:
        names[node.index] = place
    value = ev.read(item(ev.read(place, node.at)), node.at)
    first: list[core.Stmt] = []
    if isinstance(value, Dynamic):
        copy = new_local(ev, node.value, value.type)
        first.append(core.SetLocal(copy, value.expr, node.at))
        value = LocalPlace(value.type, copy, is_const=True)
    names[node.value] = value
    loop = Loop(node.label)
    body = _loop_body(ev, node, loop, names, first)
    zero, one = core.Const(Scalar.U16, 0), core.Const(Scalar.U16, 1)
    stop = core.Const(Scalar.U16, type.count)
    emit(ev, loop, core.For(counter, None, zero, stop, one, body, node.at))


def _loop_body(
    ev: Evaluator, node: syntax.For, loop: Loop, names: dict[str, Value], first: list[core.Stmt]
) -> list[core.Stmt]:
    with ev.block(), entered(ev, loop):
        ev.scope.names.update({n: v for n, v in names.items() if n != "_"})
        return first + inside(ev, lambda: lower_block(ev, node.body))


# ---- inline for


def _unrolled(ev: Evaluator, node: syntax.For, iterable: Value) -> None:
    """`inline for`: the body once for each element, which is known at compile time."""
    leaves = (syntax.Break, syntax.Continue)
    has_exits = any(isinstance(part, leaves) for part in syntax_nodes(node.body))
    loop = Loop(node.label, is_once=True, is_plain=not has_exits)

    def all_iterations() -> None:
        for number, value in enumerate(_items(ev, node, iterable)):
            ev.context.program.iterate(node.at)
            names: dict[str, Value] = {node.value: value}
            if node.index is not None:
                names[node.index] = Known(Scalar.U16, number)
            iteration = Loop(None, is_once=True, is_plain=not has_exits, is_iteration=True)
            body = _loop_body(ev, node, iteration, names, [])
            once(ev, iteration, body, node.at)

    with entered(ev, loop):
        body = inside(ev, all_iterations)
    once(ev, loop, body, node.at)


def once(ev: Evaluator, loop: Loop, body: list[core.Stmt], at: Location) -> None:
    """Statements that run once, as a loop if they may be left early."""
    if loop.is_plain:
        ev.out += body
    else:
        emit(ev, loop, core.While(_TRUE, [], [*body, core.Break(at)], at))


def _items(ev: Evaluator, node: syntax.For, iterable: Value) -> Iterator[Value]:
    at = node.iterable.at
    match iterable:
        case RangeValue(start=Known() as start, stop=Known() as stop, step=Known() as step):
            bounds = [ev.integer_of(bound, at) for bound in (start, stop, step)]
            if bounds[2] == 0:
                raise CslError("a range with step 0", at)
            for number in range(*bounds):
                yield Known(iterable.element, number)
        case ArrayValue(type=ArrayType(dims=(count,))):
            for number in range(count):
                yield iterable.item(number)
        case StructValue() if iterable.is_tuple:
            yield from iterable.fields.values()
        case _:
            name = ev.name_of(iterable)
            raise CslError(f"a {name} that is known at compile time is expected", at)
