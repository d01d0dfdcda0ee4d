from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.tile.strategies_graph import graphs, graphs_of_entries, grids, twice

from waferc.analysis.padding import tiled as tiled_type
from waferc.evaluate import graph as graph_meaning
from waferc.evaluate import tiled as tiled_meaning
from waferc.layouts.problem import TileError
from waferc.passes.allocate import Allocate
from waferc.passes.place import Place
from waferc.passes.route import Route
from waferc.passes.share_common import ShareCommon
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.entries import entries, own
from waferc_ir.machine import machine
from waferc_ir.ops import (
    collective,
    graph_compute,
    graph_structure,
    stream,
    tile_compute,
    tile_move,
    tile_structure,
)
from waferc_ir.ops.declare import VerifyError
from waferc_ir.parser import parse
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program, Value
from waferc_ir.verify import verify


def tiled(unit: Unit, grid: tuple[int, int], stages: int = 1) -> Unit:
    unit = Tile(*grid, stages=stages, beam=8, sweeps=2).run(unit)
    return ShareCommon().run(unit)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same arrays, within what orders of summation may differ by."""
    assert found.keys() == expected.keys()
    for label, array in expected.items():
        finite = np.where(np.isfinite(array), np.abs(array), 0)
        scale = max(1.0, float(np.max(finite, initial=0)))
        np.testing.assert_allclose(found[label], array, rtol=1e-3, atol=1e-4 * scale)


@settings(max_examples=120)
@given(graphs(may_have_state=True), grids, st.integers(1, 3))
def test_states_of_tiled_programs_are_those_of_their_graphs(
    drawn: Any, grid: tuple[int, int], stages: int
) -> None:
    program, inputs, weights = drawn
    try:
        unit = tiled(Unit(program, weights, machine("wse2")), grid, stages)
    except TileError:
        return  # fewer operations than stages, or a state would be in two of them
    verify(unit.program)
    assert print_program(parse(print_program(unit.program))) == print_program(unit.program)
    graph_states: dict[str, Any] = {}
    tiled_states: dict[str, Any] = {}
    for _ in range(3):
        expected = graph_meaning.evaluate(program, inputs, weights, graph_states)
        found = tiled_meaning.evaluate(unit.program, inputs, weights, tiled_states, poison=True)
        same(found, expected)
        same(tiled_states, graph_states)
        tiled_states = {label: array.copy() for label, array in graph_states.items()}


@settings(max_examples=50)
@given(graphs_of_entries(), grids, st.integers(1, 2), st.lists(st.sampled_from("ab"), max_size=5))
def test_entries_of_tiled_programs_mean_what_those_of_their_graphs_do(
    drawn: Any, grid: tuple[int, int], stages: int, calls: list[str]
) -> None:
    program, inputs, weights = drawn
    try:
        unit = tiled(Unit(program, weights, machine("wse2")), grid, stages)
    except TileError:
        return  # no cut into stages leaves every state in one of them
    verify(unit.program)
    assert print_program(parse(print_program(unit.program))) == print_program(unit.program)
    graph_states: dict[str, Any] = {}
    tiled_states: dict[str, Any] = {}
    for entry in ("a", "b", *calls):
        expected = graph_meaning.evaluate(program, inputs, weights, graph_states, entry=entry)
        found = tiled_meaning.evaluate(
            unit.program, inputs, weights, tiled_states, entry=entry, poison=True
        )
        same(found, expected)
        same(tiled_states, graph_states)
        tiled_states = {label: array.copy() for label, array in graph_states.items()}


def updated(stages: int) -> Unit:
    """A program that adds its input to a state, and returns the double of what that becomes."""
    builder = Builder()
    x = builder.add(graph_structure.Input("x", (8, 6), DType.F32))
    state = builder.add(graph_structure.State("sum", (8, 6), DType.F32))
    total = builder.add(graph_compute.Binary(state, x, "add"))
    double = builder.add(graph_compute.BinaryScalar(total, "mul", 2.0))
    mixed = builder.add(graph_compute.Binary(double, state, "sub")) if stages > 1 else double
    builder.effect(graph_structure.Output(mixed, "y"))
    builder.effect(graph_structure.Store(state, total))
    program = Program("graph", "updated", tuple(builder.statements))
    return Unit(program, {"sum": np.zeros((8, 6), np.float32)}, machine("wse3"))


def test_relayouts_and_masks_of_states_are_made_anew_in_every_entry() -> None:
    builder = Builder()
    state = builder.add(graph_structure.State("s", (7, 20), DType.F32))
    squared = builder.add(graph_compute.Contract(state, state, "mk", "nk", "mn"))
    highest = builder.add(graph_compute.Reduce(state, "max", (0, 1)))
    for number, value in enumerate((squared, highest)):
        builder.effect(graph_structure.Output(value, f"y{number}"))
    program = twice(Program("graph", "squared", tuple(builder.statements)))
    weights = {"s": np.arange(-140, 0).reshape(7, 20).astype(np.float32)}
    unit = tiled(Unit(program, weights, machine("wse3")), (3, 2))
    verify(unit.program)
    for entry in entries(unit.program):
        made = [s.op for s in own(unit.program, entry)]
        relaid = (collective.AllGather, tile_move.Shard)
        read = [op for op in made if op.operands() and is_state(unit.program, op.operands()[0])]
        assert any(isinstance(op, relaid) for op in read)
        assert any(isinstance(op, tile_compute.MaskPadding) for op in read)
        found = tiled_meaning.evaluate(unit.program, {}, weights, entry=entry.label)
        assert found["y1"] == -1
        np.testing.assert_allclose(found["y0"], weights["s"] @ weights["s"].T)


def is_state(program: Program, value: Value) -> bool:
    states = (s.result for s in program.statements if isinstance(s.op, tile_structure.State))
    return value in states


def test_what_is_stored_is_made_in_the_state_s_own_array() -> None:
    unit = Allocate().run(Route().run(Place().run(tiled(updated(1), (3, 2)))))
    results = [s.result for s in unit.program.statements if s.result is not None]
    state = next(
        n for n, s in enumerate(unit.program.statements) if isinstance(s.op, tile_structure.State)
    )
    store = next(s.op for s in unit.program.statements if isinstance(s.op, tile_structure.Store))
    home = next(buffer for buffer in unit.program.buffers if state in buffer.values)
    assert results.index(store.x) in home.values


def test_streams_join_neighbours_and_each_passes_on_what_later_ones_read() -> None:
    builder = Builder()
    x = builder.add(graph_structure.Input("x", (8, 6), DType.F32))
    first = builder.add(graph_compute.Unary(x, "exp"))
    second = builder.add(graph_compute.Unary(first, "tanh"))
    third = builder.add(graph_compute.Unary(second, "neg"))
    last = builder.add(graph_compute.Binary(third, first, "add"))
    builder.effect(graph_structure.Output(last, "y"))
    program = Program("graph", "skip", tuple(builder.statements))
    found = tiled(Unit(program, {}, machine("wse3")), (3, 2), stages=4).program
    pairs = [
        (tiled_type(s.op.x).region, s.op.region)
        for s in found.statements
        if isinstance(s.op, stream.Transfer)
    ]
    assert set(pairs) == {("r0", "r1"), ("r1", "r2"), ("r2", "r3")}
    inputs = {"x": np.linspace(-1, 1, 48, dtype=np.float32).reshape(8, 6)}
    expected = graph_meaning.evaluate(program, inputs, {})["y"]
    np.testing.assert_allclose(
        tiled_meaning.evaluate(found, inputs, {})["y"], expected, rtol=1e-5, atol=1e-6
    )


def test_a_state_in_two_stages_is_refused() -> None:
    with pytest.raises(TileError, match="no cut into 3 stages"):
        Tile(3, 2, stages=3).run(updated(2))


@given(st.sampled_from(("twice", "no state", "behind")))
def test_wrong_stores_are_found(kind: str) -> None:
    builder = Builder()
    x = builder.add(graph_structure.Input("x", (2,), DType.F32))
    state = builder.add(graph_structure.State("s", (2,), DType.F32))
    builder.effect(graph_structure.Store(x if kind == "no state" else state, x))
    if kind == "twice":
        builder.effect(graph_structure.Store(state, x))
    if kind == "behind":
        builder.add(graph_compute.Unary(x, "neg"))
    with pytest.raises(VerifyError, match={"no state": "no mutable state"}.get(kind, kind)):
        verify(Program("graph", "wrong", tuple(builder.statements)))
