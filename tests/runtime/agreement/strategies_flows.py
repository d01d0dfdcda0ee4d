"""Programs in which chains of PEs add up vectors, and pass over each other on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import Lanes, RouteBook, Tile, dsd, f32, truth, u16
from tests.runtime.agreement.samples import Sample

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, WEST


@dataclass(frozen=True)
class Flow:
    """`words` go from the first of `stops` to the last; all others add their own, and hand on."""

    stops: tuple[int, ...]
    words: int
    is_async: bool


@st.composite
def flows(draw: st.DrawFn, width: int) -> Flow:
    stops = [draw(st.integers(0, width - 2))]
    for _ in range(draw(st.integers(1, 4))):
        place = stops[-1] + draw(st.integers(1, 3))
        if place < width:
            stops.append(place)
    if len(stops) == 1:
        stops.append(width - 1)
    if draw(st.booleans()):
        stops = [width - 1 - stop for stop in stops]
    return Flow(tuple(stops), draw(st.integers(1, 60)), draw(st.booleans()))


@st.composite
def crossing_flows(draw: st.DrawFn) -> Sample:
    """Two or three flows along a row of PEs, which begin at different times."""
    width = draw(st.integers(3, 9))
    drawn = draw(st.lists(flows(width), min_size=2, max_size=3))
    delays = draw(st.lists(st.integers(0, 60), min_size=width, max_size=width))
    tile, book = Tile(width, 1), RouteBook(width, 1)
    waits = tile.array("scratch", 64)
    body: list[core.Stmt] = [
        dsd("@fmovs", tile.memory(waits, u16(np.array(delays, np.uint16))), f32(1.0))
    ]
    arrays: dict[str, int] = {}
    for number, flow in enumerate(drawn):
        name = f"sum{number}"
        arrays[name] = flow.words
        body += _statements(tile, book, number, flow, name)
    tile.function("main", body)
    return Sample(tile.elaborated(book, draw(st.sampled_from(["wse2", "wse3"]))), arrays)


def _statements(tile: Tile, book: RouteBook, number: int, flow: Flow, name: str) -> list[core.Stmt]:
    """What PEs do for a flow, whose colors alternate from stop to stop."""
    stage = np.full(tile.width, -1)
    stage[list(flow.stops)] = np.arange(len(flow.stops))
    colors = 2 * number
    for place, (here, there) in enumerate(zip(flow.stops, flow.stops[1:], strict=False)):
        way = EAST if there > here else WEST
        book.line(colors + place % 2, here, 0, way, abs(there - here))
    start = np.arange(flow.words, dtype=np.float32)[:, np.newaxis] + tile.x
    data = tile.memory(tile.array(name, flow.words, start.astype(np.float32)))
    into = tile.fabin(colors + (stage - 1) % 2, 2 + number, flow.words)
    out = tile.fabout(colors + stage % 2, 2 + number, flow.words)
    microthread = 2 + number if flow.is_async else None

    def step(where: Lanes, dest: core.Expr, *sources: core.Expr) -> core.Stmt:
        op = "@fadds" if len(sources) == 2 else "@fmovs"
        made = dsd(op, dest, *sources, is_async=flow.is_async, microthread=microthread)
        return core.If(truth(where), [made], [])

    last = len(flow.stops) - 1
    return [
        step(stage == 0, out, data),
        step((stage > 0) & (stage < last), out, data, into),
        step(stage == last, data, data, into),
    ]
