"""Whole arrays to tiles before the host copies in; tiles to whole arrays after it copies out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.spread import spread_order
from waferc_runtime.host.placement import AXES, Axis, Placement

Array = NDArray[Any]


def scatter(array: Array, placement: Placement) -> Array:
    """The tiles of `array` as [height, width, local elements], row-major inside a tile.

    Lanes beyond the tensor's extent are zero; an axis that splits nothing gets replicas. The
    result may be a read-only view.
    """
    assert array.shape == placement.shape, f"{array.shape} is not {placement.shape}"
    for dim in placement.spread:
        array = np.take(array, np.array(spread_order(array.shape[dim])), axis=dim)
    region = placement.region
    padding = [
        (held.start, whole - held.stop)
        for whole, held in zip(_padded_shape(placement), _held(placement), strict=True)
    ]
    padded = np.pad(array, padding) if any(map(any, padding)) else array
    blocked_shape: list[int] = []
    position: dict[str, int] = {}
    local: list[int] = []
    for extent, split in zip(placement.shape, placement.splits, strict=True):
        if split is not None:
            position[split.axis] = len(blocked_shape)
            blocked_shape.append(region.extent(split.axis))
        local.append(len(blocked_shape))
        blocked_shape.append(extent if split is None else split.block)
    blocked = padded.reshape(blocked_shape)
    lead = [axis for axis in AXES if axis in position]
    moved = blocked.transpose([*(position[axis] for axis in lead), *local])
    grid = tuple(region.extent(axis) if axis in position else 1 for axis in AXES)
    tiles = moved.reshape(*grid, placement.local_elements)
    return np.broadcast_to(tiles, (region.height, region.width, placement.local_elements))


def gather(tiles: Array, placement: Placement) -> Array:
    """The whole array out of tiles [height, width, local elements]; padding is dropped.

    Where an axis holds replicas, those of its first PE are taken.
    """
    region = placement.region
    assert tiles.shape == (region.height, region.width, placement.local_elements)
    split_along = {split.axis for split in placement.splits if split is not None}
    picked = tiles[
        slice(None) if "y" in split_along else 0, slice(None) if "x" in split_along else 0
    ]
    lead: list[Axis] = [axis for axis in AXES if axis in split_along]
    grid = [region.extent(axis) for axis in lead]
    blocked = picked.reshape((*grid, *placement.local_shape))
    order: list[int] = []
    for dim, split in enumerate(placement.splits):
        if split is not None:
            order.append(lead.index(split.axis))
        order.append(len(lead) + dim)
    padded = blocked.transpose(order).reshape(_padded_shape(placement))
    array = padded[_held(placement)].copy()
    for dim in placement.spread:
        array = np.take(array, np.argsort(spread_order(array.shape[dim])), axis=dim)
    return array


def _padded_shape(placement: Placement) -> tuple[int, ...]:
    """The shape of the blocks of all PEs together."""
    region = placement.region
    return tuple(
        extent if split is None else split.block * region.extent(split.axis)
        for extent, split in zip(placement.shape, placement.splits, strict=True)
    )


def _held(placement: Placement) -> tuple[slice, ...]:
    """Where the tensor lies in the blocks of all PEs together."""
    starts = (0 if split is None else split.first * split.block for split in placement.splits)
    return tuple(
        slice(start, start + extent) for start, extent in zip(starts, placement.shape, strict=True)
    )
