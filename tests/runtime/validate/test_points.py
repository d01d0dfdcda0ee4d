"""Published measurements: quick points on the vector engine, small ones on the other too."""

from __future__ import annotations

import pytest

from waferc import cli
from waferc_ir.machine import MACHINES
from waferc_runtime.host.engines import EngineName
from waferc_runtime.validate import reduce, stencil
from waferc_runtime.validate.point import Outcome, Point, ValidationError, measure
from waferc_runtime.validate.points import POINTS
from waferc_runtime.validate.program import run

QUICK = [point for point in POINTS if point.is_quick]
SMALL = [point for point in POINTS if point.is_small]


@pytest.mark.parametrize("point", QUICK, ids=lambda point: point.name)
def test_quick_points_are_within_their_bars(point: Point) -> None:
    outcome = measure(point)
    assert outcome.passed, f"{outcome.ours:,.0f} cycles, {outcome.error:+.2%}"


@pytest.mark.parametrize("point", SMALL, ids=lambda point: point.name)
def test_small_points_are_within_their_bars_on_the_reference_engine(point: Point) -> None:
    outcome = measure(point, "reference")
    assert outcome.passed, f"{outcome.ours:,.0f} cycles, {outcome.error:+.2%}"


@pytest.mark.parametrize("is_switched", [False, True])
@pytest.mark.parametrize(
    ("width", "group", "length"), [(16, 16, 40), (5, 5, 1), (13, 4, 60), (7, 2, 9), (29, 5, 32)]
)
def test_both_engines_take_as_long_for_a_reduction(
    width: int, group: int, length: int, is_switched: bool
) -> None:
    def cycles(engine: EngineName) -> int:
        return reduce.cycles(
            engine, width=width, group=group, length=length, is_switched=is_switched
        )

    assert cycles("vector") == cycles("reference")


def test_the_stencil_computes_what_numpy_does_and_its_threads_take_turns() -> None:
    side_by_side = stencil.cycles("vector", length=12, block=12, side=5)
    assert side_by_side < stencil.cycles("reference", length=12, block=12, side=5)


def test_ten_points_of_the_reduction_are_known() -> None:
    assert sum("SpMM_Cerebras, reduce" in point.source for point in POINTS) == 10


def test_names_are_told_apart_and_machines_are_known() -> None:
    assert len({(point.name, point.source) for point in POINTS}) == len(POINTS)
    assert {point.machine for point in POINTS} <= set(MACHINES)


def test_who_computes_something_wrong_is_not_measured() -> None:
    done = run("broadcast_layout.csl", "wse2", "vector", width=2, height=1, length=4)
    with pytest.raises(ValidationError, match=r"data of PE \(1, 0\)"):
        done.expect(1, 0, "data", 2)


def test_a_missed_bar_is_seen() -> None:
    point = POINTS[0]
    assert Outcome(point, point.published * (1 + 0.99 * point.bar)).passed
    assert not Outcome(point, point.published * (1 + 1.01 * point.bar)).passed
    assert not Outcome(point, point.published * (1 - 1.01 * point.bar)).passed


def test_the_table_has_a_row_for_each_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["machines", "wse3", "--validate", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = [point for point in QUICK if point.machine == "wse3"]
    assert len(lines) == len(wanted) + 2
    assert lines[1].startswith(wanted[0].name)
