"""A reshape's layout is right when every PE keeps the elements that it holds, in their order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.ir.strategies_graph import shapes
from tests.ir.values import layout

from waferc_ir.ops.layouts import layout_problem, reshape_layout
from waferc_ir.types import AXES, Layout, Split

PES = 4


def _tiles(whole: NDArray[np.int64], where: Layout) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Tile of every PE (x, y) in row-major order; padding is -1."""
    tiles: dict[tuple[int, int], NDArray[np.int64]] = {}
    for x in range(PES):
        for y in range(PES):
            tile = whole
            for dim, split in enumerate(where.splits):
                if split is None:
                    continue
                start = (x if split.axis == "x" else y) * split.block
                indices = np.arange(start, start + split.block)
                inside = indices < whole.shape[dim]
                tile = np.take(tile, np.where(inside, indices, 0), axis=dim)
                shape = [-1 if i == dim else 1 for i in range(whole.ndim)]
                tile = np.where(inside.reshape(shape), tile, -1)
            tiles[x, y] = tile.ravel()
    return tiles


@st.composite
def _layouts(draw: st.DrawFn, shape: tuple[int, ...]) -> Layout:
    splits: list[Split | None] = [None] * len(shape)
    for axis in AXES:
        free = [dim for dim, split in enumerate(splits) if split is None]
        if free and draw(st.booleans()):
            dim = draw(st.sampled_from(free))
            splits[dim] = Split(axis, -(-shape[dim] // PES) + draw(st.integers(0, 2)))
    return Layout(tuple(splits))


@st.composite
def _factored(draw: st.DrawFn, elements: int) -> tuple[int, ...]:
    factors: list[int] = []
    while elements > 1:
        factor = draw(st.sampled_from([n for n in range(1, elements + 1) if elements % n == 0]))
        factors.append(factor)
        elements //= factor
    return tuple(factors)


@given(shapes(max_extent=8), st.data())
def test_a_reshape_with_a_layout_moves_nothing(shape: tuple[int, ...], data: st.DataObject) -> None:
    new_shape = data.draw(_factored(math.prod(shape)))
    old = data.draw(_layouts(shape))
    new = reshape_layout(shape, new_shape, old)
    if new is None:
        return
    assert layout_problem(new_shape, new) is None
    whole = np.arange(math.prod(shape)).reshape(shape)
    before, after = _tiles(whole, old), _tiles(whole.reshape(new_shape), new)
    for pe, tile in before.items():
        np.testing.assert_array_equal(tile, after[pe])


@pytest.mark.parametrize(
    ("shape", "old", "new_shape", "new"),
    [
        ((4, 16), "[x/1, *]", (64,), "[x/16]"),
        ((64,), "[x/32]", (4, 16), "[x/2, *]"),
        ((64,), "[x/24]", (4, 16), None),
        ((4, 16), "[*, x/4]", (64,), None),
        ((4, 16), "[*, x/4]", (2, 2, 16), "[*, *, x/4]"),
        ((4, 16), "[y/2, x/8]", (4, 4, 4), "[y/2, x/2, *]"),
        ((1, 64, 8), "[*, x/2, *]", (64, 8), "[x/2, *]"),
        ((64, 8), "[x/2, *]", (64, 1, 8, 1), "[x/2, *, *, *]"),
        ((6, 4), "[x/3, *]", (8, 3), "[x/4, *]"),
        ((1,), "[x/1]", (1,), "[x/1]"),
        ((1, 3), "[x/1, *]", (3,), None),
        ((4, 16), "[*, *] sum(x)", (64,), None),
        ((4, 4), "[*, *]", (5,), None),
        ((), "[]", (1, 1), "[*, *]"),
    ],
)
def test_layout_of_a_reshape(
    shape: tuple[int, ...], old: str, new_shape: tuple[int, ...], new: str | None
) -> None:
    expected = None if new is None else layout(new)
    assert reshape_layout(shape, new_shape, layout(old)) == expected
