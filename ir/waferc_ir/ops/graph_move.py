"""Graph operations that move data: views, permutations, slices, concatenation, padding."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import representable
from waferc_ir.ops.shapes import (
    concatenated,
    expanded,
    padded,
    permuted,
    reshaped,
    same_dtype,
    sliced,
    tensor,
)
from waferc_ir.program import Value
from waferc_ir.types import TensorType


class Reshape(Op, name="graph.reshape"):
    """The same elements in row-major order in another shape."""

    x: Value
    shape: tuple[int, ...]

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        return TensorType(reshaped(self, x.shape, self.shape), x.dtype)


class Permute(Op, name="graph.permute"):
    """Dimensions in the order `dims`: result dimension i is operand dimension dims[i]."""

    x: Value
    dims: tuple[int, ...]

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        return TensorType(permuted(self, x.shape, self.dims), x.dtype)


class Slice(Op, name="graph.slice"):
    """Elements `start, start + step, ...` before `stop` of dimension `dim`; step is positive."""

    x: Value
    dim: int
    start: int
    stop: int
    step: int = 1

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        shape = sliced(self, x.shape, self.dim, self.start, self.stop, self.step)
        return TensorType(shape, x.dtype)


class Concat(Op, name="graph.concat"):
    """Operands one after the other along `dim`."""

    parts: tuple[Value, ...]
    dim: int

    def result_type(self) -> TensorType:
        parts = [tensor(self, part, f"part {i}") for i, part in enumerate(self.parts)]
        shape = concatenated(self, [part.shape for part in parts], self.dim)
        for number, part in enumerate(parts):
            same_dtype(self, ("part 0", parts[0].dtype), (f"part {number}", part.dtype))
        return TensorType(shape, parts[0].dtype)


class Expand(Op, name="graph.expand"):
    """NumPy `broadcast_to(x, shape)` (rank may grow at the front)."""

    x: Value
    shape: tuple[int, ...]

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        return TensorType(expanded(self, x.shape, self.shape), x.dtype)


class Pad(Op, name="graph.pad"):
    """`before[d]` and `after[d]` elements of `value` added around each dimension d (>= 0)."""

    x: Value
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        representable(self, self.value, x.dtype)
        return TensorType(padded(self, x.shape, self.before, self.after), x.dtype)
