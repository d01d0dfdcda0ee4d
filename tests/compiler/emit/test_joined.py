"""Sums that go along a line together: what they compute, when they may, and what that saves."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.emit.running_tiles import assert_means, session_of
from tests.compiler.emit.strategies_tiles import Case, lines_of, numbers

from waferc.analysis.joined import joined
from waferc.passes.join_sums import JoinSums
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, tile_compute
from waferc_ir.program import Value
from waferc_ir.types import Layout, Line, Region, Split


def _region(line: Line) -> Region:
    colors = tuple(range(10 if line.group else 6))
    return Region("r0", line.pes, 1, 1, 0, colors, lines=(line.root, line.group, 0, 0))


def _groups(unit: Unit) -> list[int]:
    """How many sums go together, from the first group to the last."""
    groups = joined(unit.program.statements)
    return [len(one) for one in groups if isinstance(one[0].op, collective.AllReduce)]


@st.composite
def sum_cases(draw: st.DrawFn, largest: int) -> Case:
    """Reductions that follow one another along one line, of several lengths and kinds."""
    pes = draw(st.integers(2, largest))
    case = Case(_region(Line(pes, *draw(lines_of(pes)))), draw(st.sampled_from([*_FLOATS])))
    partial: list[Value] = []
    for _ in range(draw(st.integers(2, 4))):
        rows = draw(st.sampled_from([1, 2, 5, 40]))
        dtype = draw(st.sampled_from([case.dtype, case.dtype, DType.I32]))
        x = case.input(numbers(draw, (rows, pes), dtype), Layout((None, Split("x", 1))))
        fn = draw(st.sampled_from(["sum", "max", "min"]))
        partial.append(case.add(tile_compute.Reduce(x, fn, (1,))))
    sums = [
        case.add(collective.AllReduce(value, "x"), over=value if draw(st.booleans()) else None)
        for value in partial
    ]
    for number, value in enumerate(sums):
        case.output(value, f"y{number}")
    return case


_FLOATS = (DType.F32, DType.F16)


def _check(case: Case, target: str, engine: str) -> None:
    unit = case.unit(target)
    assert len(_groups(unit)) == 1
    assert_means(case, unit, engine)


@settings(max_examples=12, deadline=None)
@given(sum_cases(14), st.sampled_from(["wse2", "wse3"]))
def test_sums_on_their_way_together_are_what_each_is_alone(case: Case, target: str) -> None:
    _check(case, target, "vector")


@settings(max_examples=3, deadline=None)
@given(sum_cases(9), st.sampled_from(["wse2", "wse3"]))
def test_the_reference_engine_agrees_on_sums_together(case: Case, target: str) -> None:
    _check(case, target, "reference")


def _two_sums(*, apart: bool, chained: bool = False) -> Case:
    """Two sums over 60 PEs, one right behind the other or with work between that may need it."""
    case = Case(_region(Line(60, 30, 7)))
    split = Layout((None, Split("x", 1)))
    x = case.input(np.arange(120, dtype=np.float32).reshape(2, 60), split)
    y = case.input(np.ones((2, 60), np.float32), split)
    first = case.add(tile_compute.Reduce(x, "sum", (1,)))
    if apart:
        first = case.add(collective.AllReduce(first, "x"))
    if chained:
        y = case.add(tile_compute.Binary(y, first, "add"))
    second = case.add(tile_compute.Reduce(y, "sum", (1,)))
    if not apart:
        first = case.add(collective.AllReduce(first, "x"))
    second = case.add(collective.AllReduce(second, "x"))
    case.output(first, "first")
    case.output(second, "second")
    return case


def test_sums_are_brought_together_unless_one_needs_the_other() -> None:
    apart, together = (_two_sums(apart=apart).unit("wse2") for apart in (True, False))
    assert _groups(apart) == [1, 1]
    assert _groups(JoinSums().run(apart)) == [2]
    assert _groups(JoinSums().run(together)) == _groups(together) == [2]
    chained = _two_sums(apart=True, chained=True).unit("wse2")
    assert _groups(JoinSums().run(chained)) == [1, 1]


def test_sums_together_take_little_longer_than_one() -> None:
    cycles: list[int] = []
    for apart in (True, False):
        case = _two_sums(apart=apart)
        session = session_of(case.unit("wse2"), "vector")
        session.run(case.inputs)
        assert session.last_call is not None
        cycles.append(session.last_call.statistics.cycles)
    assert cycles[1] < 0.8 * cycles[0]
