"""Kernels of drawn programs: what they took, what they take at least, what was expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.compiler.tile.strategies_graph import graphs, graphs_of_entries, grids
from tests.end_to_end.test_drawn_state import session

import waferc
from waferc.analysis.bounds import Bounds
from waferc.emit.diagnostics import EmitError
from waferc.kernels import (
    Kernel,
    KernelCost,
    Leg,
    Stream,
    critical_path,
    kernel_costs,
    kernels_of,
    on_path,
    rank_correlation,
)
from waferc.passes.allocate import AllocateError
from waferc.unit import Unit
from waferc_ir.machine import machine
from waferc_runtime.profile import Spent


@settings(max_examples=12)
@given(graphs(4, may_have_state=True), grids, st.sampled_from(["wse2", "wse3"]))
def test_no_kernel_takes_less_than_its_bounds(
    drawn: Any, grid: tuple[int, int], target: str
) -> None:
    program, inputs, weights = drawn
    try:
        wafer = session(Unit(program, weights, machine(target)), grid)
    except (EmitError, AllocateError):
        assume(False)
        raise
    wafer.run(inputs, watch=True)
    assert wafer.last_call is not None
    profile = wafer.last_call.profile
    assert profile is not None
    kernels = kernels_of(wafer.bundle.manifest)
    costs = kernel_costs(kernels, profile)
    assert [cost.kernel for cost in costs] == list(kernels)  # all run, in order of the program
    for cost in costs:
        limits = cost.kernel.bounds
        assert cost.longest >= limits.most, cost
        assert cost.kernel.estimate is not None, cost.kernel.operation
        assert cost.kernel.estimate >= max(limits.arithmetic, limits.memory, limits.bisection), cost
        assert sum(cost.mean()) == pytest.approx(cost.cycles)  # pyright: ignore[reportUnknownMemberType]
    (path,) = critical_path(costs) or (None,)
    if path is not None:
        assert (path.begin, path.first) == (0, costs[0].kernel.function)
        assert path.end == max(cost.last for cost in costs) <= profile.cycles


@settings(max_examples=6)
@given(graphs_of_entries(3), grids)
def test_no_kernel_of_an_entry_takes_less_than_its_bounds(
    drawn: Any, grid: tuple[int, int]
) -> None:
    program, inputs, weights = drawn
    try:
        wafer = session(Unit(program, weights, machine("wse2")), grid)
    except (EmitError, AllocateError):
        assume(False)
        raise
    kernels = kernels_of(wafer.bundle.manifest)
    seen: set[str] = set()
    for entry in wafer.bundle.manifest.entries:
        labels = {placement.label for placement in entry.inputs}
        wafer.run({k: v for k, v in inputs.items() if k in labels}, entry=entry.label, watch=True)
        assert wafer.last_call is not None
        assert wafer.last_call.profile is not None
        for cost in kernel_costs(kernels, wafer.last_call.profile):
            assert cost.longest >= cost.kernel.bounds.most, cost
            seen.add(cost.kernel.function)
    assert seen == {kernel.function for kernel in kernels}


@pytest.mark.parametrize("region", [(192, 1), (1, 192)])
def test_the_bisection_limit_is_near_on_a_long_line(region: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(384, 4, bias=False).eval()
    compiled = waferc.compile(layer, (torch.randn(1, 384),), region=region)
    watched = compiled.profile().watched
    assert watched is not None
    (line,) = [c for c in watched.kernels if c.kernel.operation == "collective.all_reduce"]
    assert line.kernel.bounds.bisection <= line.longest < 2 * line.kernel.bounds.bisection


class Long(torch.nn.Module):
    """A product, a sum, a maximum over windows: enough of each that setup counts for little."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 64, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.layer(x)) * x
        return torch.max_pool2d(x[None, None], 3)[0, 0] + x.sum()


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("region", [(1, 1), (4, 1)])
def test_no_bound_is_above_what_long_kernels_take(region: tuple[int, int], dtype: str) -> None:
    torch.manual_seed(0)
    compiled = waferc.compile(Long().eval(), (torch.randn(36, 64),), region=region, dtype=dtype)
    watched = compiled.profile().watched
    assert watched is not None
    for one in watched.kernels:
        assert one.longest >= one.kernel.bounds.most, one


def cost(
    region: str,
    function: str,
    first: int,
    last: int,
    *,
    stream: Stream | None = None,
    estimate: int = 0,
) -> KernelCost:
    kernel = Kernel(region, function, "tile.binary", "", estimate, Bounds(), stream)
    spent = Spent(last - first, 0, 0, 0)
    return KernelCost(kernel, 1, spent, first, last, first, last, last - first, last - first)


def test_the_critical_path_goes_back_to_the_sender_that_was_waited_for() -> None:
    there, back = Stream(0, "a", "b"), Stream(1, "b", "a")
    costs = [
        cost("a", "op1_add", 0, 100),
        cost("a", "op2_send", 100, 110, stream=there),
        cost("a", "op3_add", 110, 150),
        cost("a", "op6_receive", 150, 400, stream=back),
        cost("a", "op7_add", 400, 420),
        cost("b", "op4_add", 0, 20),
        cost("b", "op2_receive", 20, 130, stream=there),
        cost("b", "op5_add", 130, 380),
        cost("b", "op6_send", 380, 390, stream=back),
    ]
    path = critical_path(costs)
    assert path == (
        Leg("a", "op1_add", "op2_send", 0, 110),
        Leg("b", "op2_receive", "op6_send", 110, 390),
        Leg("a", "op6_receive", "op7_add", 390, 420),
    )
    kinds = ("tile.binary", "stream.transfer")
    named = [
        replace(c, kernel=replace(c.kernel, operation=kinds[c.kernel.stream is not None]))
        for c in costs
    ]
    assert on_path(named, path) == {"tile.binary": 370, "stream.transfer": 50}


def test_the_critical_path_stays_where_nothing_was_waited_for() -> None:
    there = Stream(0, "a", "b")
    costs = [
        cost("a", "op2_send", 0, 10, stream=there),
        cost("b", "op1_add", 0, 300),
        cost("b", "op2_receive", 300, 330, stream=there),
    ]
    assert critical_path(costs) == (Leg("b", "op1_add", "op2_receive", 0, 330),)
    assert critical_path([]) == ()


def test_rank_correlation() -> None:
    def of(*pairs: tuple[int, int]) -> float | None:
        return rank_correlation(cost("a", "f", 0, took, estimate=guess) for guess, took in pairs)

    assert of((1, 10), (2, 20), (3, 1000)) == pytest.approx(1.0)  # pyright: ignore[reportUnknownMemberType]
    assert of((1, 30), (2, 20), (3, 10)) == pytest.approx(-1.0)  # pyright: ignore[reportUnknownMemberType]
    # scipy.stats.spearmanr([1, 1, 2, 3], [5, 7, 7, 9])
    assert of((1, 5), (1, 7), (2, 7), (3, 9)) == pytest.approx(0.8333333333)  # pyright: ignore[reportUnknownMemberType]
    assert of((1, 1), (2, 2)) is None
    assert of((1, 5), (1, 6), (1, 7)) is None
