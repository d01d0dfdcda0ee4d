from __future__ import annotations

import itertools
import math
from typing import Any

from hypothesis import assume, given, settings
from tests.compiler.tile.strategies_graph import graphs

from waferc.layouts.candidates import Grid, inner_factors
from waferc.layouts.cost import CostModel
from waferc.layouts.problem import Rates, problem_of, steps_of
from waferc.layouts.relayout import Cut, Relayouts
from waferc.layouts.search import improve, search
from waferc.layouts.stages import cut
from waferc.layouts.strategy import Space
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2
from waferc_ir.program import Program
from waferc_ir.types import AXES, Layout, Split

MOST = 3_000  # combinations that a test goes through


def problem_on(program: Program, width: int, height: int) -> Any:
    grid, cost = Grid(width, height, inner_factors(program)), CostModel(WSE2, width, height)
    (part,) = cut(program, 1)
    steps = steps_of([part], [{}], [1], Space(grid, cost), {})
    return problem_of(steps, Relayouts(cost), Rates(0.5, 0.5))


@settings(max_examples=40)
@given(graphs(max_steps=3))
def test_a_wide_beam_finds_the_cheapest_layouts(drawn: Any) -> None:
    problem = problem_on(drawn[0], 3, 2)
    counts = [len(step.strategies) for step in problem.steps]
    assume(1 < math.prod(counts) <= MOST)
    prices = [
        improve(problem, choices, 0).price
        for choices in itertools.product(*(range(count) for count in counts))
    ]
    assert search(problem, MOST, 0).price == min(prices)


@given(graphs(max_steps=8))
def test_sweeps_never_raise_the_price(drawn: Any) -> None:
    problem = problem_on(drawn[0], 4, 3)
    before = search(problem, 2, 0)
    after = search(problem, 2, 3)
    assert after.price <= before.price
    assert improve(problem, after.choices, 0) == after


def test_relayouts_cut_before_they_gather() -> None:
    relayouts = Relayouts(CostModel(WSE2, 4, 4))
    source = Layout((Split("x", 4), None))
    target = Layout((None, Split("y", 8)))
    found = relayouts.find((16, 32), DType.F32, source, target)
    assert isinstance(found.steps[0], Cut)
    assert len(found.steps) == 2


def test_relayouts_end_in_the_wanted_layout() -> None:
    shape = (6, 7, 5)
    grid = Grid(3, 2, {6: (3,)})
    relayouts = Relayouts(CostModel(WSE2, 3, 2))
    for source, target in itertools.product(grid.layouts(shape), repeat=2):
        splits = list(source.splits)
        for step in relayouts.find(shape, DType.F32, source, target).steps:
            if isinstance(step, Cut):
                used = {split.axis for split in splits if split is not None}
                assert splits[step.dim] is None
                assert step.split.axis not in used
                splits[step.dim] = step.split
            else:
                (dim,) = [n for n, s in enumerate(splits) if s is not None and s.axis == step.axis]
                splits[dim] = None
        assert tuple(splits) == target.splits


def test_candidates_split_an_axis_once_and_respect_reshapes() -> None:
    layouts = Grid(16, 4, {128: (16,)}).layouts((64, 128))
    assert len(set(layouts)) == len(layouts)
    for layout in layouts:
        for axis in AXES:
            assert sum(split is not None and split.axis == axis for split in layout.splits) <= 1
    assert {layout.splits[1] for layout in layouts} == {
        None, Split("x", 8), Split("x", 16), Split("y", 32),
    }  # fmt: skip
