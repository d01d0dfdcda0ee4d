"""Programs with FIFOs: a row of three PEs, of which the middle one puts what it gets into a FIFO.

The first PE sends, the last receives, both with pauses. The middle one pushes and pops, from the
fabric on microthreads or from memory at once, in an order that is drawn. Programs that come to
rest with PEs that wait are among them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, truth, u16
from tests.runtime.agreement.samples import Sample

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, Scalar

ELEMENTS = 48
ARRAYS = {"data": ELEMENTS, "got": ELEMENTS, "told": 8}
_FROM, _TO = 3, 4  # queues, and microthreads
_POPPED, _PUSHED = 12, 13  # tasks that FIFOs activate


@st.composite
def fifo_programs(draw: st.DrawFn) -> Sample:
    """A program with one FIFO of 16-bit or 32-bit elements."""
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    kind, move = draw(st.sampled_from([(Scalar.U16, "@mov16"), (Scalar.U32, "@mov32")]))
    tile = Tile(3, 1)
    data = tile.array("data", ELEMENTS, np.arange(1, ELEMENTS + 1), kind)
    got = tile.array("got", ELEMENTS, None, kind)
    told = tile.array("told", 8, None, Scalar.U16)
    room = tile.array("room", draw(st.integers(1, 9)), None, kind)
    fifo = core.Fifo(
        "fifo",
        room,
        draw(st.sampled_from([None, _POPPED])),
        draw(st.sampled_from([None, _PUSHED])),
    )
    book = RouteBook(3, 1)
    book.line(4, 0, 0, EAST, 1)
    book.line(5, 1, 0, EAST, 1)
    k, fits = core.Local("k", Scalar.U16, 0), core.Local("fits", Scalar.BOOL, 1)
    pushed = draw(st.integers(1, 30))
    popped = draw(st.sampled_from([pushed, pushed, pushed - 1, pushed + 3]))
    middle: list[core.Stmt] = []
    tile.input_queues[_FROM] = np.where(tile.x == 2, 5, 4)
    tile.output_queues[_TO] = np.where(tile.x == 0, 4, 5)
    out = tile.fabout(np.where(tile.x == 0, 4, 5), _TO, 1)
    into = tile.fabin(np.where(tile.x == 2, 5, 4), _FROM, 1)
    value = core.FifoValue(fifo)

    def memory(item: core.MemoryObject, count: int, first: int = 0) -> core.MakeMemDsd:
        return tile.memory(item, count, offset=first)

    def stream(way: core.MakeFabDsd, count: int) -> core.MakeFabDsd:
        return core.MakeFabDsd(way.type, way.queue, way.color, u16(count))

    def pause(cycles: int) -> core.Stmt:
        note = core.Store(tile.pointer(told, 7), core.GetLocal(k))
        return core.For(k, None, u16(0), u16(cycles), u16(1), [note])

    pushes = draw(st.sampled_from([["push"], ["push"], ["push from memory"] * 3]))
    pops = draw(st.sampled_from([["pop"], ["pop"], ["pop to memory"] * 3]))
    others = draw(st.lists(st.sampled_from(["length", "pause", "pause"]), max_size=4))
    ways = draw(st.permutations([*pushes, *pops, *others]))
    for way in ways:
        count = draw(st.integers(1, 12))
        match way:
            case "push":
                source = stream(into, pushed)
                middle.append(dsd(move, value, source, is_async=True, microthread=_FROM))
            case "pop":
                dest = stream(out, popped)
                operation = dsd(move, dest, value, is_async=True, microthread=_TO)
                if kind is Scalar.U16 and draw(st.booleans()):
                    one = core.Const(Scalar.U16, 100)
                    operation = dsd("@add16", dest, value, one, is_async=True, microthread=_TO)
                middle.append(operation)
            case "push from memory":
                operation = dsd(move, value, memory(data, count, draw(st.integers(0, 20))))
                middle += _with_result(operation, fits, tile.pointer(told, 2))
            case "pop to memory":
                operation = dsd(move, memory(got, count, draw(st.integers(0, 20))), value)
                middle += _with_result(operation, fits, tile.pointer(told, 3))
            case "length":
                side = draw(st.sampled_from(["read", "write"]))
                length = u16(draw(st.integers(0, 6)))
                middle.append(
                    core.SetFifoLength(fifo, "read" if side == "read" else "write", length)
                )
            case _:
                middle.append(pause(draw(st.integers(1, 12))))
    first = draw(_ends(pause, pushed, lambda n, at: dsd(move, stream(out, n), memory(data, n, at))))
    last = draw(_ends(pause, popped, lambda n, at: dsd(move, memory(got, n, at), stream(into, n))))
    if "push" not in pushes:
        first = []
    if "pop" not in pops:
        last = []
    rest = core.If(truth(tile.x == 1), middle, last)
    tile.function("main", [core.If(truth(tile.x == 0), first, [rest])], [k, fits])
    for number, place in ((_POPPED, 0), (_PUSHED, 1)):
        count_one = core.BinaryExpr(
            Scalar.U16, "+", core.Load(Scalar.U16, tile.pointer(told, place)), u16(1)
        )
        tile.task(number, f"told{place}", [core.Store(tile.pointer(told, place), count_one)])
    program = tile.elaborated(book, arch)
    program.classes[0].fifos.append(fifo)
    return Sample(program, ARRAYS)


def _with_result(
    operation: core.DsdOperation, fits: core.Local, place: core.Expr
) -> list[core.Stmt]:
    """The operation, and whether it came to its end noted."""
    named = core.DsdOperation(
        operation.op, operation.dest, operation.sources, operation.config, None, fits
    )
    return [named, core.If(core.GetLocal(fits), [core.Store(place, u16(1))], [])]


@st.composite
def _ends(
    draw: st.DrawFn,
    pause: Callable[[int], core.Stmt],
    total: int,
    part: Callable[[int, int], core.Stmt],
) -> list[core.Stmt]:
    """Send or receive so many elements in parts, with pauses."""
    found: list[core.Stmt] = []
    done = 0
    while done < total:
        count = min(total - done, draw(st.integers(1, 30)))
        found.append(pause(draw(st.integers(0, 10))))
        found.append(part(count, done))
        done += count
    return found
