from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waferc.evaluate import graph as graph_meaning
from waferc.evaluate import tiled as tiled_meaning
from waferc.layouts.repeats import Repeats, find_repeats, form_of
from waferc.layouts.stages import cut_entries, natural_stages
from waferc.passes.tile import Tile
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import machine
from waferc_ir.ops import graph_compute, graph_structure
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program, Statement, Value
from waferc_ir.verify import verify


def layered(
    layers: int, block: tuple[str, ...], width: int = 6, *, has_state: bool = False
) -> Unit:
    """A prelude, `layers` blocks of operations that end in a residual sum, and a last product."""
    random = np.random.default_rng(layers)
    weights: dict[str, np.ndarray] = {}
    builder = Builder()

    def weight(label: str, shape: tuple[int, ...]) -> Value:
        weights[label] = random.standard_normal(shape).astype(np.float32) / 2
        return builder.add(graph_structure.Parameter(label, shape, DType.F32))

    x = builder.add(graph_structure.Input("x", (3, width), DType.F32))
    # cheap: it comes from an input alone, and every layer reads it
    shift = builder.add(graph_compute.Unary(x, "tanh"))
    first = weight("first", (width, width))
    y = builder.add(graph_compute.Contract(x, first, "mk", "nk", "mn"))
    stores: list[tuple[Value, Value]] = []
    for layer in range(layers):
        given = y
        if has_state:
            label = f"{layer}.state"
            weights[label] = np.zeros((3, width), np.float32)
            state = builder.add(graph_structure.State(label, (3, width), DType.F32))
            y = builder.add(graph_compute.Binary(state, y, "add"))
            stores.append((state, y))
        for number, kind in enumerate(block):
            if kind == "contract":
                w = weight(f"{layer}.{number}", (width, width))
                y = builder.add(graph_compute.Contract(y, w, "mk", "nk", "mn"))
            elif kind == "shift":
                y = builder.add(graph_compute.Binary(y, shift, "add"))
            else:
                y = builder.add(graph_compute.Unary(y, kind))
        y = builder.add(graph_compute.Binary(y, given, "add"))
    last = weight("last", (4, width))
    y = builder.add(graph_compute.Contract(y, last, "mk", "nk", "mn"))
    builder.effect(graph_structure.Output(y, "y"))
    for state, value in stores:
        builder.effect(graph_structure.Store(state, value))
    program = Program("graph", "layered", tuple(builder.statements))
    return Unit(program, weights, machine("wse2"))


_BLOCKS = st.lists(st.sampled_from(("contract", "shift", "relu", "tanh")), min_size=2, max_size=5)


@settings(max_examples=40)
@given(st.integers(2, 5), _BLOCKS, st.booleans())
def test_layers_are_found_and_every_stage_has_one(
    layers: int, block: list[str], has_state: bool
) -> None:
    program = layered(layers, ("contract", *block, "contract"), has_state=has_state).program
    stages = natural_stages(program)
    parts = cut_entries(program, stages)
    layers_of = [
        {
            s.op.label.split(".")[0]
            for entry in part
            for s in entry
            if isinstance(s.op, graph_structure.Parameter) and "." in s.op.label
        }
        for part in parts
    ]
    # a layer may be in two stages, but no two layers in one
    found = [set(found) for found, _ in groupby(found for found in layers_of if found)]
    assert found == [{str(n)} for n in range(layers)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nothing_repeats_in_a_chain_of_different_operations(count: int) -> None:
    builder = Builder()
    y = builder.add(graph_structure.Input("x", (4, 4), DType.F32))
    for fn in ("exp", "tanh", "neg")[:count]:
        y = builder.add(graph_compute.Unary(y, fn))
    builder.effect(graph_structure.Output(y, "y"))
    assert natural_stages(Program("graph", "chain", tuple(builder.statements))) == 1


@settings(max_examples=25)
@given(st.integers(2, 4), _BLOCKS, st.booleans(), st.sampled_from(((2, 2), (3, 2), (1, 4))))
def test_programs_of_layers_mean_what_their_graphs_mean(
    layers: int, block: list[str], has_state: bool, grid: tuple[int, int]
) -> None:
    unit = layered(layers, ("contract", *block), has_state=has_state)
    found = Tile(*grid, stages=0, beam=8, sweeps=2).run(unit)
    verify(found.program)
    again = Tile(*grid, stages=0, beam=8, sweeps=2).run(unit)
    assert print_program(again.program) == print_program(found.program)
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)}
    expected_states: dict[str, np.ndarray] = {}
    states: dict[str, np.ndarray] = {}
    for _ in range(2):
        expected = graph_meaning.evaluate(unit.program, inputs, unit.weights, expected_states)
        result = tiled_meaning.evaluate(found.program, inputs, unit.weights, states, poison=True)
        for label, array in (expected | expected_states).items():
            got = (result | states)[label]
            np.testing.assert_allclose(got, array, rtol=1e-3, atol=1e-4 * np.abs(array).max())


def chained(steps: list[tuple[str, int]]) -> tuple[Statement, ...]:
    """An input, and operations on what the one before made and what one so far back made."""
    builder = Builder()
    made = [builder.add(graph_structure.Input("x", (4, 4), DType.F32))]
    for fn, back in steps:
        earlier = made[max(0, len(made) - 1 - back)]
        made.append(builder.add(graph_compute.Binary(made[-1], earlier, fn)))
    return tuple(builder.statements)


def found_in(steps: list[tuple[str, int]], crossing: list[float]) -> Repeats | None:
    source, *work = chained(steps)
    assert source.result is not None
    return find_repeats(work, {source.result: source}, crossing)


def test_what_repeats_has_operands_from_alike_places() -> None:
    assert found_in([("add", 1), ("mul", 2)] * 4, [1.0] * 8) == Repeats(2, 2, 3)
    others = [step for back in (1, 2, 3, 4) for step in (("add", 1), ("mul", back))]
    assert found_in(others, [1.0] * 8) is None


def test_a_repetition_begins_where_least_crosses() -> None:
    steps = [("add", 1), ("mul", 2)] * 4 + [("add", 1)]
    assert found_in(steps, [1.0] * 9) == Repeats(2, 2, 3)
    assert found_in(steps, [9.0, 9.0, 9.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0]) == Repeats(3, 2, 3)


def test_forms_tell_where_operands_come_from() -> None:
    forms = [form_of(chained([("add", 1), ("mul", back)]), ()) for back in (0, 1, 0)]
    assert forms[0] == forms[2]
    assert forms[0] != forms[1]
