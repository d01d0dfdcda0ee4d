"""Loops of the layout whose iterations are run at once: one lane for each iteration.

A loop inside such a loop has a lane for each pair of iterations. Where iterations go ways that
cannot be one value they are parted, and each part runs for itself. What has an effect beyond its
iteration cannot be run so, nor what is wrong: it is run one iteration after the other, so that
errors are those of the iteration that they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import syntax
from waferc_runtime.csl.context import Scope
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, Poisoned, Split
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.types import CslType, Meta, integer_range, is_integer
from waferc_runtime.csl.values import (
    ArrayValue,
    Cell,
    Known,
    Number,
    RangeValue,
    StructValue,
    Text,
    TypeValue,
    Value,
    Void,
    known,
    take,
)

MIN_LANES = 4  # iterations that make it worth while to run them at once
WIDE = 1024  # lanes that are enough: a loop of few iterations inside of them is stepped
MAX_LANES = 1 << 18  # at once: what bounds the memory of intermediate numbers
MAX_PARTS = 256  # ways that iterations may go

Body = Callable[[], bool]  # runs the body; whether all iterations go on with the next one
Indices = NDArray[np.intp]


class _GiveUp(Exception):  # noqa: N818 (an event, no error of the user's)
    """The iterations cannot be run at once."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The values of a loop's variable: `start + n * step` for n below `count`, per lane."""

    name: str
    type: CslType
    start: Number
    step: Number
    count: Number
    index: str | None = None  # of a variable that counts from 0

    @property
    def is_uniform(self) -> bool:
        """Whether all lanes count alike."""
        return not any(isinstance(x, np.ndarray) for x in (self.start, self.step, self.count))


def counter_of_range(ev: Evaluator, node: syntax.For, iterable: RangeValue) -> Counter:
    """What a loop over a range counts.

    Raises:
        CslError: its step is 0.
    """
    at = node.iterable.at
    start, stop, step = (
        _bound(ev, bound, at) for bound in (iterable.start, iterable.stop, iterable.step)
    )
    if np.any(np.asarray(step) == 0):
        raise CslError("a range with step 0", at)
    count = _trips(start, stop, step)
    return Counter(node.value, iterable.element, start, step, count, node.index)


def counter_of_while(ev: Evaluator, node: syntax.While) -> Counter | None:
    """What `while (i < n) : (i += k)` counts, if it is such a loop and nothing else moves `i`."""
    condition, step = node.condition, node.step
    if not (
        isinstance(condition, syntax.Binary)
        and condition.op in ("<", "<=")
        and isinstance(condition.lhs, syntax.Name)
        and isinstance(step, syntax.Assign)
        and step.op == "+"
        and isinstance(step.target, syntax.Name)
        and step.target.name == condition.lhs.name
        and isinstance(step.value, syntax.Integer)
        and step.value.value > 0
    ):
        return None
    name = step.target.name
    cell = ev.scope.find(name)
    if not isinstance(cell, Cell) or not isinstance(cell.value, Known):
        return None
    type, start = cell.value.type, cell.value.data
    if not (type is Meta.COMPTIME_INT or (isinstance(type, Scalar) and is_integer(type))):
        return None
    moved = assigned(node.body.statements)
    if name in moved or moved & names_in(condition.rhs):
        return None
    limit = ev.value(condition.rhs)
    if not isinstance(limit, Known) or isinstance(limit.data, (bool, float)):
        return None
    stop = cast(int, limit.data) + (condition.op == "<=")
    by = step.value.value
    if is_integer(type) and np.any(
        np.asarray(stop) + by - 1 > integer_range(cast(Scalar, type))[1]
    ):
        return None  # it may wrap
    return Counter(name, type, start, by, _trips(start, stop, by))


def run_at_once(
    ev: Evaluator, node: syntax.For | syntax.While, counter: Counter, body: Body
) -> bool:
    """Run all iterations of a loop of the layout as lanes; False if nothing was done.

    `body` is called with the variable in scope, and lanes as the context's PEs.
    """
    context = ev.context
    layout = context.layout
    if layout is None or id(node) in layout.sequential:
        return False
    if counter.is_uniform and _is_better_stepped(ev, cast(int, counter.count)):
        return False
    outer, number = _lanes(ev, counter)
    total = len(number)
    staged = layout.staged
    mark = 0 if staged is None else len(staged)
    layout.staged = [] if staged is None else staged
    before = context.pes, ev.is_vector, ev.active, ev.scope
    outside = _plain(ev.scope)
    work: list[Indices] = [
        np.arange(first, min(first + MAX_LANES, total)) for first in range(0, total, MAX_LANES)
    ]
    most = len(work) * MAX_PARTS
    try:
        while work:
            part = work.pop(0)
            context.pes, ev.is_vector, ev.active = len(part), True, None
            mine = None if outer is None else outer[part]
            ev.scope = _inside(outside, mine, counter, number[part])
            effects = len(layout.staged)
            try:
                if not body():
                    raise _GiveUp
            except Split as split:
                del layout.staged[effects:]
                kinds = np.unique(split.groups)
                if len(kinds) == 1 or len(work) + len(kinds) > most:
                    raise _GiveUp from None
                work[:0] = [part[split.groups == kind] for kind in kinds]
    except (CslError, Poisoned, _GiveUp):
        del layout.staged[mark:]
        layout.staged = staged
        layout.sequential.add(id(node))
        return False
    finally:
        context.pes, ev.is_vector, ev.active, ev.scope = before
    if staged is None:
        layout.commit()
    return True


def uniform(ev: Evaluator, counter: Counter) -> tuple[int, int, int]:
    """Start, step and count of a loop that is stepped.

    Raises:
        Split: they differ between lanes.
    """
    numbers = (counter.start, counter.step, counter.count)
    start, step, count = (ev.uniform(Known(counter.type, number)) for number in numbers)
    return cast(int, start), cast(int, step), cast(int, count)


def final(counter: Counter) -> Known:
    """What the variable of a `while` holds behind the loop."""
    return known(
        counter.type,
        cast(int, counter.start) + cast(int, counter.count) * cast(int, counter.step),
    )


def merged(mask: NDArray[np.bool_], new: Value, old: Value) -> Value | None:
    """`new` where `mask` holds, else `old`, as one value; None if it cannot be one."""
    match new, old:
        case Known(), Known() if new.type == old.type:
            if any(isinstance(x.data, int) and abs(x.data) >= 1 << 62 for x in (new, old)):
                return None
            return known(new.type, np.where(mask, new.data, old.data))
        case StructValue(), StructValue() if (
            new.type == old.type and new.fields.keys() == old.fields.keys()
        ):
            fields = {n: merged(mask, v, old.fields[n]) for n, v in new.fields.items()}
            whole = {n: v for n, v in fields.items() if v is not None}
            return StructValue(whole, new.type) if len(whole) == len(fields) else None
        case ArrayValue(items=None), ArrayValue(items=None) if new.type == old.type:
            if new.fill is None or old.fill is None:
                return None
            fill = merged(mask, new.fill, old.fill)
            return None if fill is None else ArrayValue(new.type, None, fill)
        case ArrayValue(), ArrayValue() if new.type == old.type:
            items = [merged(mask, new.item(n), old.item(n)) for n in range(new.type.count)]
            kept = [item for item in items if item is not None]
            return ArrayValue(new.type, kept) if len(kept) == len(items) else None
        case (Void(), Void()):
            return new
        case (Text(), Text()) | (TypeValue(), TypeValue()) if new.data == old.data:
            return new
        case _:
            return new if new is old else None


def assigned(body: tuple[syntax.Statement, ...]) -> set[str]:
    """Names that some statement assigns, in part or whole."""
    found: set[str] = set()
    for node in syntax_nodes(body):
        if isinstance(node, syntax.Assign):
            target = node.target
            while isinstance(target, (syntax.Index, syntax.Member)):
                target = target.base
            if isinstance(target, syntax.Name):
                found.add(target.name)
    return found


def names_in(node: syntax.Expr) -> set[str]:
    """Names that an expression reads."""
    return {part.name for part in syntax_nodes((node,)) if isinstance(part, syntax.Name)}


def syntax_nodes(root: object) -> Iterator[object]:
    """All nodes of syntax in and below `root`, which may be a tuple of them."""
    if isinstance(root, tuple):
        for item in cast("tuple[object, ...]", root):
            yield from syntax_nodes(item)
    elif is_dataclass(root) and not isinstance(root, Location):
        yield root
        for part in fields(root):
            yield from syntax_nodes(getattr(root, part.name))


def _is_better_stepped(ev: Evaluator, count: int) -> bool:
    return ev.context.pes >= WIDE if ev.is_vector else count < MIN_LANES


def _bound(ev: Evaluator, value: Value, at: Location) -> Number:
    if ev.is_vector and isinstance(value, Known) and isinstance(value.data, np.ndarray):
        return value.data
    return ev.integer_of(value, at)


def _trips(start: Number, stop: Number, step: Number) -> Number:
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        return len(range(start, stop, step))
    span = np.asarray(stop) - np.asarray(start)
    return np.maximum(-(-span // np.asarray(step)), 0)


def _lanes(ev: Evaluator, counter: Counter) -> tuple[Indices | None, Indices]:
    """Of each iteration: the lane outside that it belongs to (None: there are none), its number."""
    if not ev.is_vector:
        return None, np.arange(cast(int, counter.count))
    here = np.arange(ev.context.pes) if ev.active is None else np.flatnonzero(ev.active)
    counts = np.broadcast_to(np.asarray(counter.count, np.intp), (ev.context.pes,))[here]
    first = np.cumsum(counts) - counts
    return np.repeat(here, counts), np.arange(int(counts.sum())) - np.repeat(first, counts)


def _plain(scope: Scope) -> Scope:
    """All names in sight as constants: what an iteration changes outside, others would see."""
    found = Scope()
    chain = [scope]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    for one in reversed(chain):
        found.failed |= one.failed
        for name, value in one.names.items():
            found.names[name] = value.value if isinstance(value, Cell) else value
    return found


def _inside(outside: Scope, outer: Indices | None, counter: Counter, number: Indices) -> Scope:
    """The names in sight of some iterations, lanes outside taken for each of them."""
    scope = outside
    if outer is not None:
        names = {name: take(_value(value), outer) for name, value in outside.names.items()}
        scope = Scope(None, {**names}, outside.failed)
    start, step = (
        x[outer] if isinstance(x, np.ndarray) and outer is not None else x
        for x in (counter.start, counter.step)
    )
    lanes = np.asarray(start) + np.asarray(step) * number
    scope = Scope(scope, {counter.name: known(counter.type, lanes)})
    if counter.index is not None:
        scope.names[counter.index] = known(Scalar.U16, number.astype(np.int64))
    return scope


def _value(value: Value | Cell) -> Value:
    return value.value if isinstance(value, Cell) else value
