"""Programs on dynamic colors: rows of PEs with switches, filters and teardown, drawn at random.

Each PE runs a few sends of data and control wavelets. What comes to a PE is written down by data
and control tasks in the order in which it comes. Many of these programs come to rest with PEs that
still wait, and words that lie in routers: engines must agree on that too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import Tile, dsd, u16

from waferc_runtime.builtins import registers
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, RAMP, WEST, PopMode, Scalar

ARRAYS = {"seen": 200, "told": 60, "counts": 2, "took": 8}
ENTRIES = (40, 41, 31)  # the last starts no task
INPUT_QUEUES, OUTPUT_QUEUES = (3, 4), (3, 4)
COLORS = (4, 5)
_WORDS = 8


@dataclass(frozen=True, eq=False)
class Routed:
    """A drawn program."""

    program: core.Elaborated


@st.composite
def routed_programs(draw: st.DrawFn) -> Routed:
    """A row of 2 to 4 PEs on wse2 or wse3."""
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    width = draw(st.integers(2, 4))
    colors = COLORS[: draw(st.integers(1, 2))]
    routes = {color: draw(_routes(width)) for color in colors}
    classes = [draw(_pe(arch, place, width, colors)) for place in range(width)]
    program = core.Elaborated("wse3" if arch == "wse3" else "wse2", width, 1, classes, routes, {})
    return Routed(program)


@st.composite
def _routes(draw: st.DrawFn, width: int) -> core.Routes:
    shape = 1, width
    rx, tx = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    switches = core.Switches(
        np.zeros((3, *shape), np.uint8),
        np.zeros((3, *shape), np.uint8),
        np.ones(shape, np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.uint8),
    )
    teardown = np.zeros(shape, np.bool_)
    for place in range(width):
        here = 0, place
        rx[here], tx[here] = draw(_base(place, width))
        for number in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
            if draw(st.booleans()):
                switches.rx[number, 0, place] = draw(_inputs(place))
            else:
                switches.tx[number, 0, place] = draw(_outputs(place, width))
            switches.valid[here] |= 2 << number
        positions = [k for k in range(4) if switches.valid[here] >> k & 1]
        switches.position[here] = draw(st.sampled_from(positions))
        switches.ring[here] = draw(st.booleans())
        switches.pop[here] = draw(st.sampled_from(list(PopMode)))
        teardown[here] = draw(st.integers(0, 19)) == 0
    filters = draw(st.none() | _filters(width))
    return core.Routes(rx, tx, switches, filters, teardown)


def _base(place: int, width: int) -> st.SearchStrategy[tuple[int, int]]:
    if place == 0:
        return st.sampled_from([(RAMP, EAST), (RAMP, EAST | RAMP)])
    several = WEST | RAMP
    if place == width - 1:
        return st.sampled_from([(WEST, RAMP)] * 4 + [(several, RAMP)])
    return st.sampled_from(
        [(WEST, EAST), (WEST, RAMP), (RAMP, EAST)]
        + [(WEST, EAST | RAMP)] * 3
        + [(several, EAST), (several, EAST | RAMP)]
    )


def _rarely() -> st.SearchStrategy[bool]:
    return st.integers(0, 4).map(lambda number: number == 0)


def _inputs(place: int) -> st.SearchStrategy[int]:
    return st.sampled_from([RAMP] if place == 0 else [WEST, RAMP])


def _outputs(place: int, width: int) -> st.SearchStrategy[int]:
    return st.sampled_from([RAMP] if place == width - 1 else [EAST, RAMP, EAST | RAMP])


@st.composite
def _filters(draw: st.DrawFn, width: int) -> core.Filters:
    def numbers(low: int, high: int) -> np.ndarray:
        return np.array([[draw(st.integers(low, high)) for _ in range(width)]], np.int32)

    def flags() -> np.ndarray:
        return np.array([[draw(st.booleans()) for _ in range(width)]], np.bool_)

    kind = np.array([[draw(st.integers(0, 3)) for _ in range(width)]], np.uint8)
    return core.Filters(
        kind, flags(), flags(), flags(), numbers(0, 3), numbers(3, 6), numbers(-1, 5),
        numbers(0, 4), numbers(0, 2), numbers(1, 4),
    )  # fmt: skip


@st.composite
def _pe(
    draw: st.DrawFn, arch: str, place: int, width: int, colors: tuple[int, ...]
) -> core.PEClass:
    tile = Tile(1, 1)
    tile.x[0] = place
    seen, told, counts, took = (tile.array(n, c, None, Scalar.U32) for n, c in ARRAYS.items())
    words = np.array([(place + 1) << 8 | k | k % 4 << 16 for k in range(_WORDS)], np.uint32)
    out = tile.array("out", _WORDS, words, Scalar.U32)
    body: list[core.Stmt] = []
    payloads: list[int] = []
    for color, number in zip(colors, range(len(colors)), strict=False):
        queue = INPUT_QUEUES[number]
        tile.fabin(color, queue, 1)
        tile.data_task(color if arch == "wse2" else queue, f"take{color}", lambda word: [])
        binding = tile.tasks[-1]
        word = core.Local("word", Scalar.U32, 0)
        task = core.Function(f"take{color}", [word], [word], core.Void(), [
            *_note(tile, seen, counts, 0, core.GetLocal(word)),
            *_delay(tile, counts, draw(st.integers(0, 2)) * 4),
        ])  # fmt: skip
        tile.tasks[-1] = replace(binding, function=task)
    for entry in ENTRIES[:-1]:
        data = core.Local("data", Scalar.U16, 0)
        value = core.Convert(Scalar.U32, core.GetLocal(data))
        task = core.Function(
            f"told{entry}", [data], [data], core.Void(), _note(tile, told, counts, 1, value)
        )
        tile.tasks.append(core.TaskBinding("control", entry, task))
    least = 1 if place == 0 else 0
    for _ in range(draw(st.integers(least, 6))):
        number = draw(st.integers(0, len(colors) - 1))
        way = tile.fabout(colors[number], OUTPUT_QUEUES[number], 1)
        match draw(st.sampled_from(["data"] * 4 + ["control", "control", "delay", "receive"])):
            case "data":
                count = draw(st.integers(1, _WORDS))
                flips = draw(_rarely())
                way = replace(way, extent=u16(count), advance_switch=flips)
                body.append(dsd("@mov32", way, tile.memory(out, count)))
            case "control":
                payloads.append(draw(control_payloads()))
                value = core.Const(Scalar.U32, payloads[-1])
                body.append(dsd("@mov32", replace(way, control=True), value))
            case "receive":
                body.append(draw(_receive(tile, took, colors[number], INPUT_QUEUES[number])))
            case _:
                body += _delay(tile, counts, draw(st.integers(1, 30)))
    last = body[-1] if body else None
    if isinstance(last, core.DsdOperation) and draw(st.booleans()):
        body[-1] = replace(last, config=replace(last.config, is_async=True))
    tile.function("main", body)
    made = tile.pe_class()
    made.teardown_handlers = {
        color: core.Function(
            f"torn{color}", [], [], core.Void(),
            [
                *_note(tile, told, counts, 1, core.Const(Scalar.U32, 7000 + color)),
                *draw(_reconfiguration(place, width, color)),
            ],
        )
        for color in colors
    }  # fmt: skip
    return made


@st.composite
def _receive(
    draw: st.DrawFn, tile: Tile, took: core.MemoryObject, color: int, queue: int
) -> core.Stmt:
    """Take words by an operation, perhaps up to a control wavelet."""
    count = draw(st.integers(1, 5))
    way = tile.fabin(color, queue, count)
    operation = dsd("@mov32", tile.memory(took, count), way)
    if draw(st.booleans()):
        config = replace(operation.config, on_control=core.OnControl())
        operation = replace(operation, config=config)
    return operation


@st.composite
def _reconfiguration(draw: st.DrawFn, place: int, width: int, color: int) -> list[core.Stmt]:
    """Set routes and switches of a color that is torn down; the first ends that too."""
    rx, tx = draw(_base(place, width))
    pop = draw(st.sampled_from(list(PopMode)))
    routes = registers.encode_routes(registers.RouteBits(rx, tx, 0, int(pop), 0))
    position = registers.SwitchBits(0, draw(st.integers(0, 1)), (RAMP, 0, 0), (0, 0, 0), 3)
    writes = [(registers.ROUTES + color, routes)]
    if draw(st.booleans()):
        writes.insert(0, (registers.SWITCHES + color, registers.encode_switches(position)))
    return [core.SetConfig(u16(address), u16(int(value))) for address, value in writes]


@st.composite
def control_payloads(draw: st.DrawFn) -> int:
    """The bits of a control wavelet; most commands keep it from compute elements."""
    commands = [draw(st.sampled_from([0, 1, 1, 1, 2, 3])) for _ in range(8)]
    skips = [draw(st.integers(0, 3)) > 0 for _ in range(8)]
    codes = [code | is_kept << 2 for code, is_kept in zip(commands, skips, strict=True)]
    text = sum(code << 3 * place for place, code in enumerate(codes))
    entry = draw(st.sampled_from(ENTRIES))
    return (text & 0xFF) << 22 | (text >> 8) & 0xFFFF | entry << 16


def _note(
    tile: Tile,
    array: core.MemoryObject,
    counts: core.MemoryObject,
    which: int,
    value: core.Expr,
) -> list[core.Stmt]:
    """Append a value to an array."""
    count = tile.pointer(counts, which)
    index = core.Convert(Scalar.U16, core.Load(Scalar.U32, count))
    more = core.BinaryExpr(Scalar.U32, "+", core.Load(Scalar.U32, count), core.Const(Scalar.U32, 1))
    return [core.Store(tile.pointer(array, index), value), core.Store(count, more)]


def _delay(tile: Tile, counts: core.MemoryObject, stores: int) -> list[core.Stmt]:
    count = tile.pointer(counts, 0)
    return [core.Store(count, core.Load(Scalar.U32, count)) for _ in range(stores)]
