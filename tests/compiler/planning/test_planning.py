"""Plans of all levels mean the same, and what is searched longer is not reckoned slower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.compiler.tile.strategies_graph import graphs, grids
from tests.compiler.tile.test_search import problem_on
from tests.compiler.tile.test_tile import dense, same
from torch import nn

import waferc
from waferc.evaluate import graph as graph_meaning
from waferc.evaluate import tiled as tiled_meaning
from waferc.layouts.kicks import kicked
from waferc.layouts.search import improve, search
from waferc.options import CompileOptions, OptionError
from waferc.passes.allocate import AllocateError
from waferc.planning import Plan, Planned, plan
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import machine
from waferc_ir.ops.graph_compute import Binary, Reduce
from waferc_ir.ops.graph_structure import Entry, Input, Output, State
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program

BUDGET = 600.0  # so that only plans end a search


def _planned(unit: Unit, level: int, **options: Any) -> Plan:
    budget = BUDGET if level == 2 else None
    chosen = CompileOptions(target=unit.machine, optimize=level, time_budget=budget, **options)
    return plan(unit, chosen).plan


@settings(max_examples=12)
@given(graphs(4), grids)
def test_all_levels_mean_the_same_and_none_is_reckoned_slower_than_the_one_below(
    drawn: Any, grid: tuple[int, int]
) -> None:
    program, inputs, weights = drawn
    unit = Unit(program, weights, machine("wse2"))
    expected = graph_meaning.evaluate(program, inputs, weights)
    try:
        plans = [_planned(unit, level, region=grid) for level in (0, 1, 2)]
    except AllocateError:
        assume(False)
        raise
    for found in plans:
        given = {**weights, **found.placed.wafers[0].weights}
        same(
            tiled_meaning.evaluate(found.placed.wafers[0].program, inputs, given, poison=True),
            expected,
        )
    plain, usual, best = (found.total for found in plans)
    assert best <= usual <= plain


@settings(max_examples=4)
@given(graphs(3))
def test_a_free_grid_is_reckoned_no_slower_than_the_smallest(drawn: Any) -> None:
    program, inputs, weights = drawn
    unit = Unit(program, weights, machine("wse2").grid(6, 4))
    usual, best = _planned(unit, 1), _planned(unit, 2)
    assert best.total <= usual.total
    again = _planned(unit, 2)
    assert print_program(again.placed.wafers[0].program) == print_program(
        best.placed.wafers[0].program
    )
    expected = graph_meaning.evaluate(program, inputs, weights)
    given = {**weights, **best.placed.wafers[0].weights}
    same(
        tiled_meaning.evaluate(best.placed.wafers[0].program, inputs, given, poison=True), expected
    )


@settings(max_examples=20)
@given(graphs(5), st.integers(0, 9))
def test_kicks_never_raise_the_price(drawn: Any, seed: int) -> None:
    problem = problem_on(drawn[0], 4, 3)
    before = search(problem, 1, 0)
    after = kicked(problem, before, 3, 2, seed)
    assert after.price <= before.price
    assert improve(problem, after.choices, 0) == after
    assert kicked(problem, before, 3, 2, seed) == after


def _two_ways(calls: tuple[int, int]) -> Unit:
    """Entries that sum a state along its rows and along its columns."""
    builder = Builder()
    state = builder.add(State("s", (60, 60), DType.F32))
    for label, dim, times in zip("ab", (0, 1), calls, strict=True):
        builder.effect(Entry(label, times))
        x = builder.add(Input(f"x_{label}", (60, 60), DType.F32))
        summed = builder.add(Reduce(builder.add(Binary(x, state, "mul")), "sum", (dim,)))
        builder.effect(Output(summed, f"y_{label}"))
    program = Program("graph", "two", tuple(builder.statements))
    return Unit(program, {"s": np.zeros((60, 60), np.float32)}, machine("wse2"))


def test_what_is_called_often_is_made_fast() -> None:
    often_a, often_b = (
        _planned(_two_ways(calls), 1, region=(6, 1)).cycles for calls in ((9, 1), (1, 9))
    )
    assert often_a["a"] < often_b["a"]
    assert often_b["b"] < often_a["b"]


def _layers() -> tuple[nn.Module, tuple[torch.Tensor]]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 40)).eval(), (
        torch.randn(1, 48),
    )


def test_a_search_says_what_ended_it_and_measures_the_best() -> None:
    model, inputs = _layers()
    small = machine("wse2").grid(12, 9)
    whole = waferc.compile(model, inputs, target=small, optimize=2, time_budget=BUDGET, measure=2)
    assert whole.verify().passed
    usual = waferc.compile(model, inputs, target=small)
    assert whole.report().cycles < usual.report().cycles
    with pytest.raises(OptionError, match="plans cannot be measured without data: what @map costs"):
        waferc.compile(nn.Softplus(), inputs, region=(2, 1), optimize=2, measure=1)
    with pytest.raises(OptionError, match="calls of decode are given"):
        waferc.compile(model, inputs, calls={"decode": 2})


def test_a_spent_budget_ends_the_search_with_the_plan_of_level_1() -> None:
    program, weights = dense(4, 256, 512)
    unit = Unit(program, weights, machine("wse2"))
    said: list[str] = []
    found: Planned = plan(
        unit, CompileOptions("wse2", optimize=2, time_budget=1e-9), say=said.append
    )
    assert found.tried == 1
    assert found.ended == "the time budget is spent"
    assert print_program(found.plan.placed.wafers[0].program) == print_program(
        plan(unit, CompileOptions("wse2")).plan.placed.wafers[0].program
    )
    assert said == [str(found.plan)]
