"""Graph operations that say where tensors come from and where they go."""

from __future__ import annotations

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import representable
from waferc_ir.ops.shapes import declared_label, declared_shape, declared_spread, tensor
from waferc_ir.program import Value
from waferc_ir.types import TensorType


class Input(Op, name="graph.input"):
    """An input of the model, given at every call."""

    label: str
    shape: tuple[int, ...]
    dtype: DType

    def result_type(self) -> TensorType:
        declared_label(self, self.label)
        return TensorType(declared_shape(self, self.shape), self.dtype)


class Parameter(Op, name="graph.parameter"):
    """A weight, buffer or folded constant: its data stand beside the program under `label`."""

    label: str
    shape: tuple[int, ...]
    dtype: DType

    def result_type(self) -> TensorType:
        declared_label(self, self.label)
        return TensorType(declared_shape(self, self.shape), self.dtype)


class State(Op, name="graph.state"):
    """A tensor that outlives calls: here, what it holds at the beginning of a call.

    Its first content stands beside the program under `label`. Dimensions in `spread` are stored in
    the order of `waferc_ir.spread`; what is read of the state and stored to it is in that order.
    """

    label: str
    shape: tuple[int, ...]
    dtype: DType
    spread: tuple[int, ...] = ()

    def result_type(self) -> TensorType:
        declared_label(self, self.label)
        declared_spread(self, self.spread, self.shape)
        return TensorType(declared_shape(self, self.shape), self.dtype)


class Store(Op, name="graph.store", results=0):
    """At the end of the call `state` (a `graph.state`) becomes `x`. It does not read `state`."""

    state: Value
    x: Value

    def result_type(self) -> None:
        state, x = tensor(self, self.state, "state"), tensor(self, self.x, "x")
        self.require(state == x, f"a state of type {state} cannot become {x}")


class Fill(Op, name="graph.fill"):
    """A tensor that has one value everywhere."""

    value: float
    shape: tuple[int, ...]
    dtype: DType

    def result_type(self) -> TensorType:
        representable(self, self.value, self.dtype)
        return TensorType(declared_shape(self, self.shape), self.dtype)


class Entry(Op, name="graph.entry", results=0):
    """Here begins an entry: what the host calls by `label`. It ends where the next one begins.

    `calls` says how often it is expected to be called, beside the other entries.
    """

    label: str
    calls: int = 1

    def result_type(self) -> None:
        declared_label(self, self.label)
        self.require(self.calls > 0, f"an entry is called {self.calls} times")


class Output(Op, name="graph.output", results=0):
    """An output of the model."""

    x: Value
    label: str

    def result_type(self) -> None:
        declared_label(self, self.label)
        tensor(self, self.x, "x")
