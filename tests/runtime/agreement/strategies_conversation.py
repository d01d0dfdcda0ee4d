"""PEs in a row that send and receive in orders of their own: some go well, some never end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, f32, truth
from tests.runtime.agreement.strategies_core import ARRAYS, ELEMENTS, Drawn

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, WEST, Scalar


@dataclass(frozen=True)
class Channel:
    """A color from one PE of the row to another; PEs between pass it on, or take it too."""

    color: int
    source: int
    target: int


@st.composite
def channels(draw: st.DrawFn, count: int) -> list[Channel]:
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=3, unique=True))
    return [Channel(color, *pair) for color, pair in enumerate(chosen)]


@st.composite
def parts(draw: st.DrawFn, total: int) -> list[int]:
    """`total` cut into up to three parts."""
    cuts = sorted(draw(st.lists(st.integers(1, max(total - 1, 1)), max_size=2, unique=True)))
    edges = [0, *[cut for cut in cuts if cut < total], total]
    return [int(part) for part in np.diff(edges)]


@st.composite
def conversations(draw: st.DrawFn) -> Drawn:
    """Messages on up to three channels; both ends cut them and order them as they like."""
    count = draw(st.integers(2, 4))
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    tile = Tile(count, 1)
    arrays = [tile.array(name, ELEMENTS) for name in ARRAYS[:-1]]
    tile.array("half", ELEMENTS, kind=Scalar.F16)
    book = RouteBook(count, 1)
    work: list[list[tuple[Channel, bool, int]]] = [[] for _ in range(count)]
    for channel in draw(channels(count)):
        hops = channel.target - channel.source
        book.line(channel.color, channel.source, 0, EAST if hops > 0 else WEST, abs(hops))
        total = draw(st.integers(1, 60))
        lost = draw(st.sampled_from([0, 0, 0, 1, 25]))
        sent, received = total, total
        if draw(st.booleans()):
            sent = max(total - lost, 0)
        else:
            received = max(total - lost, 0)
        work[channel.source] += [(channel, False, int(n)) for n in draw(parts(sent)) if n]
        work[channel.target] += [(channel, True, int(n)) for n in draw(parts(received)) if n]
    main: list[core.Stmt] = []
    steps: list[str] = []
    for pe, items in enumerate(work):
        body: list[core.Stmt] = []
        for channel, is_input, extent in draw(st.permutations(items)):
            memory = tile.memory(arrays[0], extent, 0, draw(st.integers(0, ELEMENTS - 1)))
            into, out = 7 - channel.color, 2 + channel.color
            if is_input:
                stream = tile.fabin(channel.color, into, extent)
                body.append(dsd("@fadds", tile.pointer(arrays[1]), f32(0.5), stream))
            else:
                body.append(dsd("@fmovs", tile.fabout(channel.color, out, extent), memory))
            verb = "takes" if is_input else "sends"
            steps.append(f"PE {pe} {verb} {extent} of {channel.source}-{channel.target}")
            if draw(st.integers(0, 3)) == 0:
                body.append(dsd("@fadds", tile.memory(arrays[2]), tile.memory(arrays[2]), f32(1)))
                steps.append(f"PE {pe} works")
        main.append(core.If(truth(tile.x == pe), body, []))
    tile.function("main", main)
    seed = draw(st.integers(0, 2**16))
    shape = len(ARRAYS), 1, count, ELEMENTS
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Drawn(tile.elaborated(book, arch), values, tuple(steps))
