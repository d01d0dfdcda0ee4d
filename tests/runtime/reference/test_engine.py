"""Values, tasks, microthreads, errors and the report on deadlocks."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.agreement.programs import (
    RouteBook,
    Tile,
    activate,
    dsd,
    f32,
    truth,
    u16,
)

from waferc_ir.diagnostics import Location
from waferc_ir.machine import MACHINES
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, WEST, Scalar
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError

WSE2 = MACHINES["wse2"]


def engine_of(tile: Tile, book: RouteBook | None = None, arch: str = "wse2") -> ReferenceEngine:
    routes = book or RouteBook(tile.width, tile.height)
    return ReferenceEngine(tile.elaborated(routes, arch), MACHINES[arch])


def load(tile: Tile, item: core.MemoryObject, index: core.Expr | int = 0) -> core.Load:
    return core.Load(item.element, tile.pointer(item, index))


def store(
    tile: Tile, item: core.MemoryObject, index: core.Expr | int, value: core.Expr
) -> core.Store:
    return core.Store(tile.pointer(item, index), value)


def add(kind: Scalar, lhs: core.Expr, rhs: core.Expr) -> core.BinaryExpr:
    return core.BinaryExpr(kind, "+", lhs, rhs)


def test_copies_go_in_and_out() -> None:
    tile = Tile(3, 2)
    tile.array("data", 4)
    engine = engine_of(tile)
    values = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    engine.write("data", 1, 0, values)
    assert (engine.read("data", 1, 0, 2, 2, 4) == values).all()
    assert (engine.read("data", 0, 0, 1, 2, 4) == 0).all()


def test_a_loop_over_positions_of_the_pe() -> None:
    tile = Tile(4, 1)
    sums = tile.array("sums", 1, kind=Scalar.U32)
    k = core.Local("k", Scalar.U32, 0)
    step = core.Const(Scalar.U32, 1)
    bound = core.Const(Scalar.U32, tile.x.astype(np.uint32))
    body: list[core.Stmt] = [
        store(tile, sums, 0, add(Scalar.U32, load(tile, sums), core.GetLocal(k)))
    ]
    loop = core.For(k, None, core.Const(Scalar.U32, 0), bound, step, body)
    tile.function("main", [loop], [k])
    engine = engine_of(tile)
    engine.launch("main")
    assert engine.read("sums", 0, 0, 4, 1, 1).reshape(-1).tolist() == [0, 0, 1, 3]
    # load, add and store, and the loop itself, three times on the last PE
    assert engine.statistics().cycles == 3 * (3 * WSE2.scalar_cycles + WSE2.loop_cycles)
    each = 3 * WSE2.scalar_cycles + WSE2.loop_cycles
    assert engine.statistics().busy_cycles[0].tolist() == [0, each, 2 * each, 3 * each]


def test_a_pointer_as_destination_folds() -> None:
    tile = Tile(1, 1)
    data = tile.array("data", 5, np.arange(1, 6, dtype=np.float32))
    total = tile.array("total", 1)
    tile.function("main", [dsd("@fadds", tile.pointer(total), f32(0.5), tile.memory(data))])
    engine = engine_of(tile)
    engine.launch("main")
    assert engine.read("total", 0, 0, 1, 1, 1) == 15.5
    assert engine.statistics().flops == 5


def test_a_destination_ahead_of_its_source_is_read_again() -> None:
    tile = Tile(1, 1)
    data = tile.array("data", 5, np.arange(1, 6, dtype=np.float32))
    ahead = tile.memory(data, 4, offset=1)
    tile.function("main", [dsd("@fadds", ahead, tile.memory(data, 4), ahead)])
    engine = engine_of(tile)
    engine.launch("main")
    assert engine.read("data", 0, 0, 1, 1, 5).reshape(-1).tolist() == [1, 3, 6, 10, 15]


def test_pointer_casts_see_the_same_words() -> None:
    tile = Tile(1, 1)
    data = tile.array("data", 1, 1.0)
    half = tile.array("half", 2, kind=Scalar.U16)
    cast = core.PointerCast(core.Pointer(Scalar.U16, True), tile.pointer(data))
    for index in range(2):
        moved = core.PointerAdd(core.Pointer(Scalar.U16, True), cast, u16(index))
        tile.functions.clear()
        tile.exports.pop("main", None)
        half_index = tile.pointer(half, index)
        tile.function("main", [core.Store(half_index, core.Load(Scalar.U16, moved))])
        engine = engine_of(tile)
        engine.launch("main")
        expected = [0x0000, 0x3F80][index]
        assert engine.read("half", 0, 0, 1, 1, 2)[0, 0, index] == expected


def test_map_applies_a_function_with_an_accumulator() -> None:
    tile = Tile(1, 1)
    data = tile.array("data", 4, np.arange(1, 5, dtype=np.float32))
    total = tile.array("total", 1)
    value = core.Local("value", Scalar.F32, 0)
    so_far = core.Local("so_far", core.Pointer(Scalar.F32, False), 1)
    body: list[core.Stmt] = [
        core.Return(
            add(Scalar.F32, core.GetLocal(value), core.Load(Scalar.F32, core.GetLocal(so_far)))
        )
    ]
    parameters = [value, so_far]
    function = core.Function("sum", parameters, parameters, Scalar.F32, body)
    pointer = tile.pointer(total)
    mapped = core.MapOperation(function, Scalar.F32, (tile.memory(data), pointer), pointer)
    tile.function("main", [mapped])
    engine = engine_of(tile)
    engine.launch("main")
    assert engine.read("total", 0, 0, 1, 1, 1) == 10


def test_tasks_run_by_activation_then_by_number() -> None:
    tile = Tile(1, 1)
    log = tile.array("log", 3, kind=Scalar.U16)
    place = tile.array("place", 1, kind=Scalar.U16)

    def write(number: int) -> list[core.Stmt]:
        return [
            store(tile, log, load(tile, place), u16(number)),
            store(tile, place, 0, add(Scalar.U16, load(tile, place), u16(1))),
        ]

    for number in (9, 10, 11):
        tile.task(number, f"task{number}", write(number))
    tile.blocked.add(9)
    unblock = core.TaskControl("unblock", core.Const(core.Handle.LOCAL_TASK, 9))
    tile.function("main", [activate(11), activate(10), activate(9), activate(10), unblock])
    engine = engine_of(tile)
    engine.launch("main")
    assert engine.read("log", 0, 0, 1, 1, 3).reshape(-1).tolist() == [11, 10, 9]


def test_data_tasks_run_once_per_word() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 6, np.arange(6, dtype=np.float32))
    total = tile.array("total", 1)
    book = RouteBook(2, 1)
    book.line(4, 0, 0, EAST, 1)
    send = dsd("@fmovs", tile.fabout(4, 2, 6), tile.memory(data))
    tile.data_task(
        4,
        "take",
        lambda word: [
            store(tile, total, 0, add(Scalar.F32, load(tile, total), core.GetLocal(word)))
        ],
    )
    tile.input_queues[2] = 4
    tile.function("main", [core.If(truth(tile.x == 0), [send], [])])
    engine = engine_of(tile, book)
    engine.launch("main")
    assert engine.read("total", 1, 0, 1, 1, 1) == 15


def test_asynchronous_operations_activate_a_task_when_they_end() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 30, np.arange(30, dtype=np.float32))
    busy = tile.array("busy", 100)
    total = tile.array("total", 1)
    book = RouteBook(2, 1)
    book.line(4, 0, 0, EAST, 1)
    send = dsd("@fmovs", tile.fabout(4, 2, 30), tile.memory(data), is_async=True)
    into = tile.memory(data)
    receive = dsd("@fmovs", into, tile.fabin(4, 3, 30), is_async=True, activate=9)
    tile.task(9, "join", [dsd("@fadds", tile.pointer(total), f32(0), tile.memory(data))])
    work = dsd("@fadds", tile.memory(busy), tile.memory(busy), f32(1))
    tile.function("main", [core.If(truth(tile.x == 0), [send, work], [receive, work])])
    engine = engine_of(tile, book)
    engine.write("data", 1, 0, np.zeros((1, 1, 30), np.float32))
    engine.launch("main")
    assert engine.read("total", 1, 0, 1, 1, 1) == 435


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_two_launches_follow_each_other(arch: str) -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 4)
    loop = [dsd("@fadds", tile.memory(data), tile.memory(data), f32(1))]
    tile.function("main", [core.If(truth(tile.x == 0), [*loop, *loop], loop)])  # type: ignore[list-item]
    engine = engine_of(tile, arch=arch)
    engine.launch("main")
    once = engine.statistics().cycles
    engine.launch("main")
    assert engine.statistics().cycles == 2 * once
    assert engine.statistics().wait_cycles[0].tolist() == [0, once]
    assert (engine.read("data", 0, 0, 2, 1, 4)[0, :, 0] == [4, 2]).all()


def test_a_deadlock_says_who_waits_for_whom() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 8)
    book = RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    book.line(2, 1, 0, WEST, 1)
    color_in = np.where(tile.x == 0, 2, 1)
    color_out = np.where(tile.x == 0, 1, 2)
    receive = core.DsdOperation(
        "@fmovs",
        tile.memory(data),
        (tile.fabin(color_in, 2, 8),),
        at=Location("pe.csl", 12, 5),
    )
    send = dsd("@fmovs", tile.fabout(color_out, 3, 8), tile.memory(data))
    tile.function("main", [receive, send])
    engine = engine_of(tile, book)
    with pytest.raises(RunError) as caught:
        engine.launch("main")
    assert caught.value.render() == (
        "error[run]: the wafer is at rest, but 2 PEs still wait on color 1, 2, first PE (0, 0)\n"
        " --> pe.csl:12:5\n"
        "  = note: PE (0, 0) in main, since cycle 24: for color 2 (0 of 8 done),"
        " which PE (1, 0) sends, itself waiting in main\n"
        "  = note: PE (1, 0) in main, since cycle 24: for color 1 (0 of 8 done),"
        " which PE (0, 0) sends, itself waiting in main"
    )


def test_a_sender_without_a_taker_says_so() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 100)
    book = RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    send = dsd("@fmovs", tile.fabout(1, 3, 100), tile.memory(data))
    receive = dsd("@fmovs", tile.memory(data, 20), tile.fabin(1, 3, 20))
    tile.function("main", [core.If(truth(tile.x == 0), [send], [receive])])
    with pytest.raises(RunError) as caught:
        engine_of(tile, book).launch("main")
    assert "1 PE still waits on color 1" in caught.value.message
    # 20 taken, 6 in the output queue, 4 in routers, 4 in the input queue
    assert (
        "to send color 1 (34 of 100 done), whose queue is full on PE (1, 0)"
        in (caught.value.notes[0])
    )


def test_errors_name_pe_place_and_cycle() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 4)
    far = tile.memory(data, 4, offset=u16(np.array([0, 2], np.uint16)))
    operation = core.DsdOperation("@fadds", far, (far, f32(1)), at=Location("pe.csl", 3, 1))
    tile.function("main", [operation])
    with pytest.raises(RunError) as caught:
        engine_of(tile).launch("main")
    assert caught.value.message == ("element 4 of data is accessed, which has 4 on PE (1, 0)")
    assert str(caught.value.at) == "pe.csl:3:1"


def test_a_word_without_a_route_is_an_error() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 4)
    tile.function("main", [dsd("@fmovs", tile.fabout(1, 3, 4), tile.memory(data))])
    with pytest.raises(RunError, match=r"color 1 cannot leave: no route takes it from the ramp"):
        engine_of(tile).launch("main")


def test_integer_division_by_zero_is_an_error() -> None:
    tile = Tile(1, 1)
    data = tile.array("data", 1, kind=Scalar.U16)
    quotient = core.BinaryExpr(Scalar.U16, "/", u16(1), load(tile, data))
    tile.function("main", [store(tile, data, 0, quotient)])
    with pytest.raises(RunError, match="divided by zero on PE"):
        engine_of(tile).launch("main")


def test_calls_without_end_are_an_error() -> None:
    tile = Tile(1, 1)
    main = tile.function("main", [])
    main.body.append(core.Evaluate(core.Call(main, ())))
    with pytest.raises(RunError, match="nested more than"):
        engine_of(tile).launch("main")


def test_two_operations_on_one_microthread_are_an_error() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 4)
    book = RouteBook(2, 1)
    book.line(1, 0, 0, EAST, 1)
    receive = dsd("@fmovs", tile.memory(data), tile.fabin(1, 3, 4), is_async=True)
    tile.function("main", [receive, receive])
    with pytest.raises(RunError, match="microthread 3, which is still at work"):
        engine_of(tile, book).launch("main")


@pytest.mark.parametrize("symbol", ["nothing", "main"])
def test_copies_of_what_is_no_data_are_refused(symbol: str) -> None:
    tile = Tile(1, 1)
    tile.function("main", [])
    with pytest.raises(RunError):
        engine_of(tile).read(symbol, 0, 0, 1, 1, 1)
