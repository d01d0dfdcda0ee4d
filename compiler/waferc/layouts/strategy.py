"""What a strategy is: layouts for the operands of an operation, for its result, and a price."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from waferc.layouts.candidates import Grid
from waferc.layouts.cost import CostModel
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, TensorType

O_contra = TypeVar("O_contra", bound=Op, contravariant=True)


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to do an operation in a region.

    `operands` are the layouts in which the operands are wanted, `result` the layout of the result
    after `reductions` all_reduces that finish partial sums, `cycles` the price of both, relayouts
    of the operands not counted. `lower` makes the tiled operation where that is not the one of the
    operation's family.
    """

    operands: tuple[Layout, ...]
    result: Layout
    cycles: int
    reductions: int = 0
    lower: Callable[[Any, tuple[Value, ...]], Op] | None = None


@dataclass(frozen=True)
class Space:
    """Where strategies are looked for: a grid with its candidates, and its cost model."""

    grid: Grid
    cost: CostModel

    def reduced(self, axes: Iterable[Axis], elements: int, dtype: DType) -> int:
        """Cycles to finish partial results of `elements` along `axes`."""
        return sum(self.cost.all_reduce(elements, axis, dtype) for axis in axes)


@dataclass(frozen=True)
class Family(Generic[O_contra]):
    """An operation of the graph IR, its strategies, and the tiled operation that it becomes.

    `lower` gets the operands in the strategy's layouts. Partial results are finished and shapes
    adapted by the caller.
    """

    op: type[O_contra]
    strategies: Callable[[O_contra, Space], Iterable[Strategy]]
    lower: Callable[[O_contra, tuple[Value, ...]], Op]


AnyFamily = Family[Any]


def tensor(value: Value) -> TensorType:
    """Type of a value of the graph IR."""
    assert isinstance(value.type, TensorType)
    return value.type


def local_elements(shape: tuple[int, ...], layout: Layout) -> int:
    """Elements of a tile."""
    return math.prod(layout.local_shape(shape))


def result_of(op: Op) -> TensorType:
    """Type of the result of a graph operation that has one."""
    result = op.result_type()
    assert isinstance(result, TensorType)
    return result


def copied(space: Space, shape: tuple[int, ...], layout: Layout, dtype: DType) -> int:
    """Cycles of an operation that moves one tile."""
    return space.cost.copied(local_elements(shape, layout), dtype)
