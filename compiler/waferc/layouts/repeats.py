"""Repeated structure of a graph: operations that come again and again, as layers do.

Two operations are alike if they are equal but for labels, and their operands come from alike
places: from as many operations before, from equal sources, or from one and the same value.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from waferc_ir.program import Statement, Value

Form = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Work items [start, start + count * period) are `count` alike blocks of `period` items."""

    start: int
    period: int
    count: int


def form_of(statements: Sequence[Statement], arriving: Sequence[Value]) -> Form:
    """What a sequence of statements is but for labels and names: alike ones have equal forms.

    `arriving` are values from outside, in an order that alike sequences have in common.
    """
    numbers = {value: number for number, value in enumerate(arriving)}
    found: list[Hashable] = [tuple(value.type for value in arriving)]
    for statement in statements:
        op = statement.op
        operands = tuple(numbers[value] for value in op.operands())
        found.append((_kind(statement), operands))
        if statement.result is not None:
            numbers[statement.result] = len(numbers)
    return tuple(found)


def find_repeats(
    work: Sequence[Statement], sources: Mapping[Value, Statement], crossing: Sequence[float]
) -> Repeats | None:
    """The repetition that covers most work items; None if nothing comes twice.

    Args:
        work: operations in order.
        sources: where values come from that no work item makes.
        crossing: elements that cross a cut before each work item. A repetition may begin at any of
            its items; it begins where least crosses.
    """
    numbering: dict[Hashable, int] = {}
    kinds = [numbering.setdefault(_kind(s), len(numbering)) for s in work]
    made = {s.result: n for n, s in enumerate(work)}
    signs = [_signs(s, sources, numbering) for s in work]

    def alike(n: int, m: int) -> bool:
        for value, other, sign, other_sign in zip(
            work[n].op.operands(), work[m].op.operands(), signs[n], signs[m], strict=True
        ):
            if value is other or (sign is not None and sign == other_sign):
                continue
            if sign is not None or other_sign is not None or m - made[other] != n - made[value]:
                return False
        return True

    best: Repeats | None = None
    count = len(work)
    for period in range(1, count // 2 + 1):
        run = 0
        for n in range(count - period + 1):
            inside = n < count - period and kinds[n] == kinds[n + period] and alike(n, n + period)
            if inside:
                run += 1
                continue
            if run >= period:
                found = _begun(Repeats(n - run, period, run // period + 1), run, crossing)
                if best is None or found.period * found.count > best.period * best.count:
                    best = found
            run = 0
    return best


def _begun(found: Repeats, run: int, crossing: Sequence[float]) -> Repeats:
    """The repetition from the item on where least crosses, as long as no block is lost."""

    def price(start: int) -> tuple[int, float, int]:
        count = (found.start + run - start) // found.period + 1
        cuts = [crossing[start + n * found.period] for n in range(count)]
        return -count, max(cuts), start

    _, _, start = min(price(found.start + shift) for shift in range(found.period))
    return Repeats(start, found.period, (found.start + run - start) // found.period + 1)


def _signs(
    statement: Statement, sources: Mapping[Value, Statement], numbering: dict[Hashable, int]
) -> tuple[int | None, ...]:
    """For each operand a number of what source it is; None for what work items make."""
    return tuple(
        numbering.setdefault(_kind(sources[value]), len(numbering)) if value in sources else None
        for value in statement.op.operands()
    )


def _kind(statement: Statement) -> Hashable:
    """An operation without its operands and label, and the type of its result."""
    op = statement.op
    fixed = tuple(item for item in op.attributes().items() if item[0] != "label")
    return op.name, fixed, None if statement.result is None else statement.result.type
