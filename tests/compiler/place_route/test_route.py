from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.tile.strategies_graph import graphs, grids

from waferc.layouts.problem import TileError
from waferc.passes.place import Place
from waferc.passes.route import Route, RouteError
from waferc.passes.route_search import Wiring, corners_of
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2, Machine
from waferc_ir.ops import collective, stream, tile_compute, tile_structure
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program
from waferc_ir.types import Layout, Path, Region, Split, TiledType
from waferc_ir.verify import verify

PE = tuple[int, int]


def pes_of(path: Path) -> Iterator[PE]:
    """All PEs of a path, in order."""
    yield path.corners[0]
    for (x, y), (target_x, target_y) in pairwise(path.corners):
        while (x, y) != (target_x, target_y):
            x += (target_x > x) - (target_x < x)
            y += (target_y > y) - (target_y < y)
            yield x, y


def assert_sound(program: Program, machine: Machine) -> None:
    """Paths stay on the wafer, do not cross themselves, and own their color on every PE."""
    verify(program)
    owners: defaultdict[tuple[PE, int], set[Any]] = defaultdict(set)
    for region in program.regions:
        axes = {
            s.op.axis
            for s in program.statements
            if isinstance(s.op, collective.AllReduce | collective.AllGather)
            and isinstance(s.op.x.type, TiledType)
            and s.op.x.type.region == region.name
        }
        colors = [
            color
            for place, axis in enumerate(("x", "y"))
            for color in region.colors[3 * place : 3 * place + 3]
            if axis in axes
        ]
        for color in (*colors, *region.stream_colors):
            assert color not in machine.reserved_colors
            for i in range(region.width):
                for j in range(region.height):
                    owners[((region.x or 0) + i, (region.y or 0) + j), color].add(region.name)
    for path in program.paths:
        assert path.color not in machine.reserved_colors
        pes = list(pes_of(path))
        assert len(set(pes)) == len(pes)
        for x, y in pes:
            assert 0 <= x < machine.program_width
            assert 0 <= y < machine.program_height
            owners[(x, y), path.color].add(path.corners)
    shared = {place: found for place, found in owners.items() if len(found) > 1}
    assert not shared


@settings(max_examples=40)
@given(graphs(max_steps=8), grids, st.integers(2, 4), st.booleans())
def test_tiled_graphs_get_paths_that_share_no_color(
    drawn: Any, grid: PE, stages: int, narrow: bool
) -> None:
    program, _, weights = drawn
    machine = WSE2.grid(grid[0] * 2, grid[1] * 4) if narrow else WSE2
    unit = Unit(program, weights, machine)
    try:
        unit = Tile(*grid, stages=stages, beam=4, sweeps=0).run(unit)
    except TileError:
        return
    try:
        routed = Route().run(Place().run(unit))
    except RouteError:
        assert narrow  # a single column of PEs, or a corner, may have no way
        return
    assert_sound(routed.program, machine)
    again = Route().run(Place().run(unit))
    assert print_program(again.program) == print_program(routed.program)


def crossing(count: int) -> Program:
    """`count` regions of one PE that all send to one more, side by side."""
    regions = tuple(Region(f"r{n}", 1, 1, x=n, y=0) for n in range(count + 1))
    builder = Builder()
    parts = [
        builder.add(tile_structure.Input(f"x{n}", (2,), DType.F32, f"r{n}", Layout((None,))))
        for n in range(count)
    ]
    total = builder.add(stream.Transfer(parts[0], f"r{count}"))
    for part in parts[1:]:
        other = builder.add(stream.Transfer(part, f"r{count}"))
        total = builder.add(tile_compute.Binary(total, other, "add"))
    builder.effect(tile_structure.Output(total, "y"))
    return Program("tiled", "crossing", tuple(builder.statements), regions)


def test_streams_that_meet_get_colors_of_their_own() -> None:
    machine = WSE2.grid(5, 1)
    routed = Route().run(Unit(crossing(4), {}, machine)).program
    assert_sound(routed, machine)
    assert len({path.color for path in routed.paths}) == 4


def test_colors_that_run_out_are_refused_with_numbers() -> None:
    machine = replace(WSE2.grid(6, 1), colors=6, reserved_colors=(4, 5))
    with pytest.raises(RouteError) as caught:
        Route().run(Unit(crossing(3), {}, machine))
    assert str(caught.value) == (
        "error[route]: no color is left for stream 2, row 0, from PE (2, 0) to PE (3, 0)\n"
        "  = note: wse2 has 4 colors beside those of host input and output\n"
        "  = note: 2 of them are in use on the sending PE, 4 on the receiving PE\n"
        "  = help: use fewer stages, so that fewer streams cross one another"
    )


def test_streams_between_the_same_pes_share_a_path() -> None:
    layout = Layout((Split("y", 2), None))
    regions = (Region("a", 2, 2, x=0, y=0), Region("b", 2, 2, x=2, y=0))
    builder = Builder()
    x = builder.add(tile_structure.Input("x", (4, 3), DType.F32, "a", layout))
    y = builder.add(tile_compute.Unary(x, "relu"))
    for label, value in (("p", x), ("q", y)):
        sent = builder.add(stream.Transfer(value, "b"))
        builder.effect(tile_structure.Output(sent, label))
    program = Program("tiled", "two", tuple(builder.statements), regions)
    routed = Route().run(Unit(program, {}, WSE2)).program
    assert_sound(routed, WSE2)
    assert {(path.row, path.color, path.corners) for path in routed.paths} == {
        (0, 2, ((1, 0), (2, 0))),
        (1, 2, ((1, 1), (2, 1))),
    }
    assert [region.colors for region in routed.regions] == [(), ()]
    assert [region.stream_colors for region in routed.regions] == [(), (0, 1)]


@given(
    st.tuples(st.integers(0, 5), st.integers(0, 5)), st.tuples(st.integers(0, 5), st.integers(0, 5))
)
def test_a_path_goes_around_what_has_all_colors(source: PE, target: PE) -> None:
    wiring = Wiring(6, 6)
    wiring.occupy((2, 0), 1, 5, {0, 1})  # a wall with a gap in the last row
    on_wall = any(x == 2 and y < 5 for x, y in (source, target))
    found = wiring.connect(source, target, (0, 1))
    if on_wall:
        assert found is None
        return
    assert found is not None
    _, path = found
    assert path[0] == source
    assert path[-1] == target
    assert not any(x == 2 and y < 5 for x, y in path)
    assert all(abs(x - a) + abs(y - b) == 1 for (x, y), (a, b) in pairwise(path))
    same_side = (source[0] < 2) == (target[0] < 2) and 2 not in (source[0], target[0])
    if same_side:
        assert len(path) == abs(source[0] - target[0]) + abs(source[1] - target[1]) + 1


def test_corners_are_ends_and_turns() -> None:
    assert corners_of([(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]) == ((0, 0), (2, 0), (2, 2))
    assert corners_of([(0, 0), (1, 0)]) == ((0, 0), (1, 0))


def test_regions_without_a_place_are_refused() -> None:
    program = crossing(1)
    unplaced = replace(
        program, regions=tuple(replace(region, x=None, y=None) for region in program.regions)
    )
    with pytest.raises(RouteError, match="regions without a place: @r0, @r1"):
        Route().run(Unit(unplaced, {}, WSE2))
