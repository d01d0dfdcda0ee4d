"""Drawn programs with states mean on the wafer, call after call, what their graphs mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.compiler.tile.strategies_graph import graphs, graphs_of_entries, grids

from waferc.emit.diagnostics import EmitError
from waferc.emit.emit import emit
from waferc.evaluate import graph as graph_meaning
from waferc.layouts.problem import TileError
from waferc.passes.allocate import Allocate, AllocateError
from waferc.passes.place import Place
from waferc.passes.route import Route
from waferc.passes.share_common import ShareCommon
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.machine import machine
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.session import Session

Arrays = dict[str, NDArray[Any]]


def session(unit: Unit, grid: tuple[int, int], stages: int = 1) -> Session:
    """The program on a virtual wafer."""
    tile = Tile(*grid, stages=stages, beam=8, sweeps=2)
    for one in (tile, ShareCommon(), Place(), Route(), Allocate()):
        unit = one.run(unit)
    emitted = emit(unit)
    return Session(make_bundle(emitted.manifest, emitted.sources, unit.weights))


def compare(found: Arrays, expected: Arrays) -> None:
    """The same arrays within f32's rounding; where the oracle loses finiteness so may the wafer."""
    for label, array in expected.items():
        finite = np.isfinite(array)
        scale = max(1.0, float(np.max(np.abs(array), initial=0.0, where=finite)))
        np.testing.assert_allclose(
            found[label][finite], array[finite], rtol=1e-3, atol=1e-4 * scale, err_msg=label
        )


@settings(max_examples=25)
@given(graphs(4, may_have_state=True), grids, st.sampled_from(["wse2", "wse3"]))
def test_states_on_the_wafer_are_those_of_the_graph(
    drawn: Any, grid: tuple[int, int], target: str
) -> None:
    program, inputs, weights = drawn
    unit = Unit(program, weights, machine(target))
    states: Arrays = {}
    try:
        wafer = session(unit, grid)
    except (EmitError, AllocateError):
        assume(False)  # a kernel that there is not, or no room: other tests say which
        raise
    for _ in range(3):
        expected = graph_meaning.evaluate(program, inputs, weights, states)
        found = wafer.run(inputs)
        # functions of large numbers, and steps at a threshold, tell nothing of where states lie
        assume(
            all(np.abs(a).max(initial=0.0) < 1e3 for a in (*expected.values(), *states.values()))
        )
        compare(found, expected)
        compare(wafer.states(), states)


@settings(max_examples=20)
@given(
    graphs_of_entries(3),
    grids,
    st.integers(1, 2),
    st.lists(st.sampled_from("ab"), min_size=2, max_size=4),
)
def test_entries_on_the_wafer_share_weights_and_states(
    drawn: Any, grid: tuple[int, int], stages: int, calls: list[str]
) -> None:
    program, inputs, weights = drawn
    unit = Unit(program, weights, machine("wse3"))
    states: Arrays = {}
    try:
        wafer = session(unit, grid, stages)
    except (EmitError, AllocateError, TileError):
        assume(False)  # as above, or no cut into stages
        raise
    for entry in calls:
        labels = {p.label for p in wafer.bundle.manifest.entry(entry).inputs}
        given = {label: array for label, array in inputs.items() if label in labels}
        expected = graph_meaning.evaluate(program, inputs, weights, states, entry=entry)
        found = wafer.run(given, entry=entry)
        assume(
            all(np.abs(a).max(initial=0.0) < 1e3 for a in (*expected.values(), *states.values()))
        )
        compare(found, expected)
        compare({k: v for k, v in wafer.states().items() if k in states}, states)
