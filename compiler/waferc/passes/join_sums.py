"""Sums that do not need one another go along a line together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from waferc.analysis.footprint import footprints
from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.entries import common, entries, markers, own
from waferc_ir.ops import collective, stream
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import TiledType

_MOST = 5  # sums that join one


@dataclass(frozen=True)
class JoinSums(Pass):
    """Bring all_reduces along one axis next to one another, where none needs another's result.

    What a later one needs is computed before the first: the partial products of queries, keys and
    values, say. Emission then makes one function of them, whose messages follow one another along
    the line. A program that would not fit any more is left as it is.
    """

    name: ClassVar[str] = "join-sums"

    def run(self, unit: Unit) -> Unit:
        program = unit.program
        marked = [program.statements[number] for number, _ in markers(program)]
        statements = list(common(program))
        for number, entry in enumerate(entries(program)):
            statements += marked[number : number + 1]
            statements += _joined(own(program, entry))
        changed = program.with_statements(statements)
        if changed.statements == program.statements or not _fits(changed, program, unit):
            return unit
        return unit.with_program(changed)


def _fits(changed: Program, program: Program, unit: Unit) -> bool:
    """Whether no region has too much that had not before."""
    pairs = zip(footprints(changed, unit.machine), footprints(program, unit.machine), strict=True)
    return all(after.over_bytes <= max(0, before.over_bytes) for after, before in pairs)


def _joined(statements: Sequence[Statement]) -> list[Statement]:
    """The statements of an entry, sums next to one another."""
    found: list[Statement] = []
    rest = list(statements)
    while rest:
        head = rest.pop(0)
        if isinstance(head.op, collective.AllReduce):
            before, sums, rest = _gathered(head, rest)
            found += [*before, head, *sums]
        else:
            found.append(head)
    return found


def _gathered(
    head: Statement, rest: Sequence[Statement]
) -> tuple[list[Statement], list[Statement], list[Statement]]:
    """What must come before the sum `head`, the sums that can go with it, and what is left."""
    line = _line(head)
    behind: set[Value | None] = {head.result}  # what needs the sums
    before: list[Statement] = []
    sums: list[Statement] = []
    waiting: list[Statement] = []
    for place, statement in enumerate(rest):
        op = statement.op
        if behind.intersection(op.operands()) or isinstance(op, stream.Transfer):
            behind.add(statement.result)
        elif isinstance(op, collective.AllReduce) and _line(statement) == line:
            needed = _needed(statement, waiting)
            if any(isinstance(s.op, collective.AllReduce | collective.AllGather) for s in needed):
                behind.add(statement.result)
            else:
                before += needed
                waiting = [s for s in waiting if s not in needed]
                sums.append(statement)
                behind.add(statement.result)
                if len(sums) == _MOST:
                    return before, sums, [*waiting, *rest[place + 1 :]]
                continue
        waiting.append(statement)
    return before, sums, waiting


def _needed(statement: Statement, waiting: Sequence[Statement]) -> list[Statement]:
    """Of the statements in order, those that one needs, and what these need."""
    wanted = set(statement.op.operands())
    found: list[Statement] = []
    for other in reversed(waiting):
        if other.result in wanted:
            found.append(other)
            wanted.update(other.op.operands())
    return found[::-1]


def _line(statement: Statement) -> tuple[str, str]:
    op = statement.op
    assert isinstance(op, collective.AllReduce)
    assert isinstance(op.x.type, TiledType)
    return op.x.type.region, op.axis
