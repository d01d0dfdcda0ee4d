"""What a program may not do on the wafer: each error says what, where and since when."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, f32, truth, u16

from waferc_ir.diagnostics import Location
from waferc_ir.machine import WSE2
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, Scalar
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

PLACE = Location("pe.csl", 7, 3)


def launched(tile: Tile, book: RouteBook | None = None) -> str:
    """The text of the error that `main` ends with."""
    engine = VectorEngine(tile.elaborated(book or RouteBook(tile.width, tile.height)), WSE2)
    with pytest.raises(RunError) as caught:
        engine.launch("main")
    return str(caught.value)


def placed(operation: core.DsdOperation) -> core.DsdOperation:
    return core.DsdOperation(
        operation.op, operation.dest, operation.sources, operation.config, PLACE
    )


def test_a_dsd_beyond_its_array() -> None:
    tile = Tile(3, 2)
    array = tile.array("a", 8)
    offset = u16(np.where(tile.x == 2, 5, 0))
    dest = tile.memory(array, 4, 1, offset)
    tile.function("main", [placed(dsd("@fadds", dest, dest, f32(1.0)))])
    assert launched(tile) == (
        "error[run]: element 8 of a is accessed on PE (2, 0)\n"
        " --> pe.csl:7:3\n"
        "  = note: in main, at cycle 18\n"
        "  = note: a has 8 elements"
    )


def test_a_loop_finds_the_iteration_that_leaves_the_array() -> None:
    tile = Tile(1, 1)
    array = tile.array("a", 8)
    k = core.Local("k", Scalar.U16, 0)
    store = core.Store(tile.pointer(array, core.GetLocal(k)), f32(1.0), PLACE)
    loop = core.For(k, None, u16(0), u16(12), u16(1), [store])
    tile.function("main", [loop], [k])
    text = launched(tile)
    assert "element 8 of a is accessed on PE (0, 0)" in text
    assert "pe.csl:7:3" in text


def test_an_array_that_is_received_into_is_too_small() -> None:
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    array = tile.array("a", 4)
    send = dsd("@fmovs", tile.fabout(1, 2, 6), tile.memory(array, 6, 0))
    receive = dsd("@fmovs", tile.memory(array, 6), tile.fabin(1, 3, 6))
    tile.function("main", [core.If(truth(tile.x == 0), [send], [placed(receive)])])
    text = launched(tile, book)
    assert "element 5 of a is accessed on PE (1, 0)" in text
    assert "pe.csl:7:3" in text


def test_a_color_without_a_route() -> None:
    tile = Tile(2, 1)
    array = tile.array("a", 4)
    tile.function("main", [placed(dsd("@fmovs", tile.fabout(5, 2, 4), tile.memory(array)))])
    assert launched(tile) == (
        "error[run]: a wavelet of color 5 cannot go its way on PE (0, 0)\n"
        " --> pe.csl:7:3\n"
        "  = note: in main, at cycle 24\n"
        "  = note: at PE (0, 0) no route takes it from the ramp"
    )


def test_a_route_off_the_rectangle() -> None:
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(3, 0, 0, EAST, 1)
    book.routes[3].tx[0, 1] = EAST
    array = tile.array("a", 4)
    send = dsd("@fmovs", tile.fabout(3, 2, 4), tile.memory(array))
    tile.function("main", [core.If(truth(tile.x == 0), [send], [])])
    assert "at PE (1, 0) its route leads out of the rectangle" in launched(tile, book)


def test_division_of_integers_by_zero() -> None:
    tile = Tile(2, 1)
    value = core.Local("value", Scalar.U16, 0)
    quotient = core.BinaryExpr(Scalar.U16, "/", u16(7), u16(1 - tile.x))
    tile.function("main", [core.SetLocal(value, quotient, PLACE)], [value])
    assert "an integer is divided by zero on PE (1, 0)" in launched(tile)


def test_calls_that_never_end() -> None:
    tile = Tile(1, 1)
    main = tile.function("main", [])
    main.body.append(core.Evaluate(core.Call(main, ())))
    assert "calls of main are nested more than 1000 deep" in launched(tile)


def test_an_assertion() -> None:
    tile = Tile(2, 2)
    tile.function("main", [core.Assert(truth(tile.y == 0), PLACE)])
    assert "an assertion does not hold on PE (0, 1)" in launched(tile)


def test_two_operations_on_one_microthread() -> None:
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    array = tile.array("a", 40)
    receive = dsd("@fmovs", tile.memory(array), tile.fabin(1, 3, 40), is_async=True)
    tile.function("main", [core.If(truth(tile.x == 1), [receive, placed(receive)], [])])
    text = launched(tile, book)
    assert "@fmovs starts on microthread 3, which is still at work" in text


def test_two_pes_that_wait_for_each_other() -> None:
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    book.line(2, 1, 0, 2, 1)
    array = tile.array("a", 4)
    colors = np.where(tile.x == 1, 1, 2)
    receive = dsd("@fmovs", tile.memory(array), tile.fabin(colors, 3, 4))
    send = dsd("@fmovs", tile.fabout(3 - colors, 2, 4), tile.memory(array))
    tile.function("main", [placed(receive), send])
    assert launched(tile, book) == (
        "error[run]: the wafer is at rest, but 2 PEs still wait on color 1, 2, first PE (1, 0)\n"
        " --> pe.csl:7:3\n"
        "  = note: PE (1, 0) in main, since cycle 24: for color 1 (0 of 4 done),"
        " which PE (0, 0) sends, itself waiting in main\n"
        "  = note: PE (0, 0) in main, since cycle 24: for color 2 (0 of 4 done),"
        " which PE (1, 0) sends, itself waiting in main"
    )


def test_a_sender_that_nobody_listens_to() -> None:
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    array = tile.array("a", 60)
    tile.input_queues[3] = 1
    send = dsd("@fmovs", tile.fabout(1, 2, 60), tile.memory(array))
    tile.function("main", [core.If(truth(tile.x == 0), [send], [])])
    room = 6 + 4 + 2 * 2  # output queue 2, input queue 3, two routers
    text = launched(tile, book)
    assert f"to send color 1 ({room} of 60 done), until there is room on PE (1, 0)" in text


def test_unknown_symbols_name_the_known() -> None:
    tile = Tile(1, 1)
    tile.array("a", 4)
    tile.function("main", [])
    engine = VectorEngine(tile.elaborated(RouteBook(1, 1)), WSE2)
    with pytest.raises(RunError, match="it exports a, main"):
        engine.read("b", 0, 0, 1, 1, 4)
    with pytest.raises(RunError, match="exports no function a"):
        engine.launch("a")
    with pytest.raises(RunError, match="5 elements are copied at a, which has 4"):
        engine.write("a", 0, 0, np.zeros((1, 1, 5), np.float32))
    with pytest.raises(RunError, match="but the program has 1 x 1"):
        engine.read("a", 0, 0, 2, 1, 4)
