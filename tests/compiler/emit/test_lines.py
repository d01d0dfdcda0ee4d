"""Collectives on lines of any root and any groups: what they compute, and what they take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.emit.running_tiles import assert_means, session_of
from tests.compiler.emit.strategies_tiles import Case, lines_of, numbers

from waferc.layouts.lines import Demand, LineCost, best_line, wavelets
from waferc.passes.route import Route
from waferc_ir.dtypes import DType
from waferc_ir.machine import MACHINES, WSE2
from waferc_ir.ops import collective, tile_compute
from waferc_ir.types import Axis, Layout, Line, Region, Split


def _region(axis: Axis, line: Line) -> Region:
    width, height = (line.pes, 1) if axis == "x" else (1, line.pes)
    mine, other = (line.root, line.group), (0, 0)
    lines = (*mine, *other) if axis == "x" else (*other, *mine)
    colors = tuple(range(10 if line.group else 6))
    return Region("r0", width, height, 1, 0, colors, lines=lines)


@st.composite
def line_cases(draw: st.DrawFn, largest: int) -> Case:
    """A reduction over a line and an all_gather along it; blocks may end before the line does."""
    axis: Axis = draw(st.sampled_from(("x", "y")))
    pes = draw(st.integers(1, largest))
    line = Line(pes, *draw(lines_of(pes)))
    case = Case(_region(axis, line), draw(st.sampled_from([DType.F32, DType.F16])))
    dtype = draw(st.sampled_from([case.dtype, DType.I32]))
    block, lanes = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    extent = draw(st.integers(max(1, block * (pes - 3)), block * pes))
    layout = Layout((None, Split(axis, block)))
    x = case.input(numbers(draw, (lanes, extent), dtype), layout)
    case.output(case.add(collective.AllGather(x, axis)), "all")
    fn = draw(st.sampled_from(["sum", "max", "min"]))
    shape = (lanes, block * pes)
    y = case.input(numbers(draw, shape, dtype), layout)
    partial = case.add(tile_compute.Reduce(y, fn, (1,)))
    over = partial if draw(st.booleans()) else None
    case.output(case.add(collective.AllReduce(partial, axis), over=over), "reduced")
    return case


def _check(case: Case, target: str, engine: str) -> None:
    assert_means(case, case.unit(target), engine)


@settings(max_examples=16, deadline=None)
@given(line_cases(15), st.sampled_from(["wse2", "wse3"]))
def test_collectives_on_any_line_compute_what_they_mean(case: Case, target: str) -> None:
    _check(case, target, "vector")


@settings(max_examples=4, deadline=None)
@given(line_cases(9), st.sampled_from(["wse2", "wse3"]))
def test_the_reference_engine_agrees_on_lines(case: Case, target: str) -> None:
    _check(case, target, "reference")


def _measured(line: Line, words: int, target: str, blocks: int) -> int:
    """Cycles of a program with one all_gather of blocks, or an all_reduce if there are none."""
    case = Case(_region("x", line))
    if blocks:
        x = case.input(np.zeros((words * blocks,), np.float32), Layout((Split("x", words),)))
        case.output(case.add(collective.AllGather(x, "x")))
    else:
        x = case.input(np.zeros((words, line.pes), np.float32), Layout((None, Split("x", 1))))
        case.output(case.finish(case.add(tile_compute.Reduce(x, "sum", (1,)))))
    session = session_of(case.unit(target), "vector")
    session.run(case.inputs)
    assert session.last_call is not None
    return session.last_call.statistics.cycles


@pytest.mark.parametrize("target", ["wse2", "wse3"])
@pytest.mark.parametrize(("blocks", "pes"), [(0, 24), (0, 200), (60, 60), (50, 200)])
def test_the_cost_of_a_line_is_near_what_it_takes(target: str, blocks: int, pes: int) -> None:
    machine = MACHINES[target]
    for root, group in ((pes - 1, 0), (pes // 2, 0), (pes // 2, 5), (pes // 2, 12)):
        for words in (1, 40):
            line = Line(pes, root, group)
            cost = LineCost(machine, line)
            expected = cost.all_reduce(words)
            if blocks:
                expected = cost.all_gather(words * blocks, blocks)
            measured = _measured(line, words, target, blocks)
            assert measured == pytest.approx(expected, rel=0.12, abs=170 if blocks else 100), (
                line,
                words,
            )


def test_long_lines_of_short_messages_have_groups_and_long_messages_a_chain() -> None:
    for pes in (100, 400, 750):
        line = best_line(WSE2, pes, Demand((16,)), grouped=True)
        assert line.root == pes // 2
        assert 1 < line.group < pes // 4
        plain = LineCost(WSE2, Line(pes, pes - 1)).all_reduce(16)
        assert LineCost(WSE2, line).all_reduce(16) < plain / 2
        assert best_line(WSE2, pes, Demand((16,)), grouped=False).group == 0
    assert best_line(WSE2, 8, Demand((4096,)), grouped=True) == Line(8, 7)


def test_route_chooses_the_line_by_what_the_program_sends() -> None:
    found: list[Region] = []
    for elements in (2, 4000):
        case = Case(Region("r0", 120, 1, 0, 0))
        x = case.input(np.zeros((elements, 120), np.float32), Layout((None, Split("x", 1))))
        case.output(case.finish(case.add(tile_compute.Reduce(x, "sum", (1,)))))
        routed = Route().run(case.unit("wse2"))
        found.append(replace(routed.program.regions[0]))
    short, long = found
    assert short.line("x").group > 1
    assert len(short.colors) == 10
    assert long.line("x") == Line(120, 119)
    assert len(long.colors) == 6


def test_halves_of_elements_share_a_wavelet() -> None:
    assert [wavelets(5, dtype) for dtype in (DType.F16, DType.F32, DType.I32)] == [3, 5, 5]
