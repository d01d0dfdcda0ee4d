"""What a decomposition writes with: short names for the primitive operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import Binary, BinaryScalar, Contract, Reduce, Unary
from waferc_ir.ops.graph_move import Reshape
from waferc_ir.ops.graph_structure import Fill, Parameter
from waferc_ir.program import Builder, Value
from waferc_ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Decomposing:
    """Appends primitive operations to a program, and data to its weights."""

    builder: Builder
    weights: dict[str, NDArray[Any]]

    def add(self, op: Op) -> Value:
        """Append any operation."""
        return self.builder.add(op)

    def unary(self, fn: str, x: Value) -> Value:
        """`fn(x)`."""
        return self.add(Unary(x, fn))

    def binary(self, fn: str, lhs: Value, rhs: Value) -> Value:
        """`fn(lhs, rhs)`."""
        return self.add(Binary(lhs, rhs, fn))

    def scalar(self, fn: str, x: Value, value: float) -> Value:
        """`fn(x, value)`."""
        return self.add(BinaryScalar(x, fn, value))

    def reduce(self, fn: str, x: Value, dims: tuple[int, ...], keepdim: bool = True) -> Value:
        """Reduction of `x` over `dims`."""
        return self.add(Reduce(x, fn, dims, keepdim))

    def contract(self, lhs: Value, rhs: Value, dims: str) -> Value:
        """Einstein sum, written `bmk,bkn->bmn`."""
        operands, out = dims.split("->")
        left, right = operands.split(",")
        return self.add(Contract(lhs, rhs, left, right, out))

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        """`x` in another shape; itself if it has it."""
        return x if shape_of(x) == shape else self.add(Reshape(x, shape))

    def fill(self, value: float, shape: tuple[int, ...], dtype: DType) -> Value:
        """One value everywhere."""
        return self.add(Fill(value, shape, dtype))

    def constant(self, array: NDArray[Any], hint: str, dtype: DType) -> Value:
        """A parameter with the data of `array`; `hint` starts its label."""
        label, number = hint, 1
        while label in self.weights:
            number += 1
            label = f"{hint}_{number}"
        self.weights[label] = np.ascontiguousarray(array.astype(dtype.numpy))
        return self.add(Parameter(label, array.shape, dtype))


def kind_of(value: Value) -> TensorType:
    """The type of a graph value."""
    assert isinstance(value.type, TensorType)
    return value.type


def shape_of(value: Value) -> tuple[int, ...]:
    """The shape of a graph value."""
    return kind_of(value).shape
