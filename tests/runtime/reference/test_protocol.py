"""The engine as the host sees it: start, launches in order, streams, variables by name."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, unblock_commands

from waferc_ir.machine import WSE2
from waferc_runtime.csl import core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError

IN, OUT = 5, 6


def engine_of(tile: Tile) -> ReferenceEngine:
    program = tile.elaborated(RouteBook(tile.width, tile.height))
    program.host_inputs = frozenset({IN})
    program.host_outputs = frozenset({OUT})
    return ReferenceEngine(program, WSE2)


def words(values: object) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return np.asarray(values, np.float32).view(np.uint32)


def adder(extent: int) -> Tile:
    """Adds one to a stream of the host on its way back, from the start on."""
    tile = Tile(2, 1)
    one = tile.array("one", 1, 1.0)
    operands = tile.fabin(IN, 2, extent), tile.memory(one, extent, stride=0)
    tile.task(9, "begin", [dsd("@fadds", tile.fabout(OUT, 3, extent), *operands, is_async=True)])
    tile.activated.add(9)
    return tile


def test_words_of_the_host_pass_through_a_pe() -> None:
    engine = engine_of(adder(4))
    values = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    engine.send(IN, 0, 0, words(values[:, :, :3]))
    assert engine.received(OUT, 0, 0, 2, 1).tolist() == [[3, 3]]
    first = engine.receive(OUT, 0, 0, 2, 1, 2)
    assert engine.received(OUT, 0, 0, 2, 1).tolist() == [[1, 1]]
    engine.send(IN, 0, 0, words(values[:, :, 3:]))
    second = engine.receive(OUT, 0, 0, 2, 1, 2)
    found = np.concatenate([first, second], axis=2).view(np.float32)
    np.testing.assert_array_equal(found, values + 1)
    engine.finish()


def test_a_host_that_waits_in_vain_is_told_who_waits_for_whom() -> None:
    engine = engine_of(adder(4))
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 3))))
    with pytest.raises(RunError) as caught:
        engine.receive(OUT, 0, 0, 2, 1, 4)
    text = str(caught.value)
    assert "from PE (0, 0), which sent 3" in text
    assert "for color 5 (3 of 4 done), which the host does not send" in text


def test_a_length_without_end_takes_what_comes() -> None:
    engine = engine_of(adder(0x7FFF))
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 100))))
    assert engine.receive(OUT, 0, 0, 2, 1, 100).shape == (1, 2, 100)
    with pytest.raises(RunError, match=r"100 of endless done"):
        engine.receive(OUT, 0, 0, 2, 1, 1)


def test_a_word_per_cycle_comes_from_the_host() -> None:
    engine = engine_of(adder(100))
    engine.send(IN, 0, 0, words(np.zeros((1, 2, 100))))
    assert 100 <= engine.statistics().cycles <= 150


def test_streams_of_colors_that_do_not_stream_are_refused() -> None:
    engine = engine_of(adder(4))
    with pytest.raises(RunError, match="the host sends on color 6, which does not stream"):
        engine.send(OUT, 0, 0, words(np.zeros((1, 1, 1))))
    with pytest.raises(RunError, match="the host receives on color 5, which does not stream"):
        engine.receive(IN, 0, 0, 1, 1, 1)
    with pytest.raises(RunError, match=r"from PE \(1, 0\) on, but the program has 2 x 1"):
        engine.send(IN, 1, 0, words(np.zeros((1, 2, 1))))


def conversation() -> Tile:
    """`first` waits for a word of the host, `second` doubles it, `forgetful` lets the host wait."""
    tile = Tile(1, 1)
    array = tile.array("a", 1)
    wait = dsd("@fmovs", tile.memory(array), tile.fabin(IN, 2, 1))
    tile.function("first", [wait, unblock_commands()])
    load = core.Load(Scalar.F32, tile.pointer(array))
    double = core.BinaryExpr(Scalar.F32, "+", load, load)
    tile.function("second", [core.Store(tile.pointer(array), double), unblock_commands()])
    tile.function("forgetful", [])
    return tile


def test_a_launch_waits_until_the_one_before_is_over() -> None:
    engine = engine_of(conversation())
    engine.launch("first", wait=False)
    engine.launch("second", wait=False)
    with pytest.raises(RunError) as caught:
        engine.finish()
    text = str(caught.value)
    assert "1 PE has not called unblock_cmd_stream" in text
    assert "PE (0, 0) in first" in text
    assert "which the host does not send" in text
    engine.send(IN, 0, 0, words([[[2.5]]]))
    engine.finish()
    assert engine.read("a", 0, 0, 1, 1, 1) == 5.0


def test_a_command_that_is_never_over_is_told() -> None:
    engine = engine_of(conversation())
    engine.launch("forgetful")
    with pytest.raises(RunError, match=r"not called unblock_cmd_stream .* first PE \(0, 0\)"):
        engine.finish()
    with pytest.raises(RunError, match="not called unblock_cmd_stream"):
        engine.launch("second")


def test_variables_are_read_by_name() -> None:
    tile = conversation()
    program = tile.elaborated(RouteBook(1, 1))
    program.classes[0].symbols = {"main.a": tile.objects[0]}
    engine = ReferenceEngine(program, WSE2)
    engine.write("a", 0, 0, np.full((1, 1, 1), 1.0, np.float32))
    assert engine.symbol(0, 0, "main.a").tolist() == [1.0]
    assert engine.symbol(0, 0, "main.a", Scalar.U16).tolist() == [0, 0x3F80]
    with pytest.raises(RunError, match="has no variable b"):
        engine.symbol(0, 0, "b")
    with pytest.raises(RunError, match="where no PE has a program"):
        engine.symbol(1, 0, "main.a")
