"""Tile-local data movement."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis


class Reshape(Op, name="tile.reshape"):
    """The same elements in another shape, where that moves nothing between PEs.

    Both shapes factor into the same groups of dimensions; in a group only the first dimension
    of extent other than 1 may be split, in blocks that are multiples of what stands behind it.
    """

    x: Value
    shape: tuple[int, ...]


class Permute(Op, name="tile.permute"):
    """Dimensions in the order `dims`; splits move with them."""

    x: Value
    dims: tuple[int, ...]


class Slice(Op, name="tile.slice"):
    """A slice of a dimension that is whole."""

    x: Value
    dim: int
    start: int
    stop: int
    step: int = 1


class Concat(Op, name="tile.concat"):
    """Operands one after the other along `dim`, which is whole; all split alike otherwise."""

    parts: tuple[Value, ...]
    dim: int


class Expand(Op, name="tile.expand"):
    """NumPy `broadcast_to(x, shape)`; dimensions that grow are whole in the result."""

    x: Value
    shape: tuple[int, ...]


class Pad(Op, name="tile.pad"):
    """Elements of `value` added around dimensions that are whole."""

    x: Value
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0


class Shard(Op, name="tile.shard"):
    """Each PE keeps its block of the whole dimension `dim`: it becomes split along `axis`.

    The axis splits nothing and is not partial before. Lanes beyond the extent become zero.
    """

    x: Value
    dim: int
    axis: Axis
    block: int
