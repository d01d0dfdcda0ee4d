from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from tests.runtime.host.strategies_placement import placements

from waferc_ir.dtypes import DType
from waferc_runtime.host.placement import Placement, Rectangle, Split
from waferc_runtime.host.shards import gather, scatter


def numbered(placement: Placement) -> np.ndarray:
    """Distinct values from 1, so that padding is told apart."""
    count = int(np.prod(placement.shape, dtype=int))
    return np.arange(1, count + 1).reshape(placement.shape).astype(placement.dtype.numpy)


@given(placements())
def test_gather_undoes_scatter(placement: Placement) -> None:
    array = numbered(placement)
    back = gather(scatter(array, placement), placement)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(placements())
def test_every_lane_of_every_tile_is_the_element_that_the_layout_says(placement: Placement) -> None:
    array = numbered(placement)
    tiles = scatter(array, placement)
    region = placement.region
    assert tiles.shape == (region.height, region.width, placement.local_elements)
    for y, x in itertools.product(range(region.height), range(region.width)):
        tile = tiles[y, x].reshape(placement.local_shape)
        for index in np.ndindex(placement.local_shape):
            place = tuple(
                local if split is None else local + split.block * (x if split.axis == "x" else y)
                for local, split in zip(index, placement.splits, strict=True)
            )
            inside = all(p < n for p, n in zip(place, placement.shape, strict=True))
            assert tile[index] == (array[place] if inside else 0)


def test_a_padded_split_in_numbers() -> None:
    placement = Placement("w", "w", (3,), DType.F32, Rectangle(0, 0, 2, 1), (Split("x", 2),))
    tiles = scatter(np.array([1, 2, 3], np.float32), placement)
    np.testing.assert_array_equal(tiles, [[[1, 2], [3, 0]]])


def test_gather_reads_one_replica_only() -> None:
    placement = Placement("w", "w", (2,), DType.F32, Rectangle(0, 0, 2, 2), (Split("x", 1),))
    tiles = np.array([[[1], [2]], [[8], [9]]], np.float32)
    np.testing.assert_array_equal(gather(tiles, placement), [1, 2])


def test_an_array_of_another_shape_is_our_mistake() -> None:
    placement = Placement("w", "w", (2,), DType.F32, Rectangle(0, 0, 1, 1), (None,))
    with pytest.raises(AssertionError):
        scatter(np.zeros(3, np.float32), placement)
