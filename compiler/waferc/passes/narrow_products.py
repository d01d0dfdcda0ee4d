"""Mixed precision: weights and caches in f16, sums of products and everything else in f32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from waferc.passes.base import Pass, PassError
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import Cast, Contract, Embedding, Select
from waferc_ir.ops.graph_move import Concat, Expand, Permute, Reshape, Slice
from waferc_ir.ops.graph_structure import Parameter, State, Store
from waferc_ir.program import Builder, Value
from waferc_ir.types import TensorType


@dataclass(frozen=True)
class NarrowProducts(Pass):
    """Round the factors of contractions to f16 and add up their products in f32.

    Weights and states that contractions read, and the tables of embeddings, are stored in f16;
    other operations stay in f32. Casts go to where they cost least: before moves, selections and
    stores. With `dtype` f32 nothing changes.
    """

    name: ClassVar[str] = "narrow-products"
    dtype: str = "f16"

    def run(self, unit: Unit) -> Unit:
        if self.dtype not in ("f32", "f16"):
            raise PassError(f"narrow-products: dtype is {self.dtype}, not f32 or f16")
        return unit if self.dtype == "f32" else _Narrowing(unit).run()


class _Narrowing:
    """One walk over a program. A value may get a twin in f16, made where the value is made."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.builder = Builder()
        self.weights = dict(unit.weights)
        self.values: dict[Value, Value] = {}
        self.twins: dict[Value, Value] = {}
        self.definitions = {s.result: s.op for s in unit.program.statements if s.result}
        self.narrow = self._wanted()

    def run(self) -> Unit:
        for statement in self.unit.program.statements:
            self.builder.at = statement.at
            op, result = statement.op, statement.result
            if isinstance(op, Store) and op.state in self.narrow:
                self.builder.effect(Store(self.twins[op.state], self.twins[op.x]))
            elif result is None:
                self.builder.effect(op.with_operands(self.values))
            else:
                self._add(op, result)
        program = self.unit.program.with_statements(self.builder.statements)
        return replace(self.unit, program=program, weights=self.weights)

    def _add(self, op: Op, result: Value) -> None:
        """Append an operation, and its twin in f16 where that is read."""
        chosen = {**self.values, **{factor: self.twins[factor] for factor in self._factors(op)}}
        if isinstance(op, State) and result in self.narrow:
            self._check(op)
            self._twin(replace(op, dtype=DType.F16), result)
            if op.label in self.weights:
                self.weights[op.label] = self.weights[op.label].astype(np.float16)
        elif isinstance(op, Embedding) and op.table in self.narrow:
            self._twin(op.with_operands(chosen), result)
        else:
            if isinstance(op, Contract) and op.lhs in self.narrow:
                op = replace(op, wide=True)
            self.values[result] = self.builder.add(op.with_operands(chosen))
            if result in self.narrow:
                self.twins[result] = self.builder.add(self._narrowed(op, result))

    def _twin(self, op: Op, result: Value) -> None:
        """Append an operation that is done in f16; what f32 is wanted for is cast."""
        self.twins[result] = self.builder.add(op)
        self.values[result] = self.builder.add(Cast(self.twins[result], DType.F32))

    def _narrowed(self, op: Op, result: Value) -> Op:
        moved = _operands_to_narrow(op)
        if moved is not None:
            return op.with_operands({**self.values, **{x: self.twins[x] for x in moved}})
        self._check(op)
        return Cast(self.values[result], DType.F16)

    def _factors(self, op: Op) -> tuple[Value, ...]:
        return tuple(value for value in _factors(op) if value in self.narrow)

    def _wanted(self) -> set[Value]:
        """Values of which a twin in f16 is read."""
        states = {
            s.op.state: s.op.x for s in self.unit.program.statements if isinstance(s.op, Store)
        }
        wanted: set[Value] = set()
        stack = [
            value
            for op in (statement.op for statement in self.unit.program.statements)
            for value in _factors(op)
        ]
        while stack:
            value = stack.pop()
            if value in wanted or not _is_f32(value):
                continue
            wanted.add(value)
            if value in states:
                stack.append(states[value])
            stack.extend(_operands_to_narrow(self.definitions[value]) or ())
        return wanted

    def _check(self, op: Op) -> None:
        if isinstance(op, Parameter | State) and op.label in self.unit.weights:
            array = self.unit.weights[op.label]
            largest = float(np.abs(array, where=np.isfinite(array), out=np.zeros_like(array)).max())
            if largest > float(np.finfo(np.float16).max):
                raise PassError(
                    f"{op.label!r} has numbers beyond what f16 holds",
                    notes=[f"the largest magnitude is {largest:.6g}"],
                    help="compile with dtype f32",
                )


def _is_f32(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype is DType.F32


def _factors(op: Op) -> tuple[Value, ...]:
    """The operands that an operation wants in f16."""
    match op:
        case Contract():
            return op.lhs, op.rhs
        case Embedding():
            return (op.table,)
        case _:
            return ()


def _operands_to_narrow(op: Op) -> tuple[Value, ...] | None:
    """The operands whose rounding rounds the result alike; None where that is another result."""
    match op:
        case Reshape() | Permute() | Expand() | Slice():
            return (op.x,)
        case Concat():
            return op.parts
        case Select():
            return op.lhs, op.rhs
        case _:
            return None
