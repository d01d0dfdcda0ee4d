"""How a tensor comes from one layout to another inside a region, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from waferc.layouts.code_size import ALL_GATHER_BYTES, SHARD_BYTES
from waferc.layouts.cost import CostModel
from waferc_ir.dtypes import DType
from waferc_ir.types import AXES, Axis, Layout, Split

NEVER = 1 << 40  # more cycles than any program takes

Shape = tuple[int, ...]
Splits = tuple[Split | None, ...]


@dataclass(frozen=True, slots=True)
class Gather:
    """An all-gather of what is split along `axis`."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Cut:
    """A `tile.shard` of dimension `dim`, which is whole."""

    dim: int
    split: Split


@dataclass(frozen=True, slots=True)
class Relayout:
    """Steps from one layout to another, their cycles, and the SRAM for tiles and code."""

    steps: tuple[Gather | Cut, ...]
    cycles: int
    tile_bytes: int
    code_bytes: int


class Relayouts:
    """The cheapest orders of all-gathers and shards between layouts that are not partial.

    An axis whose split differs is gathered, then cut anew. Cuts come as early as they can, so
    that later gathers move small tiles. Between blocks that do not begin at PE 0 and others there
    is no way.
    """

    def __init__(self, cost: CostModel) -> None:
        self.cost = cost
        self._known: dict[tuple[Shape, DType, Splits, Splits], Relayout] = {}

    def find(self, shape: Shape, dtype: DType, source: Layout, target: Layout) -> Relayout:
        """The steps from `source` to `target` for a tensor of `shape`."""
        return self._find(shape, dtype, source.splits, target.splits)

    def _find(self, shape: Shape, dtype: DType, splits: Splits, target: Splits) -> Relayout:
        key = (shape, dtype, splits, target)
        if key not in self._known:
            self._known[key] = self._search(shape, dtype, splits, target)
        return self._known[key]

    def _search(self, shape: Shape, dtype: DType, splits: Splits, target: Splits) -> Relayout:
        if splits == target:
            return Relayout((), 0, 0, 0)
        if any(split is not None and split.first for split in (*splits, *target)):
            return Relayout((), NEVER, 0, 0)
        for dim, wanted in enumerate(target):
            if wanted is None or splits[dim] is not None:
                continue
            if _dim_of(splits, wanted.axis) is None:
                after = (*splits[:dim], wanted, *splits[dim + 1 :])
                elements = _local_elements(shape, after)
                rest = self._find(shape, dtype, after, target)
                return Relayout(
                    (Cut(dim, wanted), *rest.steps),
                    rest.cycles + self.cost.shard(elements, dtype),
                    rest.tile_bytes + elements * dtype.size_bytes,
                    rest.code_bytes + SHARD_BYTES,
                )
        options: list[Relayout] = []
        for axis in AXES:
            dim = _dim_of(splits, axis)
            split = None if dim is None else splits[dim]
            if dim is not None and split is not None and split != target[dim]:
                after = (*splits[:dim], None, *splits[dim + 1 :])
                rest = self._find(shape, dtype, after, target)
                whole = _local_elements(shape, after)
                blocks = -(-shape[dim] // split.block)
                options.append(
                    Relayout(
                        (Gather(axis), *rest.steps),
                        rest.cycles + self.cost.all_gather(whole, blocks, axis, dtype),
                        rest.tile_bytes + whole * dtype.size_bytes,
                        rest.code_bytes + ALL_GATHER_BYTES,
                    )
                )
        return min(options, key=lambda option: option.cycles)


def _dim_of(splits: Splits, axis: Axis) -> int | None:
    for dim, split in enumerate(splits):
        if split is not None and split.axis == axis:
            return dim
    return None


def _local_elements(shape: Shape, splits: Splits) -> int:
    return math.prod(Layout(splits).local_shape(shape))
