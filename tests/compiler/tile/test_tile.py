from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.tile.strategies_graph import graphs, grids

from waferc.evaluate import graph as graph_meaning
from waferc.evaluate import tiled as tiled_meaning
from waferc.layouts.problem import TileError
from waferc.passes.share_common import ShareCommon
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2, machine
from waferc_ir.ops import graph_compute, graph_structure
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program
from waferc_ir.verify import verify


def _tiled(program: Program, weights: dict[str, Any], grid: tuple[int, int], stages: int) -> Unit:
    pass_ = Tile(*grid, stages=stages, beam=8, sweeps=2)
    return pass_.run(Unit(program, weights, machine("wse2")))


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for label, array in expected.items():
        scale = max(1.0, float(np.max(np.abs(array), initial=0, where=np.isfinite(array))))
        np.testing.assert_allclose(found[label], array, rtol=1e-3, atol=1e-4 * scale)


@settings(max_examples=150)
@given(graphs(), grids, st.integers(1, 3))
def test_tiled_programs_mean_what_their_graphs_mean(
    drawn: Any, grid: tuple[int, int], stages: int
) -> None:
    program, inputs, weights = drawn
    try:
        unit = _tiled(program, weights, grid, stages)
    except TileError:
        return  # fewer operations than stages
    verify(unit.program)
    expected = graph_meaning.evaluate(program, inputs, weights)
    same(tiled_meaning.evaluate(unit.program, inputs, weights, poison=True), expected)


@settings(max_examples=40)
@given(graphs(), grids)
def test_sharing_keeps_meaning_and_tiling_is_repeatable(drawn: Any, grid: tuple[int, int]) -> None:
    program, inputs, weights = drawn
    unit = _tiled(program, weights, grid, 1)
    assert print_program(unit.program) == print_program(_tiled(program, weights, grid, 1).program)
    shared = ShareCommon().run(unit)
    verify(shared.program)
    again = ShareCommon().run(shared)
    assert print_program(again.program) == print_program(shared.program)
    found = tiled_meaning.evaluate(shared.program, inputs, weights, poison=True)
    same(found, tiled_meaning.evaluate(unit.program, inputs, weights))


def dense(rows: int, inner: int, columns: int) -> tuple[Program, dict[str, Any]]:
    builder = Builder()
    x = builder.add(graph_structure.Input("x", (rows, inner), DType.F32))
    w = builder.add(graph_structure.Parameter("w", (columns, inner), DType.F32))
    y = builder.add(graph_compute.Contract(x, w, "mk", "nk", "mn"))
    builder.effect(graph_structure.Output(y, "y"))
    return (
        Program("graph", "dense", tuple(builder.statements)),
        {"w": np.ones((columns, inner), np.float32)},
    )


def test_a_region_grows_until_the_weights_fit() -> None:
    program, weights = dense(4, 256, 512)
    unit = Tile().run(Unit(program, weights, WSE2))
    (region,) = unit.program.regions
    # half a MiB of weights, 42 KiB of room per PE
    assert region.width * region.height * 43_008 >= 4 * 256 * 512
    assert region.width <= 6


def test_weights_that_no_region_holds_are_refused_with_numbers() -> None:
    program, weights = dense(4, 256, 512)
    small = WSE2.grid(2, 2)
    with pytest.raises(TileError) as caught:
        Tile().run(Unit(program, weights, small))
    assert str(caught.value) == (
        "error[tile]: the weights of @dense do not fit wse2\n"
        "  = note: they take 524,288 bytes; a PE has 43,008 bytes beside its code, the program"
        " rectangle 2 x 2 PEs\n"
        "  = note: 352,256 bytes are too much: 4 such wafers hold them, activations and"
        " code aside\n"
        "  = help: any of these makes it fit, or comes nearer: wafers=4 and stages=auto; dtype f16"
        " or mixed; more of the wafer (750 x 994 PEs); target wse3"
    )


def test_more_stages_than_operations_are_refused() -> None:
    program, weights = dense(4, 8, 8)
    with pytest.raises(TileError, match="1 operations do not make 3 stages"):
        Tile(2, 2, stages=3).run(Unit(program, weights, WSE2))


def test_half_a_size_is_refused() -> None:
    program, weights = dense(4, 8, 8)
    with pytest.raises(TileError, match="one of them is missing"):
        Tile(width=4).run(Unit(program, weights, WSE2))


def test_operations_that_decompose_removes_are_refused_together() -> None:
    builder = Builder()
    x = builder.add(graph_structure.Input("x", (4, 8), DType.F32))
    y = builder.add(graph_compute.Softmax(x, 1))
    z = builder.add(graph_compute.LayerNorm(y, None, None, 1, 1e-5))
    builder.effect(graph_structure.Output(z, "z"))
    program = Program("graph", "p", tuple(builder.statements))
    with pytest.raises(TileError) as caught:
        Tile(2, 2).run(Unit(program, {}, WSE2))
    assert "graph.softmax has no layout strategies" in str(caught.value)
    assert "graph.layer_norm has no layout strategies" in str(caught.value)
