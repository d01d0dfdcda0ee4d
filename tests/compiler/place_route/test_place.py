from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc.passes.place import Place, PlaceError
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2
from waferc_ir.ops import stream, tile_structure
from waferc_ir.program import Builder, Program
from waferc_ir.types import Layout, Region
from waferc_ir.verify import verify

sizes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=7)


def chain(extents: list[tuple[int, int]]) -> Program:
    """Regions of these sizes, a value that passes through them all."""
    regions = tuple(Region(f"r{n}", w, h) for n, (w, h) in enumerate(extents))
    builder = Builder()
    x = builder.add(tile_structure.Input("x", (4,), DType.F32, "r0", Layout((None,))))
    for region in regions[1:]:
        x = builder.add(stream.Transfer(x, region.name))
    builder.effect(tile_structure.Output(x, "y"))
    return Program("tiled", "chain", tuple(builder.statements), regions)


def place(program: Program, width: int, height: int) -> Program:
    return Place().run(Unit(program, {}, WSE2.grid(width, height))).program


@given(sizes, st.integers(6, 20), st.integers(6, 20))
def test_regions_lie_inside_and_apart_or_are_refused(
    extents: list[tuple[int, int]], width: int, height: int
) -> None:
    try:
        placed = place(chain(extents), width, height)
    except PlaceError:
        # a row of all regions would fit
        assert sum(w for w, _ in extents) > width or max(h for _, h in extents) > height
        return
    verify(placed)
    for region in placed.regions:
        assert region.x is not None
        assert region.y is not None
        assert 0 <= region.x <= width - region.width
        assert 0 <= region.y <= height - region.height
    cells: list[set[Any]] = [
        {((r.x or 0) + i, (r.y or 0) + j) for i in range(r.width) for j in range(r.height)}
        for r in placed.regions
    ]
    assert not any(first & second for first, second in combinations(cells, 2))


def test_a_chain_of_stages_lies_in_a_row() -> None:
    placed = place(chain([(4, 4)] * 3), 100, 100)
    assert [(r.x, r.y) for r in placed.regions] == [(0, 0), (4, 0), (8, 0)]


def test_a_chain_that_is_too_long_for_a_row_goes_on_close_by() -> None:
    placed = place(chain([(4, 4)] * 4), 8, 8)
    assert sorted((r.x, r.y) for r in placed.regions) == [(0, 0), (0, 4), (4, 0), (4, 4)]


def test_regions_that_do_not_fit_are_refused_with_numbers() -> None:
    with pytest.raises(PlaceError) as caught:
        place(chain([(5, 5), (5, 5)]), 8, 8)
    assert str(caught.value) == (
        "error[place]: 2 regions with 50 PEs do not fit side by side on wse2\n"
        "  = note: its program rectangle has 8 x 8 PEs, 64 in all\n"
        "  = note: regions: @r0 5 x 5, @r1 5 x 5\n"
        "  = help: ask for smaller regions or fewer stages"
    )
