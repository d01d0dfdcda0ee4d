from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.compiler.tile.strategies_graph import graphs, grids

from waferc.analysis.footprint import footprints
from waferc.analysis.liveness import last_uses
from waferc.analysis.scratch import region_scratch
from waferc.passes.allocate import Allocate, AllocateError
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2
from waferc_ir.ops import collective, tile_compute, tile_move, tile_structure
from waferc_ir.printer import value_numbers
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import Layout, Partial, Region, Split, TiledType
from waferc_ir.verify import verify

IN_PLACE = (
    tile_compute.Unary,
    tile_compute.Binary,
    tile_compute.BinaryScalar,
    tile_compute.Select,
    tile_compute.CausalMask,
    tile_compute.MaskPadding,
    collective.AllReduce,
    tile_move.Reshape,
)


def buffers_by_value(program: Program) -> dict[Value, str]:
    values = {number: value for value, number in value_numbers(program).items()}
    return {values[n]: buffer.name for buffer in program.buffers for n in buffer.values}


def assert_sound(program: Program) -> None:
    """Every value has a buffer, and nobody overwrites what is still read or outlives calls."""
    verify(program)
    where = buffers_by_value(program)
    last = last_uses(program)
    holder: dict[str, set[Value]] = {}
    for number, statement in enumerate(program.statements):
        for operand in statement.op.operands():
            assert operand in holder[where[operand]], "an operand has been overwritten"
        result = statement.result
        if result is None:
            continue
        home = where[result]
        before = holder.get(home, set())
        alive = {value for value in before if last[value] > number}
        if isinstance(statement.op, tile_move.Reshape):
            assert where[statement.op.x] == home
            holder[home] = {*before, result}
            continue
        assert not alive, "a value is overwritten that is read later"
        if before & set(statement.op.operands()):
            assert isinstance(statement.op, IN_PLACE)
        holder[home] = {result}
    states = [s.result for s in program.statements if isinstance(s.op, tile_structure.State)]
    for state in states:
        assert state is not None
        sharing = [value for value, buffer in where.items() if buffer == where[state]]
        makers = [s.op for s in program.statements if s.result in sharing]
        assert all(isinstance(op, tile_structure.State | tile_move.Reshape) for op in makers)
    assert not any(where[a] == where[b] for a, b in combinations(states, 2) if a and b)
    for statement in program.statements:
        if isinstance(statement.op, tile_structure.Output):
            x = statement.op.x
            assert x in holder[where[x]], "an output is overwritten before the host reads it"


@settings(max_examples=60)
@given(graphs(max_steps=9), grids)
def test_buffers_hold_their_values_as_long_as_they_are_read(
    drawn: Any, grid: tuple[int, int]
) -> None:
    program, _, weights = drawn
    machine = replace(WSE2, sram_bytes=1 << 20)
    unit = Tile(*grid, beam=4, sweeps=0).run(Unit(program, weights, machine))
    allocated = Allocate().run(unit).program
    assert set(buffers_by_value(allocated)) == {
        s.result for s in allocated.statements if s.result is not None
    }
    assert_sound(allocated)
    total = sum(
        -(-buffer.elements * buffer.dtype.size_bytes // 4) * 4 for buffer in allocated.buffers
    )
    (region,) = allocated.regions
    scratch = region_scratch(allocated.statements, region.name, WSE2)
    total += sum(dtype.size_bytes * elements for dtype, elements in scratch.items())
    (footprint,) = footprints(allocated, WSE2)
    assert footprint.state_bytes + footprint.activation_bytes == total


def add_chain(builder: Builder, x: Value, count: int) -> Value:
    for _ in range(count):
        x = builder.add(tile_compute.Unary(x, "relu"))
    return x


def test_a_chain_of_elementwise_operations_works_in_one_buffer() -> None:
    builder = Builder()
    x = builder.add(tile_structure.Input("x", (8,), DType.F32, "r", Layout((None,))))
    builder.effect(tile_structure.Output(add_chain(builder, x, 5), "y"))
    program = Program("tiled", "p", tuple(builder.statements), (Region("r", 1, 1),))
    allocated = Allocate().run(Unit(program, {}, WSE2)).program
    assert [(b.name, b.elements, b.values) for b in allocated.buffers] == [
        ("b0", 8, (0, 1, 2, 3, 4, 5))
    ]


def test_a_weight_is_never_written_over() -> None:
    builder = Builder()
    w = builder.add(tile_structure.State("w", (8,), DType.F32, "r", Layout((None,))))
    builder.effect(tile_structure.Output(add_chain(builder, w, 1), "y"))
    program = Program("tiled", "p", tuple(builder.statements), (Region("r", 1, 1),))
    allocated = Allocate().run(Unit(program, {}, WSE2)).program
    assert [b.values for b in allocated.buffers] == [(0,), (1,)]


def test_bool_tiles_are_held_in_the_float_type() -> None:
    builder = Builder()
    x = builder.add(tile_structure.Input("x", (8,), DType.F16, "r", Layout((None,))))
    builder.effect(tile_structure.Output(builder.add(tile_compute.BinaryScalar(x, "gt", 0.0)), "y"))
    program = Program("tiled", "p", tuple(builder.statements), (Region("r", 1, 1),))
    allocated = Allocate().run(Unit(program, {}, WSE2)).program
    assert {b.dtype for b in allocated.buffers} == {DType.F16}
    verify(allocated)


def test_partial_results_are_reduced_in_place() -> None:
    builder = Builder()
    given_layout = Layout((Split("x", 2),))
    x = builder.add(tile_structure.Input("x", (4,), DType.F32, "r", given_layout))
    partial = builder.add(tile_compute.Reduce(x, "sum", (0,)))
    assert isinstance(partial.type, TiledType)
    assert partial.type.layout.partial == (Partial("x", "sum"),)
    builder.effect(tile_structure.Output(builder.add(collective.AllReduce(partial, "x")), "y"))
    program = Program("tiled", "p", tuple(builder.statements), (Region("r", 2, 1),))
    allocated = Allocate().run(Unit(program, {}, WSE2)).program
    assert [b.values for b in allocated.buffers] == [(0,), (1, 2)]


def test_what_does_not_fit_is_refused_with_a_table() -> None:
    builder = Builder()
    builder.at = Location("model.py", 41, 9, 7, "        y = self.fc(x)")
    x = builder.add(tile_structure.Input("x", (8, 128), DType.F32, "r0", Layout((None, None))))
    w = builder.add(
        tile_structure.State(
            "fc.weight", (256, 128), DType.F32, "r0", Layout((Split("x", 64), None))
        )
    )
    y = builder.add(tile_compute.Contract(x, w, "mk", "nk", "mn"))
    builder.effect(tile_structure.Output(y, "y"))
    program = Program("tiled", "p", tuple(builder.statements), (Region("r0", 4, 2),))
    weights = {"fc.weight": np.zeros((256, 128), np.float32)}
    small = WSE2.grid(16, 16)
    with pytest.raises(AllocateError) as caught:
        Allocate().run(Unit(program, weights, replace(small, sram_bytes=32_768)))
    assert str(caught.value) == (
        "error[allocate]: a PE of region @r0 (4 x 2 PEs) needs 45,056 bytes of SRAM"
        " and has 32,768\n"
        " --> model.py:41:9\n"
        "   |\n"
        "41 |         y = self.fc(x)\n"
        "   |         ^^^^^^^\n"
        "  = note: weights             32,768 bytes\n"
        "  = note: activations          6,144 bytes\n"
        "  = note: code and stack       6,144 bytes\n"
        "  = note: together            45,056 bytes\n"
        "  = note: SRAM of a PE        32,768 bytes\n"
        "  = note: largest: 32,768 bytes for tile.state 'fc.weight',"
        " tiled<256x128xf32 @r0 [x/64, *]>, model.py:41\n"
        "  = note: largest: 4,096 bytes for tile.input 'x',"
        " tiled<8x128xf32 @r0 [*, *]>, model.py:41\n"
        "  = note: largest: 2,048 bytes for tile.contract,"
        " tiled<8x256xf32 @r0 [*, x/64]>, model.py:41\n"
        "  = help: give regions of 5 x 3 PEs or more, or compile for f16"
    )


def test_operations_take_turns_with_the_scratch_memory_of_the_one_that_needs_most() -> None:
    needed: list[int] = []
    for extents in ((8,), (64,), (64, 8), (8, 64)):
        builder = Builder()
        for number, extent in enumerate(extents):
            label = f"x{number}"
            given = tile_structure.Input(label, (extent,), DType.F16, "r", Layout((None,)))
            exp = builder.add(tile_compute.Unary(builder.add(given), "exp"))
            builder.effect(tile_structure.Output(exp, f"y{number}"))
        needed.append(region_scratch(builder.statements, "r", WSE2).get(DType.F16, 0))
    few, many, *both = needed
    assert few < many
    assert both == [many, many]
