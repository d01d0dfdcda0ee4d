"""Where the elements of a tensor are on the wafer: one exported array per PE of a region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from waferc_ir.dtypes import DType

Axis = Literal["x", "y"]
AXES: tuple[Axis, Axis] = ("y", "x")  # in the order of the dimensions of an array over PEs


@dataclass(frozen=True, slots=True)
class Rectangle:
    """PEs [x, x + width) by [y, y + height) of the program rectangle."""

    x: int
    y: int
    width: int
    height: int

    def extent(self, axis: Axis) -> int:
        """Number of PEs along `axis`."""
        return self.width if axis == "x" else self.height


@dataclass(frozen=True, slots=True)
class Split:
    """A dimension cut into blocks of `block` elements along `axis`: block i on PE `first` + i."""

    axis: Axis
    block: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """A whole tensor of `shape` in the arrays `symbol` of the PEs of `region`.

    For each dimension a `Split`, or None when every PE holds the whole dimension. An axis that
    splits no dimension holds replicas.
    """

    label: str
    symbol: str
    shape: tuple[int, ...]
    dtype: DType
    region: Rectangle
    splits: tuple[Split | None, ...]
    is_mutable: bool = False  # the program changes it
    spread: tuple[int, ...] = ()  # dimensions that lie in the order of `waferc_ir.spread`

    @property
    def local_shape(self) -> tuple[int, ...]:
        """Shape of each PE's tile, padding included."""
        return tuple(
            extent if split is None else split.block
            for extent, split in zip(self.shape, self.splits, strict=True)
        )

    @property
    def local_elements(self) -> int:
        """Elements of each PE's tile, padding included."""
        return math.prod(self.local_shape)

    def __str__(self) -> str:
        return f"{self.label}: {'x'.join([*map(str, self.shape), self.dtype.label])}"
