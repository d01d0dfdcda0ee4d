"""The engine as the host sees it: start, launches in order, streaming colors, variables by name."""

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
    unblock_commands,
)

from waferc_ir.machine import WSE2
from waferc_runtime.choices import Choices, TaskOrder
from waferc_runtime.csl import core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.observer import Event, Observer, OperationEvent, TaskEvent
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

IN, OUT = 5, 6


def streamed(tile: Tile) -> core.Elaborated:
    program = tile.elaborated(RouteBook(tile.width, tile.height))
    program.host_inputs = frozenset({IN})
    program.host_outputs = frozenset({OUT})
    return program


def store(tile: Tile, array: core.MemoryObject, value: float, index: int = 0) -> core.Store:
    return core.Store(tile.pointer(array, index), f32(value))


def words(values: object) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return np.asarray(values, np.float32).view(np.uint32)


def adder(extent: int = 4) -> Tile:
    """Adds one to a stream of the host on its way back, from the start on."""
    tile = Tile(2, 1)
    one = tile.array("one", 1, 1.0)
    add = dsd(
        "@fadds",
        tile.fabout(OUT, 3, extent),
        tile.fabin(IN, 2, extent),
        tile.memory(one, extent, stride=0),
        is_async=True,
    )
    tile.task(9, "begin", [add])
    tile.activated.add(9)
    return tile


def test_tasks_that_are_active_from_the_beginning_run_at_the_start() -> None:
    tile = Tile(2, 1)
    array = tile.array("a", 1)
    tile.task(9, "begin", [store(tile, array, 3.0)])
    tile.activated.add(9)
    engine = VectorEngine(tile.elaborated(RouteBook(2, 1)), WSE2)
    engine.start()
    engine.write("a", 0, 0, np.full((1, 1, 1), 5.0, np.float32))
    engine.start()
    assert engine.read("a", 0, 0, 2, 1, 1).reshape(-1).tolist() == [5.0, 3.0]


def test_words_of_the_host_pass_through_a_pe() -> None:
    engine = VectorEngine(streamed(adder()), WSE2)
    values = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    engine.send(IN, 0, 0, words(values[:, :, :3]))
    assert engine.received(OUT, 0, 0, 2, 1).tolist() == [[3, 3]]
    first = engine.receive(OUT, 0, 0, 2, 1, 2)
    engine.send(IN, 0, 0, words(values[:, :, 3:]))
    second = engine.receive(OUT, 0, 0, 2, 1, 2)
    found = np.concatenate([first, second], axis=2).view(np.float32)
    np.testing.assert_array_equal(found, values + 1)


def test_a_host_that_waits_for_too_many_words_is_told_who_waits_for_whom() -> None:
    engine = VectorEngine(streamed(adder()), WSE2)
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 3))))
    with pytest.raises(RunError) as caught:
        engine.receive(OUT, 0, 0, 2, 1, 4)
    text = str(caught.value)
    assert "from PE (0, 0), which sent 3" in text
    assert "for color 5 (3 of 4 done), which the host does not send" in text


def test_a_word_per_cycle_comes_from_the_host() -> None:
    engine = VectorEngine(streamed(adder(100)), WSE2)
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 100))))
    assert 100 <= engine.statistics().cycles <= 150


def test_each_word_of_the_host_starts_a_data_task() -> None:
    tile = Tile(1, 1)
    total = tile.array("total", 1)

    def add(word: core.Local) -> list[core.Stmt]:
        place = tile.pointer(total)
        load = core.Load(Scalar.F32, place)
        return [core.Store(place, core.BinaryExpr(Scalar.F32, "+", load, core.GetLocal(word)))]

    tile.data_task(IN, "take", add)
    engine = VectorEngine(streamed(tile), WSE2)
    engine.send(IN, 0, 0, words([[[1.0, 2.0, 4.0]]]))
    engine.send(IN, 0, 0, words([[[8.0]]]))
    assert engine.read("total", 0, 0, 1, 1, 1)[0, 0, 0] == 15.0


def test_a_launch_leaves_out_pes_that_do_not_export_the_function() -> None:
    tile, other = Tile(2, 1), Tile(2, 1)
    array = tile.array("a", 1)
    tile.function("main", [store(tile, array, 3.0)])
    other.exports["a"] = core.Export("a", tile.slots[0])
    other.objects, other.slots = tile.objects, tile.slots
    program = tile.elaborated(RouteBook(2, 1))
    program.classes = [tile.pe_class(np.array([1])), other.pe_class(np.array([0]))]
    engine = VectorEngine(program, WSE2)
    engine.launch("main")
    assert engine.read("a", 0, 0, 2, 1, 1).reshape(-1).tolist() == [0.0, 3.0]
    with pytest.raises(RunError, match="exports no function other"):
        engine.launch("other")


def test_a_launch_waits_until_the_one_before_is_over() -> None:
    tile = Tile(1, 1)
    array = tile.array("a", 1)
    wait = dsd("@fmovs", tile.memory(array), tile.fabin(IN, 2, 1))
    tile.function("first", [wait, unblock_commands()])
    load = core.Load(Scalar.F32, tile.pointer(array))
    double = core.BinaryExpr(Scalar.F32, "+", load, load)
    tile.function("second", [core.Store(tile.pointer(array), double), unblock_commands()])
    engine = VectorEngine(streamed(tile), WSE2)
    engine.launch("first", wait=False)
    engine.launch("second", wait=False)
    with pytest.raises(RunError, match="1 PE has not called unblock_cmd_stream") as caught:
        engine.finish()
    assert "which the host does not send" in str(caught.value)
    engine.send(IN, 0, 0, words([[[4.0]]]))
    engine.finish()
    assert engine.read("a", 0, 0, 1, 1, 1)[0, 0, 0] == 8.0


def test_a_launch_that_unblocks_on_some_pes_only_is_never_over() -> None:
    tile = Tile(3, 1)
    tile.function("main", [core.If(truth(tile.x < 2), [unblock_commands()], [])])
    engine = VectorEngine(tile.elaborated(RouteBook(3, 1)), WSE2)
    engine.launch("main")
    with pytest.raises(RunError, match=r"1 PE has not called .* first PE \(2, 0\)"):
        engine.finish()


def test_variables_are_read_by_name() -> None:
    tile = Tile(2, 1)
    array = tile.array("a", 2, np.array([1.0, 2.0], np.float32))
    program = tile.elaborated(RouteBook(2, 1))
    program.classes[0].symbols = {"pe.a": array}
    engine = VectorEngine(program, WSE2)
    assert engine.symbol(1, 0, "pe.a").tolist() == [1.0, 2.0]
    assert engine.symbol(1, 0, "pe.a", Scalar.U16).tolist() == [0, 0x3F80, 0, 0x4000]
    with pytest.raises(RunError, match=r"PE \(1, 0\) has no variable b"):
        engine.symbol(1, 0, "b")
    with pytest.raises(RunError, match="no PE has a program"):
        engine.symbol(2, 0, "pe.a")


def test_activating_a_task_that_is_not_bound_is_an_error() -> None:
    tile = Tile(1, 1)
    tile.function("main", [activate(7)])
    engine = VectorEngine(tile.elaborated(RouteBook(1, 1)), WSE2)
    with pytest.raises(RunError, match="task 7 is activated, which is bound to no function"):
        engine.launch("main")


def order_of_tasks(order: TaskOrder, seed: int = 0, high: int | None = None) -> list[int]:
    """The order in which four tasks run that were activated one after the other."""
    tile = Tile(1, 1)
    array, place = tile.array("ran", 4), tile.array("place", 1, kind=Scalar.I32)
    here = tile.pointer(place)
    load = core.Load(Scalar.I32, here)
    one = core.Const(Scalar.I32, 1)
    for task in (8, 9, 10, 11):
        tile.task(
            task,
            f"task_{task}",
            [
                core.Store(tile.pointer(array, load), f32(task)),
                core.Store(here, core.BinaryExpr(Scalar.I32, "+", load, one)),
            ],
        )
    tile.function("main", [activate(task) for task in (10, 8, 11, 9)])
    program = tile.elaborated(RouteBook(1, 1))
    if high is not None:
        program.classes[0].high_priority = frozenset({high})
    engine = VectorEngine(program, WSE2, choices=Choices(order, seed))
    engine.launch("main")
    return [int(task) for task in engine.read("ran", 0, 0, 1, 1, 4).reshape(-1)]


def test_the_order_of_runnable_tasks_is_a_choice() -> None:
    assert order_of_tasks("arrival") == [10, 8, 11, 9]
    assert order_of_tasks("lowest_id") == [8, 9, 10, 11]
    assert order_of_tasks("round_robin") == [8, 9, 10, 11]
    drawn = {tuple(order_of_tasks("random", seed)) for seed in range(8)}
    assert len(drawn) > 3
    assert order_of_tasks("random", 1) == order_of_tasks("random", 1)


@pytest.mark.parametrize("order", ["arrival", "lowest_id", "round_robin", "random"])
def test_tasks_of_high_priority_come_first(order: TaskOrder) -> None:
    assert order_of_tasks(order, high=11)[0] == 11


class Seen(Observer):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


def test_tasks_and_operations_are_observed() -> None:
    seen = Seen()
    engine = VectorEngine(streamed(adder()), WSE2, observer=seen)
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 4))))
    tasks = [event for event in seen.events if isinstance(event, TaskEvent)]
    assert {(t.x, t.y, t.name, t.kind) for t in tasks} == {
        (0, 0, "begin", "local"),
        (1, 0, "begin", "local"),
    }
    operations = [event for event in seen.events if isinstance(event, OperationEvent)]
    assert {(o.x, o.microthread) for o in operations} == {(0, 3), (1, 3)}
    assert all(o.end - o.begin >= 4 for o in operations)
    assert all(t.begin < t.end for t in tasks)
