"""The engine at work: splitting and meeting, collectives, packed words, host copies, cycles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, f32, truth, u16

from waferc_ir.machine import WSE2, WSE3
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, WEST, Scalar
from waferc_runtime.vector import VectorEngine
from waferc_runtime.vector.ports import pack, unpack

FLOAT_POINTER = core.Pointer(Scalar.F32, True)


def all_reduce(width: int, height: int, extent: int) -> tuple[Tile, RouteBook]:
    """Sums along rows: a chain to the east, then a broadcast back."""
    tile, book = Tile(width, height), RouteBook(width, height)
    array = tile.array("a", extent)
    for y in range(height):
        for x in range(width - 1):
            book.line(x % 2, x, y, EAST, 1)
        book.line(2, width - 1, y, WEST, width - 1, drop=True)
    odd = tile.x % 2 == 1
    into = tile.fabin(np.where(odd, 0, 1), 2, extent)
    out = tile.fabout(np.where(odd, 1, 0), 2, extent)
    everyone, memory = tile.fabin(2, 3, extent), tile.memory(array)
    last: list[core.Stmt] = [
        dsd("@fadds", memory, into, memory),
        dsd("@fmovs", tile.fabout(2, 3, extent), memory),
    ]
    middle: list[core.Stmt] = [dsd("@fadds", out, into, memory), dsd("@fmovs", memory, everyone)]
    first: list[core.Stmt] = [dsd("@fmovs", out, memory), dsd("@fmovs", memory, everyone)]
    rest: core.Stmt = core.If(truth(tile.x == width - 1), last, middle)
    main: list[core.Stmt] = [core.If(truth(tile.x == 0), first, [rest])]
    tile.function("main", main)
    return tile, book


@pytest.mark.parametrize("extent", [1, 30, 200])
def test_a_row_of_pes_sums_in_order(extent: int) -> None:
    tile, book = all_reduce(7, 3, extent)
    engine = VectorEngine(tile.elaborated(book, "wse3"), WSE3)
    values = np.random.default_rng(0).normal(size=(3, 7, extent)).astype(np.float32)
    engine.write("a", 0, 0, values)
    engine.launch("main")
    total = values[:, 0]
    for x in range(1, 7):
        total = total + values[:, x]
    found = engine.read("a", 0, 0, 7, 3, extent)
    np.testing.assert_array_equal(found, np.broadcast_to(total[:, np.newaxis], found.shape))


def test_a_chain_costs_six_cycles_per_stage_on_wse2() -> None:
    """Receive, add and send: 2 ramps of 2 cycles, 1 hop, 1 cycle (HPDC'24)."""
    cycles: list[int] = []
    for width in (5, 6, 7):
        tile, book = all_reduce(width, 1, 4)
        engine = VectorEngine(tile.elaborated(book), WSE2)
        engine.launch("main")
        cycles.append(engine.statistics().cycles)
    chain, back = 6, 1  # the broadcast has a hop more, too
    assert [b - a for a, b in pairwise(cycles)] == [chain + back] * 2


def test_parts_with_different_pointers_stay_apart() -> None:
    tile = Tile(3, 2)
    a, b = tile.array("a", 2), tile.array("b", 2)
    slot = core.Slot("current", FLOAT_POINTER, tile.pointer(a))
    tile.slots.append(slot)
    choose = core.If(truth(tile.x == 1), [core.SetSlot(slot, tile.pointer(b))], [])
    store = core.Store(core.PointerAdd(FLOAT_POINTER, core.GetSlot(slot), u16(1)), f32(5.0))
    tile.function("main", [choose, store])
    engine = VectorEngine(tile.elaborated(RouteBook(3, 2)), WSE2)
    engine.launch("main")
    np.testing.assert_array_equal(engine.read("a", 0, 0, 3, 2, 2)[..., 1], [[5, 0, 5]] * 2)
    np.testing.assert_array_equal(engine.read("b", 0, 0, 3, 2, 2)[..., 1], [[0, 5, 0]] * 2)


def test_pes_return_at_different_times() -> None:
    tile = Tile(4, 1)
    a = tile.array("a", 1)
    n = core.Local("n", Scalar.U16, 0)
    here = tile.pointer(a)
    grown = core.BinaryExpr(Scalar.F32, "+", core.Load(Scalar.F32, here), f32(1.0))
    is_done = core.CompareExpr("==", core.GetLocal(n), u16(tile.x * 2))
    body: list[core.Stmt] = [core.If(is_done, [core.Return(None)], []), core.Store(here, grown)]
    tile.function("main", [core.For(n, None, u16(0), u16(9), u16(1), body)], [n])
    engine = VectorEngine(tile.elaborated(RouteBook(4, 1)), WSE2)
    engine.launch("main")
    np.testing.assert_array_equal(engine.read("a", 0, 0, 4, 1, 1)[0, :, 0], [0, 2, 4, 6])


def test_words_seen_as_another_type() -> None:
    tile = Tile(2, 1)
    a = tile.array("a", 2, np.array([1.0, -2.0], np.float32))
    halves = tile.array("h", 4, kind=Scalar.U16)
    pointer = core.PointerCast(core.Pointer(Scalar.U16, True), tile.pointer(a))
    kind = core.Dsd("mem1d")
    source = core.MakeMemDsd(kind, pointer, (core.Const(Scalar.I16, 1),), (u16(4),))
    tile.function("main", [dsd("@mov16", tile.memory(halves), source)])
    engine = VectorEngine(tile.elaborated(RouteBook(2, 1)), WSE2)
    engine.launch("main")
    expected = np.array([1.0, -2.0], np.float32).view(np.uint16)
    np.testing.assert_array_equal(engine.read("h", 0, 0, 2, 1, 4)[0, 1], expected)


def test_host_copies_reach_a_part_of_the_wafer() -> None:
    tile = Tile(4, 3)
    tile.array("a", 2)
    tile.function("main", [])
    engine = VectorEngine(tile.elaborated(RouteBook(4, 3)), WSE2)
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    engine.write("a", 1, 1, values)
    np.testing.assert_array_equal(engine.read("a", 1, 1, 2, 2, 2), values)
    assert engine.read("a", 0, 0, 4, 3, 2).sum() == values.sum()


def test_launches_follow_one_another() -> None:
    tile = Tile(2, 2)
    a = tile.array("a", 8)
    tile.function("main", [dsd("@fadds", tile.memory(a), tile.memory(a), f32(1.0))])
    engine = VectorEngine(tile.elaborated(RouteBook(2, 2)), WSE2)
    engine.launch("main")
    once = engine.statistics()
    engine.launch("main")
    assert engine.statistics().cycles == 2 * once.cycles == 2 * (2 * 9 + 6 + 8 // 2)
    assert once.flops == 4 * 8
    assert once.sram_bytes == (32,)
    np.testing.assert_array_equal(once.wait_cycles, 0)


@given(st.integers(1, 9), st.sampled_from([1, 2]))
def test_packed_elements_come_out_as_they_went_in(count: int, per_word: int) -> None:
    values = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float16)
    words = pack(values, Scalar.F16, per_word)
    assert len(words) == -(-count // per_word)
    np.testing.assert_array_equal(unpack(words, Scalar.F16, per_word, count), values)
