"""What simplification rules work with: definitions and uses of values, and simplified appending."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_move import Slice
from waferc_ir.ops.graph_structure import Fill, Parameter
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import TensorType

Rule = Callable[["Simplifying", Any], Value | None]
Rules = Mapping[type[Op], tuple[Rule, ...]]


class Simplifying:
    """One walk over a program: each operation is appended as the rules have it.

    A rule gets this and an operation, and returns the value that stands for its result, or None
    where it does not apply. What a rule appends with `add` is simplified in turn.
    """

    def __init__(self, rules: Rules, weights: Mapping[str, NDArray[Any]]) -> None:
        self.builder = Builder()
        self.changed = False
        self._rules = rules
        self._weights = weights
        self._definitions: dict[Value, Op] = {}
        self._users: dict[Value, list[Op]] = {}

    def run(self, program: Program) -> Program:
        """The program with every operation simplified once."""
        uses = program.uses()
        values: dict[Value, Value] = {}
        for statement in program.statements:
            self.builder.at = statement.at
            op = statement.op.with_operands(values)
            if statement.result is None:
                self.builder.effect(op)
                continue
            value = self.add(op)
            values[statement.result] = value
            users = [user.op for user in uses[statement.result]]
            self._users.setdefault(value, []).extend(users)
        return program.with_statements(self.builder.statements)

    def add(self, op: Op) -> Value:
        """Append an operation, or what the rules make of it."""
        for rule in self._rules.get(type(op), ()):
            value = rule(self, op)
            if value is not None:
                self.changed = True
                return value
        value = self.builder.add(op)
        self._definitions[value] = op
        return value

    def definition(self, value: Value) -> Op | None:
        """The operation that yields a value."""
        return self._definitions.get(value)

    def has_one_use(self, value: Value) -> bool:
        """Whether a value is read once at most, so that it may be replaced without copying work."""
        return len(self._users.get(value, ())) <= 1

    def is_cut_along(self, value: Value, dim: int) -> bool:
        """Whether a value is read by slices along `dim` alone that do not overlap."""
        users = self._users.get(value, [])
        slices = [op for op in users if isinstance(op, Slice) and op.dim == dim and op.step == 1]
        ranges = sorted({(op.start, op.stop) for op in slices})
        apart = all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))
        return bool(users) and len(slices) == len(users) and apart

    def number(self, value: Value) -> float | None:
        """The number that a value has everywhere, if it is a fill."""
        op = self.definition(value)
        return op.value if isinstance(op, Fill) else None

    def data(self, value: Value) -> NDArray[Any] | None:
        """The array of a value, if it is a fill or a parameter whose data are at hand."""
        op = self.definition(value)
        if isinstance(op, Fill):
            return np.broadcast_to(np.full((), op.value, op.dtype.numpy), op.shape)
        return self._weights.get(op.label) if isinstance(op, Parameter) else None


def kind_of(value: Value) -> TensorType:
    """The type of a graph value."""
    assert isinstance(value.type, TensorType)
    return value.type


def shape_of(value: Value) -> tuple[int, ...]:
    """The shape of a graph value."""
    return kind_of(value).shape
