"""Programs with `@map`: functions with and without effects, on memory, words and registers.

A row of three PEs: the first sends words, the middle one maps functions over what it gets, over its
arrays and over registers, and may send the results on to the last, which writes them down.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, f32, truth, u16
from tests.runtime.agreement.samples import Sample

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, Scalar

ELEMENTS = 40
ARRAYS = {"a": ELEMENTS, "b": ELEMENTS, "sums": 4}
_FROM, _TO = 3, 4  # queues


@st.composite
def map_programs(draw: st.DrawFn) -> Sample:
    """A program with one to three maps."""
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    tile = Tile(3, 1)
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=ELEMENTS)
    arrays = [tile.array(n, ELEMENTS, values.astype(np.float32)) for n in ("a", "b")]
    sums = tile.array("sums", 4)
    book = RouteBook(3, 1)
    book.line(4, 0, 0, EAST, 1)
    book.line(5, 1, 0, EAST, 1)
    into = tile.fabin(np.where(tile.x == 2, 5, 4), _FROM, 1)
    out = tile.fabout(np.where(tile.x == 0, 4, 5), _TO, 1)
    received, sent = 0, 0
    middle: list[core.Stmt] = []
    for number in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 8))
        takes, gives = draw(st.booleans()), draw(st.booleans())
        source = stream(into, count) if takes else draw(_memory(tile, arrays, count))
        function = draw(_functions(tile, sums, number))
        inputs: list[core.Expr] = [source]
        if len(function.parameters) == 2:
            second: core.Expr = f32(draw(st.sampled_from([0.5, 2.0])))
            if draw(st.booleans()):
                second = draw(_register(tile, arrays, count, middle))
            inputs.append(second)
        output: core.Expr | None = None
        if not isinstance(function.result, core.Void):
            output = stream(out, count) if gives else draw(_outputs(tile, arrays, sums, count))
            sent += count * gives
        received += count * takes
        middle.append(core.MapOperation(function, Scalar.F32, tuple(inputs), output))
    k = core.Local("k", Scalar.U16, 0)
    note = core.Store(tile.pointer(sums, 3), f32(1.0))
    pause = core.For(k, None, u16(0), u16(draw(st.integers(0, 9))), u16(1), [note])
    first: list[core.Stmt] = [pause]
    if received:
        first.append(dsd("@fmovs", stream(out, received), tile.memory(arrays[0], received)))
    last: list[core.Stmt] = [pause]
    if sent:
        last.append(dsd("@fmovs", tile.memory(arrays[1], sent), stream(into, sent)))
    rest = core.If(truth(tile.x == 1), middle, last)
    tile.function("main", [core.If(truth(tile.x == 0), first, [rest])], [k])
    return Sample(tile.elaborated(book, arch), ARRAYS)


def stream(way: core.MakeFabDsd, count: int) -> core.MakeFabDsd:
    """The fabric DSD with so many words."""
    return core.MakeFabDsd(way.type, way.queue, way.color, u16(count))


@st.composite
def _memory(
    draw: st.DrawFn, tile: Tile, arrays: list[core.MemoryObject], count: int
) -> core.MakeMemDsd:
    stride = draw(st.sampled_from([1, 1, 2, 0, -1]))
    offset = draw(st.integers(8, 20))
    more = draw(st.sampled_from([0, 0, 0, 2]))  # the shortest operand ends a map
    return tile.memory(draw(st.sampled_from(arrays)), count + more, stride, offset)


@st.composite
def _register(
    draw: st.DrawFn,
    tile: Tile,
    arrays: list[core.MemoryObject],
    count: int,
    body: list[core.Stmt],
) -> core.Expr:
    """A register that is loaded before."""
    register = core.Const(core.Dsr("src1"), draw(st.integers(0, 1)))
    memory = draw(_memory(tile, arrays, count))
    saves, single = draw(st.booleans()), draw(st.booleans())
    body.append(core.LoadDsr(register, memory, save_address=saves, single_step=single))
    return register


@st.composite
def _outputs(
    draw: st.DrawFn,
    tile: Tile,
    arrays: list[core.MemoryObject],
    sums: core.MemoryObject,
    count: int,
) -> core.Expr:
    if draw(st.integers(0, 3)) == 0:
        return tile.pointer(sums, 2)
    return draw(_memory(tile, arrays, count))


@st.composite
def _functions(draw: st.DrawFn, tile: Tile, sums: core.MemoryObject, number: int) -> core.Function:
    """A function of one or two numbers."""
    x, y = core.Local("x", Scalar.F32, 0), core.Local("y", Scalar.F32, 1)
    parameters = [x, y] if draw(st.booleans()) else [x]
    value: core.Expr = core.BinaryExpr(Scalar.F32, "*", core.GetLocal(x), f32(0.5))
    if len(parameters) == 2:
        made = [core.BinaryExpr(Scalar.F32, op, value, core.GetLocal(y)) for op in ("+", "-", "/")]
        value = draw(st.sampled_from(made))
    body: list[core.Stmt] = []
    place = tile.pointer(sums, draw(st.integers(0, 1)))
    match draw(st.sampled_from(["pure", "pure", "branch", "effect", "effect", "register"])):
        case "branch":
            is_positive = core.CompareExpr(">", core.GetLocal(x), f32(0.0))
            body.append(core.If(is_positive, [core.Return(core.GetLocal(x))], []))
        case "effect":
            total = core.BinaryExpr(Scalar.F32, "+", core.Load(Scalar.F32, place), value)
            body.append(core.Store(place, total))
            if draw(st.booleans()):
                is_large = core.CompareExpr(">", core.Load(Scalar.F32, place), f32(1.0))
                body.append(core.If(is_large, [core.Store(place, f32(0.0))], []))
        case "register":
            body.append(dsd("@fadds", place, core.Load(Scalar.F32, place), core.GetLocal(x)))
        case _:
            pass
    is_void = bool(body) and draw(st.integers(0, 2)) == 0
    if not is_void:
        body.append(core.Return(value))
    returns_nothing = is_void and not any(
        isinstance(s, core.If) and any(isinstance(t, core.Return) for t in s.then) for s in body
    )
    if is_void and not returns_nothing:
        body.append(core.Return(value))
    result = core.Void() if returns_nothing else Scalar.F32
    return core.Function(f"f{number}", parameters, list(parameters), result, body)
