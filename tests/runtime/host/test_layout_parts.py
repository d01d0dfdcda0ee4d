from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_ir.machine import WSE3
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntRectangle, IntVector, rectangle
from waferc_runtime.host.layout.numbers import Colors
from waferc_runtime.host.layout.paths import Hop, find_path, step
from waferc_runtime.host.layout.region import CodeRegion
from waferc_runtime.host.layout.routing import (
    OPPOSITE,
    STEPS,
    Color,
    Edge,
    Route,
    RoutingPosition,
)

BOUNDS = rectangle(-3, -2, 9, 8)
places = st.builds(IntVector, st.integers(-3, 5), st.integers(-2, 5))
ways = st.sampled_from(list(STEPS))


@given(places, ways, places, ways, st.sets(places, max_size=25))
def test_a_way_is_connected_and_uses_free_routers_once(
    source: IntVector, leaving: Route, target: IntVector, entering: Route, taken: set[IntVector]
) -> None:
    if source == target:
        return
    hops = find_path(source, leaving, target, entering, BOUNDS, lambda p: None if p in taken else 1)
    if hops is None:
        return
    place, way = source, leaving
    for hop in hops:
        place = step(place, way)
        assert hop == Hop(place, OPPOSITE[way], hop.tx)
        way = hop.tx
    assert step(place, way) == target
    assert OPPOSITE[way] == entering
    between = [hop.place for hop in hops]
    assert len(set(between)) == len(between)
    assert not {*between} & {source, target, *taken}


@given(places, places)
def test_a_free_way_is_no_longer_than_its_ends_ask_for(
    source: IntVector, target: IntVector
) -> None:
    if target.x - source.x < 2:
        return
    wide = rectangle(-10, -10, 30, 30)
    hops = find_path(source, Route.EAST, target, Route.WEST, wide, lambda _: 1)
    assert hops is not None
    assert len(hops) == target.x - source.x + abs(source.y - target.y) - 1


colors = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), places, st.booleans()), min_size=1, max_size=30
)
joins = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=3)


@given(colors, joins)
def test_joined_colors_have_one_number_and_colors_that_meet_have_two(
    uses: list[tuple[str, IntVector, bool]], pairs: list[tuple[str, str]]
) -> None:
    known = Colors()
    for one, other in pairs:
        known.join(Color(one), Color(other))
    made = {name: Color(name) for name, _, _ in uses}
    for name, place, switched in uses:
        known.use(made[name], place, switched)
    numbers = known.assign(WSE3)
    for name, color in made.items():
        assert color.value == numbers[known.find(name)]
        assert color.value not in WSE3.reserved_colors
    for one, other in pairs:
        assert known.find(one) == known.find(other)
    for name, place, _ in uses:
        for other, elsewhere, _ in uses:
            if place == elsewhere and known.find(name) != known.find(other):
                assert made[name].value != made[other].value


def test_numbers_that_were_given_are_kept_or_refused() -> None:
    known = Colors()
    one, other, free = Color("one", 3), Color("other", 3), Color("free")
    known.use(one, IntVector(0, 0))
    known.use(other, IntVector(1, 0))
    known.use(free, IntVector(0, 0))
    assert known.assign(WSE3)["one"] == 3
    assert free.value != 3
    known.use(other, IntVector(0, 0))
    with pytest.raises(HostError, match=r"one and other are both 3 and meet on PE \(0, 0\)"):
        known.assign(WSE3)
    apart = Colors()
    apart.join(Color("one", 3), Color("two", 4))
    with pytest.raises(HostError, match="connected colors have different numbers"):
        apart.assign(WSE3)


def test_more_colors_on_a_pe_than_a_router_has_are_refused() -> None:
    known = Colors()
    for number in range(WSE3.colors + 1):
        known.use(Color(f"c{number}"), IntVector(0, 0))
    with pytest.raises(HostError, match="no color number is left"):
        known.assign(WSE3)


def test_a_region_refuses_what_is_not_its_own() -> None:
    region = CodeRegion("pe.csl", "region", 2, 3)
    color = region.color("c")
    assert color.get_global_name() == "region_c"
    receive = [RoutingPosition().set_output([Route.RAMP])]
    port = region.create_input_port(color, Edge.LEFT, receive, 4)
    assert port.places == (IntVector(0, 0), IntVector(0, 1), IntVector(0, 2))
    with pytest.raises(HostError, match="give it a prefix"):
        region.create_input_port(color, Edge.LEFT, receive, 4)
    with pytest.raises(HostError, match="its routes give inputs"):
        region.create_input_port(
            color, Edge.TOP, [RoutingPosition().set_input([Route.NORTH])], 4, "other_"
        )
    with pytest.raises(HostError, match="not inside the region region of 2 x 3 PEs"):
        region.set_param_range(IntRectangle(IntVector(0, 0), IntVector(3, 3)), "n", 1)
    with pytest.raises(HostError, match="is given 'x', no number or color"):
        region.set_param_all("n", "x")  # pyright: ignore[reportArgumentType]
    with pytest.raises(HostError, match="0 routing positions"):
        region.paint_all(color, [])
