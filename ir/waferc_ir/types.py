"""Types of values: tensors of the graph IR, and tensors spread over a region of PEs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from waferc_ir.dtypes import DType

Axis = Literal["x", "y"]
AXES: tuple[Axis, Axis] = ("x", "y")
ReduceFn = Literal["sum", "max", "min"]
RegionName = Annotated[str, "prints as a symbol: @r0"]


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor of the graph IR: static shape and element type. Prints `tensor<64x128xf32>`."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"tensor<{'x'.join([*map(str, self.shape), self.dtype.label])}>"


@dataclass(frozen=True, slots=True)
class Split:
    """One tensor dimension cut into blocks of `block` elements along a region axis.

    PE number `first` + i along the axis holds elements [i * block, (i + 1) * block). What lies
    beyond the tensor's extent is padding: present in every PE's local tile, no part of the tensor;
    so is all that PEs before `first` hold.
    """

    axis: Axis
    block: int
    first: int = 0

    def __str__(self) -> str:
        return f"{self.axis}/{self.block}" + (f"+{self.first}" if self.first else "")


@dataclass(frozen=True, slots=True)
class Partial:
    """The value is the reduction by `fn` of what the PEs along `axis` hold."""

    axis: Axis
    fn: ReduceFn

    def __str__(self) -> str:
        return f"{self.fn}({self.axis})"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the elements of a tensor are in a region.

    For each dimension a `Split`, or None when every PE along both axes sees the whole dimension.
    An axis that splits no dimension holds replicas, or partial values if listed in `partial`.
    """

    splits: tuple[Split | None, ...]
    partial: tuple[Partial, ...] = ()

    def split_of(self, axis: Axis) -> tuple[int, Split] | None:
        """The (dimension, split) that lies along `axis`, or None."""
        for dim, split in enumerate(self.splits):
            if split is not None and split.axis == axis:
                return dim, split
        return None

    def local_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the tile that each PE holds, padding included."""
        return tuple(
            extent if split is None else split.block
            for extent, split in zip(shape, self.splits, strict=True)
        )

    def __str__(self) -> str:
        dims = ", ".join("*" if split is None else str(split) for split in self.splits)
        return " ".join([f"[{dims}]", *map(str, self.partial)])


@dataclass(frozen=True, slots=True)
class Line:
    """How collectives run on `pes` PEs along an axis: from both ends to PE `root`, then back.

    With `group` 0 PEs hand on to their neighbour. Else, on each side, the PE next to the root and
    every `group`-th behind it are leaders: the PEs of a group hand on to its leader, and leaders
    to the next leader.
    """

    pes: int
    root: int
    group: int = 0

    @property
    def side(self) -> int:
        """PEs on the longer side of the root."""
        return max(self.root, self.pes - 1 - self.root)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of PEs that run one program. `x`, `y` is its north-west corner once placed.

    Coordinates are relative to the program rectangle: x counts eastward, y southward. `lines`, once
    routed, are root and group of the `Line` along x and along y; chains to the last PE if empty.
    `colors` are those of collectives along x, then as many for y: two of neighbours, two of leaders
    if a line has groups, one of the root; empty if the region has no collectives.
    `stream_colors` are the two on which it passes received streams on: eastward along x from the
    westernmost PE, southward along y from row 0; empty if it receives none.
    """

    name: str
    width: int
    height: int
    x: int | None = None
    y: int | None = None
    colors: tuple[int, ...] = ()
    stream_colors: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()

    def extent(self, axis: Axis) -> int:
        """Number of PEs along `axis`."""
        return self.width if axis == "x" else self.height

    def line(self, axis: Axis) -> Line:
        """How collectives run along `axis`."""
        pes = self.extent(axis)
        if not self.lines:
            return Line(pes, pes - 1)
        return Line(pes, *(self.lines[:2] if axis == "x" else self.lines[2:]))

    def axis_colors(self, axis: Axis) -> tuple[int, ...]:
        """The colors of collectives along `axis`."""
        half = len(self.colors) // 2
        return self.colors[:half] if axis == "x" else self.colors[half:]


@dataclass(frozen=True, slots=True)
class TiledType:
    """A tensor spread over a region. Prints `tiled<64x128xf32 @r0 [*, x/16] sum(y)>`."""

    shape: tuple[int, ...]
    dtype: DType
    region: str
    layout: Layout

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def local_shape(self) -> tuple[int, ...]:
        """Shape of each PE's tile, padding included."""
        return self.layout.local_shape(self.shape)

    @property
    def local_elements(self) -> int:
        """Elements in each PE's tile, padding included."""
        return math.prod(self.local_shape)

    def blocks(self, axis: Axis) -> int:
        """How many PEs along an axis hold a part of what it splits; 1 if it splits nothing."""
        found = self.layout.split_of(axis)
        return 1 if found is None else -(-self.shape[found[0]] // found[1].block)

    def __str__(self) -> str:
        shape = "x".join([*map(str, self.shape), self.dtype.label])
        return f"tiled<{shape} @{self.region} {self.layout}>"


@dataclass(frozen=True, slots=True)
class Path:
    """The route of one row of a stream: from PE to PE through `corners`, on one color.

    `stream` counts the program's `stream.transfer` statements from 0, `row` the rows that send.
    Consecutive corners share a column or a row; the first is the sender, the last the receiver.
    """

    stream: int
    row: int
    color: int
    corners: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array in the SRAM of every PE of a region that holds some values in turn.

    `values` are numbers of values, in the order of the program's results.
    """

    name: str
    region: str
    dtype: DType
    elements: int
    values: tuple[int, ...]


Type = TensorType | TiledType
