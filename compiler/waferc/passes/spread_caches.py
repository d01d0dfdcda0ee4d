"""Caches whose places fill up one by one: an order of places that fills all PEs alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from waferc.layouts.candidates import dimension_groups
from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.spread import spread_order
from waferc_ir.types import TensorType

Dim = tuple[Value, int]


@dataclass(frozen=True)
class SpreadCaches(Pass):
    """Store the places of caches in an order in which those written first lie far apart.

    A cache is a state of which a call replaces the places that a comparison selects. Its places
    may stand in any order where they meet only constants, which are put in that order too: the
    numbers of the places, masks. Where they meet inputs, outputs or their neighbours they stay.
    """

    name: ClassVar[str] = "spread-caches"

    def run(self, unit: Unit) -> Unit:
        program = unit.program
        if any(isinstance(s.op, structure.State) and s.op.spread for s in program.statements):
            return unit  # it is in that order
        classes = _Classes(program)
        spread = {classes.of(dim) for dim in _written(program)} - {classes.fixed()}
        if not spread:
            return unit
        weights = dict(unit.weights)
        changed = list(program.statements)
        for number, statement in enumerate(changed):
            op, result = statement.op, statement.result
            if not isinstance(op, structure.Parameter | structure.State) or result is None:
                continue
            dims = tuple(dim for dim in range(len(op.shape)) if classes.of((result, dim)) in spread)
            if isinstance(op, structure.State):
                changed[number] = replace(statement, op=replace(op, spread=dims))
                continue
            if op.label not in weights:
                continue  # on the meta device: there is nothing to put in order
            for dim in dims:
                order = np.array(spread_order(op.shape[dim]))
                weights[op.label] = np.take(weights[op.label], order, axis=dim)
        return replace(unit, program=program.with_statements(changed), weights=weights)


def _written(program: Program) -> Iterator[Dim]:
    """Dimensions of states along which a store replaces what a condition selects."""
    made = {s.result: s.op for s in program.statements if s.result is not None}
    for statement in program.statements:
        op = statement.op
        if isinstance(op, structure.Store):
            select = made[op.x]
            if isinstance(select, compute.Select):
                shape, condition = _shape(op.x), _shape(select.condition)
                front = len(shape) - len(condition)
                for dim, extent in enumerate(condition):
                    if extent == shape[front + dim] and extent > 1:
                        yield op.state, front + dim


class _Classes:
    """Dimensions that must be in the same order, as disjoint sets."""

    def __init__(self, program: Program) -> None:
        self._parents: dict[Dim | None, Dim | None] = {}
        for statement in program.statements:
            for one, other in _links(statement.op, statement.result):
                self._parents[self.of(one)] = self.of(other)

    def of(self, dim: Dim | None) -> Dim | None:
        """What stands for the set of a dimension."""
        while (parent := self._parents.setdefault(dim, dim)) != dim:
            dim = parent
        return dim

    def fixed(self) -> Dim | None:
        """What stands for dimensions whose order is given."""
        return self.of(None)


def _links(op: Op, result: Value | None) -> Iterator[tuple[Dim, Dim | None]]:
    """Pairs of dimensions in one order; with None one whose order is given."""
    match op:
        case structure.State() | structure.Parameter() | structure.Fill() | structure.Entry():
            return
        case structure.Store():
            yield from (((op.state, dim), (op.x, dim)) for dim in range(len(_shape(op.x))))
            return
        case _ if result is None:
            yield from _all(op.operands())
            return
        case compute.Contract():
            for dims, operand in ((op.lhs_dims, op.lhs), (op.rhs_dims, op.rhs)):
                yield from (
                    ((operand, dims.index(letter)), (result, op.out_dims.index(letter)))
                    for letter in dims
                    if letter in op.out_dims
                )
            summed = [letter for letter in op.lhs_dims if letter not in op.out_dims]
            for letter in summed:
                yield (op.lhs, op.lhs_dims.index(letter)), (op.rhs, op.rhs_dims.index(letter))
        case compute.Reduce():
            kept = [dim for dim in range(len(_shape(op.x))) if dim not in op.dims]
            for place, dim in enumerate(kept):
                yield (op.x, dim), (result, dim if op.keepdim else place)
        case (
            compute.Unary()
            | compute.Binary()
            | compute.BinaryScalar()
            | compute.Select()
            | compute.Cast()
            | move.Expand()
        ):
            for operand in op.operands():
                front = len(_shape(result)) - len(_shape(operand))
                for dim, extent in enumerate(_shape(operand)):
                    if extent == _shape(result)[front + dim]:
                        yield (operand, dim), (result, front + dim)
        case move.Permute():
            yield from (((op.x, dim), (result, place)) for place, dim in enumerate(op.dims))
        case move.Reshape():
            yield from _reshape_links(op.x, result)
        case move.Slice():
            yield from _apart(op.x, result, {op.dim})
        case move.Concat():
            for part in op.parts:
                yield from _apart(part, result, {op.dim})
        case _:
            yield from _all((*op.operands(), result))


def _reshape_links(x: Value, result: Value) -> Iterator[tuple[Dim, Dim | None]]:
    """Dimensions that a reshape leaves alone are linked; merged and split ones stay as they are."""
    before = [dim for dim, extent in enumerate(_shape(x)) if extent != 1]
    after = [dim for dim, extent in enumerate(_shape(result)) if extent != 1]
    for left, right in dimension_groups(_shape(x), _shape(result)):
        mine = [before.pop(0) for _ in left]
        new = [after.pop(0) for _ in right]
        if len(mine) == len(new) == 1:
            yield (x, mine[0]), (result, new[0])
        else:
            yield from (((x, dim), None) for dim in mine)
            yield from (((result, dim), None) for dim in new)


def _apart(x: Value, result: Value, fixed: set[int]) -> Iterator[tuple[Dim, Dim | None]]:
    for dim in range(len(_shape(x))):
        if dim in fixed:
            yield (x, dim), None
            yield (result, dim), None
        else:
            yield (x, dim), (result, dim)


def _all(values: Iterable[Value]) -> Iterator[tuple[Dim, None]]:
    for value in values:
        yield from (((value, dim), None) for dim in range(len(_shape(value))))


def _shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.shape
