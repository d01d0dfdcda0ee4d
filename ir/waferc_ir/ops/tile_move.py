"""Tile-local data movement."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import representable
from waferc_ir.ops.layouts import reshape_layout, result, same_region, tiled, whole
from waferc_ir.ops.shapes import (
    concatenated,
    dimension,
    expanded,
    extents,
    padded,
    permuted,
    reshaped,
    same_dtype,
    sliced,
)
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, Split, TiledType


class Reshape(Op, name="tile.reshape"):
    """The same elements in another shape, where that moves nothing between PEs.

    Both shapes factor into the same groups of dimensions; in a group only the first dimension
    of extent other than 1 may be split, in blocks that are multiples of what stands behind it
    (`layouts.reshape_layout`).
    """

    x: Value
    shape: tuple[int, ...]

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x", anywhere=True)
        shape = reshaped(self, x.shape, self.shape)
        layout = reshape_layout(x.shape, shape, x.layout)
        if layout is None:
            self.refuse(
                f"from {extents(x.shape)} to {extents(shape)}, layout {x.layout}"
                " would move elements between PEs"
            )
        return result(self, shape, x, layout)


class Permute(Op, name="tile.permute"):
    """Dimensions in the order `dims`; splits move with them."""

    x: Value
    dims: tuple[int, ...]

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        shape = permuted(self, x.shape, self.dims)
        return result(self, shape, x, Layout(tuple(x.layout.splits[dim] for dim in self.dims)))


class Slice(Op, name="tile.slice"):
    """A slice of a dimension that is whole."""

    x: Value
    dim: int
    start: int
    stop: int
    step: int = 1

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        shape = sliced(self, x.shape, self.dim, self.start, self.stop, self.step)
        whole(self, x, self.dim, "x")
        return result(self, shape, x, x.layout)


class Concat(Op, name="tile.concat"):
    """Operands one after the other along `dim`, which is whole; all split alike otherwise."""

    parts: tuple[Value, ...]
    dim: int

    def result_type(self) -> TiledType:
        parts = [(f"part {i}", tiled(self, part, f"part {i}")) for i, part in enumerate(self.parts)]
        shape = concatenated(self, [part.shape for _, part in parts], self.dim)
        first = parts[0][1]
        same_region(self, parts)
        for role, part in parts:
            same_dtype(self, ("part 0", first.dtype), (role, part.dtype))
            whole(self, part, self.dim, role)
            self.require(
                part.layout == first.layout,
                f"{role} has layout {part.layout} and part 0 has {first.layout}",
            )
        return result(self, shape, first, first.layout)


class Expand(Op, name="tile.expand"):
    """NumPy `broadcast_to(x, shape)`; dimensions that grow are whole in the result."""

    x: Value
    shape: tuple[int, ...]

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        shape = expanded(self, x.shape, self.shape)
        front = len(shape) - x.rank
        for dim, extent in enumerate(x.shape):
            if extent != shape[front + dim]:
                whole(self, x, dim, "x")
        return result(self, shape, x, Layout((None,) * front + x.layout.splits))


class Pad(Op, name="tile.pad"):
    """Elements of `value` added around dimensions that are whole."""

    x: Value
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        representable(self, self.value, x.dtype)
        shape = padded(self, x.shape, self.before, self.after)
        for dim, (extent, old) in enumerate(zip(shape, x.shape, strict=True)):
            if extent != old:
                whole(self, x, dim, "x")
        return result(self, shape, x, x.layout)


class Shard(Op, name="tile.shard"):
    """Each PE keeps its block of the whole dimension `dim`: it becomes split along `axis`.

    The axis splits nothing and is not partial before. Lanes beyond the extent become zero.
    """

    x: Value
    dim: int
    axis: Axis
    block: int

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        dimension(self, self.dim, x.shape)
        whole(self, x, self.dim, "x")
        splits = list(x.layout.splits)
        splits[self.dim] = Split(self.axis, self.block)
        return result(self, x.shape, x, Layout(tuple(splits)))
