"""Which integers an input may hold, where it numbers the rows of a table or places of a cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Cast
from waferc_ir.ops.graph_move import Expand, Permute, Reshape, Slice
from waferc_ir.ops.graph_structure import Fill, Input
from waferc_ir.program import Statement, Value
from waferc_ir.types import TensorType

Limits = Mapping[str, tuple[int, int]]
"""By label of an input: the smallest and the largest number that it may hold."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A tensor of numbers that must lie between `low` and `high`, both included."""

    value: Value
    low: int
    high: int


def input_limits(
    statements: Iterable[Statement],
    constants: Mapping[Value, NDArray[Any]],
    found: Iterable[Numbers],
) -> Limits:
    """What `found` asks of inputs whose elements reach it unchanged, or with a constant added.

    Numbers that are computed otherwise, and those of a part of an input, ask for nothing.
    """
    made = {s.result: s.op for s in statements if s.result is not None}
    limits: dict[str, tuple[int, int]] = {}
    for numbers in found:
        value, low, high = numbers.value, numbers.low, numbers.high
        while not isinstance(op := made[value], Input):
            step = _step(op, constants, made)
            if step is None:
                break
            value, least, most = step
            low, high = low - least, high - most
        else:
            before = limits.get(op.label, (low, high))
            limits[op.label] = max(low, before[0]), min(high, before[1])
    return limits


def _step(
    op: Op, constants: Mapping[Value, NDArray[Any]], made: Mapping[Value, Op]
) -> tuple[Value, int, int] | None:
    """The operand whose elements an operation hands on, with what it adds at least and at most."""
    match op:
        case Reshape() | Expand() | Permute():
            return op.x, 0, 0
        case Cast() if op.dtype is DType.I32:
            return op.x, 0, 0
        case Slice() if _elements(op.x) == _elements_of(op):
            return op.x, 0, 0
        case BinaryScalar(fn="add", value=added) if added == int(added):
            return op.x, int(added), int(added)
        case Binary(fn="add"):
            for x, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
                added = _constant(other, constants, made)
                if added is not None and added.dtype.kind == "i" and added.size:
                    return x, int(added.min()), int(added.max())
        case _:
            pass
    return None


def _constant(
    value: Value, constants: Mapping[Value, NDArray[Any]], made: Mapping[Value, Op]
) -> NDArray[Any] | None:
    op = made[value]
    if isinstance(op, Fill):
        return np.full(1, op.value, op.dtype.numpy)
    if isinstance(op, Reshape | Expand | Permute):
        return _constant(op.x, constants, made)
    return constants.get(value)


def _elements(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.elements


def _elements_of(op: Op) -> int:
    result = op.result_type()
    assert isinstance(result, TensorType)
    return result.elements
