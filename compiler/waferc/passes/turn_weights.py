"""Lays weights out in memory as contractions read them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.ops.graph_compute import Contract
from waferc_ir.ops.graph_structure import Input, Output, Parameter, State
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import TensorType

Order = tuple[int, ...]


@dataclass(frozen=True)
class TurnWeights(Pass):
    """Give weights that only contractions read the order of dimensions that these want.

    A kernel multiplies vectors by scalars: what the weight shares with the result alone stands
    innermost, so that a vector is contiguous and follows the one before; what is summed stands
    before it. A turned weight is called as before, with `turned` behind it.
    """

    name: ClassVar[str] = "turn-weights"

    def run(self, unit: Unit) -> Unit:
        program = unit.program
        orders = _orders(program)
        weights = dict(unit.weights)
        builder = Builder()
        values: dict[Value, Value] = {}
        turned: dict[Value, Order] = {}
        for statement in program.statements:
            builder.at = statement.at
            op, result = statement.op, statement.result
            if isinstance(op, Parameter) and op.label in orders:
                order = orders[op.label]
                label = f"{op.label}.turned"
                if op.label in weights:
                    weights[label] = np.transpose(unit.weights[op.label], order)
                op = replace(op, label=label, shape=tuple(op.shape[dim] for dim in order))
                assert result is not None
                turned[result] = order
            elif isinstance(op, Contract):
                op = _reading(op, turned)
            if result is None:
                builder.effect(op.with_operands(values))
            else:
                values[result] = builder.add(op.with_operands(values))
        for label in orders:
            weights.pop(label, None)
        return replace(unit, program=program.with_statements(builder.statements), weights=weights)


def _orders(program: Program) -> dict[str, Order]:
    """New orders of dimensions, by label, of weights whose readers agree on one."""
    labels = {
        statement.result: statement.op.label
        for statement in program.statements
        if isinstance(statement.op, Parameter) and statement.result is not None
    }
    wanted: defaultdict[str, set[Order | None]] = defaultdict(set)
    for statement in program.statements:
        op = statement.op
        for operand in op.operands():
            if operand in labels:
                order = _order(op, operand) if isinstance(op, Contract) else None
                wanted[labels[operand]].add(order)
    taken = {
        statement.op.label
        for statement in program.statements
        if isinstance(statement.op, Input | Output | Parameter | State)
    }
    return {
        label: order
        for label, orders in wanted.items()
        for order in orders
        if len(orders) == 1 and order is not None and order != tuple(range(len(order)))
        if f"{label}.turned" not in taken
    }


def _order(op: Contract, operand: Value) -> Order | None:
    """The dimensions of an operand: those of both operands, then summed ones, then its own."""
    if op.lhs == op.rhs:
        return None
    is_left = operand == op.lhs
    own, other = (op.lhs_dims, op.rhs_dims) if is_left else (op.rhs_dims, op.lhs_dims)

    def rank(dim: int) -> int:
        letter = own[dim]
        if letter not in op.out_dims:
            return 1
        return 0 if letter in other else 2

    assert isinstance(operand.type, TensorType)
    return tuple(sorted(range(operand.type.rank), key=rank))


def _reading(op: Contract, turned: dict[Value, Order]) -> Contract:
    """The contraction with the letters of turned operands in their new order."""
    if op.lhs in turned:
        op = replace(op, lhs_dims="".join(op.lhs_dims[dim] for dim in turned[op.lhs]))
    if op.rhs in turned:
        op = replace(op, rhs_dims="".join(op.rhs_dims[dim] for dim in turned[op.rhs]))
    return op
