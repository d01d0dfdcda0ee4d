"""Programs on grids of PEs: messages on trees that turn and fork, switched or swapped on the way.

Up to three trees lie over each other, so that words of several colors meet on links and ramps.
What comes over a tree with switches, whose way is not known before, is written down by tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import OPPOSITE, STEP, Tile, dsd, u16
from tests.runtime.agreement.samples import Sample

from waferc_runtime.csl import core
from waferc_runtime.csl.core import RAMP, SWAP_X, SWAP_Y, PopMode, Scalar

ARRAYS = {"got": 120, "seen": 180, "count": 4}
_COLORS = (4, 8, 10)  # of the trees; a tree with swaps uses the next one, too
_MOST = 24  # words of a message
_ADVANCE = 1 << 22 | 1 << 24 | 31 << 16  # a control wavelet: advance, not for compute elements
_EAST_WEST = (1, 2)

Place = tuple[int, int]


@dataclass(eq=False)
class Tree:
    """The way of a color from its root: the parent's direction and the children's of each PE."""

    color: int
    root: Place
    kind: str  # static, switched or swapped
    words: int
    rx: dict[Place, int] = field(default_factory=lambda: {})
    tx: dict[Place, int] = field(default_factory=lambda: {})
    taken_as: dict[Place, int] = field(default_factory=lambda: {})  # the color at each PE


@st.composite
def grid_programs(draw: st.DrawFn) -> Sample:
    """Up to 3 x 3 PEs."""
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    width, height = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    trees = [draw(_trees(color, width, height)) for color in _COLORS[: draw(st.integers(1, 3))]]
    routes: dict[int, core.Routes] = {}
    for tree in trees:
        draw(_lay(tree, routes, width, height))
    classes = [draw(_pe(arch, (x, y), trees, routes)) for y in range(height) for x in range(width)]
    program = core.Elaborated(
        "wse3" if arch == "wse3" else "wse2", width, height, classes, routes, {}
    )
    return Sample(program, ARRAYS)


@st.composite
def _trees(draw: st.DrawFn, color: int, width: int, height: int) -> Tree:
    root = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    kind = draw(st.sampled_from(["static", "static", "static", "switched", "swapped"]))
    tree = Tree(color, root, kind, draw(st.integers(1, _MOST)))
    tree.rx[root], tree.tx[root], tree.taken_as[root] = RAMP, 0, color
    forks = draw(st.booleans())
    last = root
    for _ in range(draw(st.integers(1, width * height))):
        ways = [
            (place, direction, (place[0] + dx, place[1] + dy))
            for place in tree.rx
            for direction, (dx, dy) in STEP.items()
            if 0 <= place[0] + dx < width and 0 <= place[1] + dy < height
            and (place[0] + dx, place[1] + dy) not in tree.rx
            and (forks or place == last)
        ]  # fmt: skip
        if not ways:
            break
        place, direction, there = draw(st.sampled_from(ways))
        last = there
        tree.tx[place] |= direction
        tree.rx[there], tree.tx[there] = OPPOSITE[direction], 0
        swaps = kind == "swapped" and draw(st.booleans())
        tree.taken_as[there] = tree.taken_as[place] ^ swaps
    for place, children in tree.tx.items():
        if not children or (forks and draw(st.integers(0, 2)) == 0):
            tree.tx[place] |= RAMP
    return tree


@st.composite
def _lay(
    draw: st.DrawFn, tree: Tree, routes: dict[int, core.Routes], width: int, height: int
) -> None:
    """Enter a tree into the routes."""
    shape = height, width
    for color in {*tree.taken_as.values(), *([tree.color ^ 1] if tree.kind == "swapped" else [])}:
        rx, tx = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        swap = np.zeros(shape, np.uint8) if tree.kind == "swapped" else None
        routes[color] = core.Routes(rx, tx, swap=swap)
    for (x, y), color in tree.taken_as.items():
        here = routes[color]
        here.rx[y, x], here.tx[y, x] = tree.rx[x, y], tree.tx[x, y]
        if here.swap is not None and (x, y) != tree.root:
            came = tree.rx[x, y]
            dx, dy = STEP[came]
            if tree.taken_as[x + dx, y + dy] != color:
                here.swap[y, x] = SWAP_X if came in _EAST_WEST else SWAP_Y
    if tree.kind != "switched":
        return
    switches = core.Switches(
        np.zeros((3, *shape), np.uint8),
        np.zeros((3, *shape), np.uint8),
        np.ones(shape, np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.uint8),
    )
    for x, y in tree.rx:
        ways = [d for d in (*STEP, RAMP) if tree.tx[x, y] & d]
        for number in range(draw(st.sampled_from([0, 1, 2]))):
            chosen = draw(st.lists(st.sampled_from(ways), min_size=1, unique=True))
            switches.tx[number, y, x] = sum(chosen)
            switches.valid[y, x] |= 2 << number
        switches.ring[y, x] = draw(st.booleans())
        switches.pop[y, x] = draw(st.sampled_from(list(PopMode)))
    routes[tree.color] = replace(routes[tree.color], switches=switches)


@st.composite
def _pe(
    draw: st.DrawFn, arch: str, place: Place, trees: list[Tree], routes: dict[int, core.Routes]
) -> core.PEClass:
    """What one PE does: sends and receives in some order, at once or on microthreads."""
    tile = Tile(1, 1)
    tile.x[0], tile.y[0] = place
    got, seen, count = (tile.array(name, n, None, Scalar.U32) for name, n in ARRAYS.items())
    number = 100 * (3 * place[1] + place[0] + 1)
    out = tile.array("out", _MOST, np.arange(number, number + _MOST), Scalar.U32)
    k = core.Local("k", Scalar.U16, 0)
    body: list[core.Stmt] = []

    def pause(cycles: int) -> core.Stmt:
        last = tile.pointer(count, 3)
        note = core.Store(last, core.Load(Scalar.U32, last))
        return core.For(k, None, u16(0), u16(cycles), u16(1), [note])

    jobs: list[list[core.Stmt]] = []
    for index, tree in enumerate(trees):
        if tree.root == place:
            jobs.append(draw(_sends(tile, tree, 2 + index, out)))
        if place in tree.tx and tree.tx[place] & RAMP:
            queue = 7 - index
            color = tree.taken_as[place]
            if tree.kind == "switched" or draw(st.integers(0, 2)) == 0:
                tile.input_queues[queue] = color
                channel = color if arch == "wse2" else queue
                _written_down(tile, channel, tile.pointer(count, index), seen, 60 * index)
            else:
                jobs.append(draw(_receives(tile, tree, color, queue, got, 40 * index)))
    for job in draw(st.permutations(jobs)):
        if draw(st.booleans()):
            body.append(pause(draw(st.integers(1, 12))))
        body += job
    tile.function("main", body, [k])
    return tile.pe_class()


@st.composite
def _sends(
    draw: st.DrawFn, tile: Tile, tree: Tree, queue: int, out: core.MemoryObject
) -> list[core.Stmt]:
    """Send all words; with control wavelets in between where there are switches."""
    is_async = draw(st.booleans())
    way = tile.fabout(tree.color, queue, tree.words)
    if tree.kind != "switched":
        memory = tile.memory(out, tree.words)
        number = queue if is_async else None
        return [dsd("@mov32", way, memory, is_async=is_async, microthread=number)]
    body: list[core.Stmt] = []
    done = 0
    while done < tree.words:
        part = min(tree.words - done, draw(st.integers(1, 8)))
        body.append(dsd("@mov32", replace(way, extent=u16(part)), tile.memory(out, part, 1, done)))
        command = core.Const(Scalar.U32, _ADVANCE)
        body.append(dsd("@mov32", replace(way, extent=u16(1), control=True), command))
        done += part
    return body


@st.composite
def _receives(
    draw: st.DrawFn,
    tile: Tile,
    tree: Tree,
    color: int,
    queue: int,
    got: core.MemoryObject,
    first: int,
) -> list[core.Stmt]:
    is_async = draw(st.booleans())
    way = tile.fabin(color, queue, tree.words)
    memory = tile.memory(got, tree.words, 1, first)
    number = queue if is_async else None
    return [dsd("@mov32", memory, way, is_async=is_async, microthread=number)]


def _written_down(
    tile: Tile, channel: int, place: core.Expr, seen: core.MemoryObject, first: int
) -> None:
    """A data task that appends what comes; how many words there are stands at `place`."""
    taken = core.Convert(Scalar.U16, core.Load(Scalar.U32, place))
    index = core.BinaryExpr(Scalar.U16, "+", taken, u16(first))
    one = core.Const(Scalar.U32, 1)
    word = core.Local("word", Scalar.U32, 0)
    body: list[core.Stmt] = [
        core.Store(tile.pointer(seen, index), core.GetLocal(word)),
        core.Store(place, core.BinaryExpr(Scalar.U32, "+", core.Load(Scalar.U32, place), one)),
    ]
    task = core.Function(f"take{channel}", [word], [word], core.Void(), body)
    tile.functions.append(task)
    tile.tasks.append(core.TaskBinding("data", channel, task))
