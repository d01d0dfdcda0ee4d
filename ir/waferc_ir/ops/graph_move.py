"""Graph operations that move data: views, permutations, slices, concatenation, padding."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.program import Value


class Reshape(Op, name="graph.reshape"):
    """The same elements in row-major order in another shape."""

    x: Value
    shape: tuple[int, ...]


class Permute(Op, name="graph.permute"):
    """Dimensions in the order `dims`: result dimension i is operand dimension dims[i]."""

    x: Value
    dims: tuple[int, ...]


class Slice(Op, name="graph.slice"):
    """Elements `start, start + step, ...` before `stop` of dimension `dim`; step is positive."""

    x: Value
    dim: int
    start: int
    stop: int
    step: int = 1


class Concat(Op, name="graph.concat"):
    """Operands one after the other along `dim`."""

    parts: tuple[Value, ...]
    dim: int


class Expand(Op, name="graph.expand"):
    """NumPy `broadcast_to(x, shape)` (rank may grow at the front)."""

    x: Value
    shape: tuple[int, ...]


class Pad(Op, name="graph.pad"):
    """`before[d]` and `after[d]` elements of `value` added around each dimension d (>= 0)."""

    x: Value
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0
