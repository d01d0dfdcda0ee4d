"""`Compiled.profile` and the text of a report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from waferc.compiled import Compiled
from waferc.kernels import kernels_of
from waferc.report_tables import tables
from waferc_runtime.host.json_fields import BundleError

KERNEL = {
    "region": "r0",
    "function": "op1_add",
    "operation": "tile.binary",
    "place": "",
    "estimate": 1,
    "bounds": {"arithmetic": 0, "memory": 0, "bisection": 0},
}


def test_a_call_that_is_not_watched_has_no_kernels(two_regions: Compiled) -> None:
    watched = two_regions.profile()
    two_regions.run({"input": np.zeros((4, 12), np.float32)})
    plain = two_regions.report()
    assert watched.watched is not None
    assert plain.watched is None
    assert plain.cycles == watched.cycles  # watching takes no cycles


def _with(compiled: Compiled, engine: str) -> Compiled:
    return Compiled(compiled.bundle, compiled.signatures, compiled.host_scripts, engine=engine)


def test_the_phantom_engine_reports_the_same(two_regions: Compiled) -> None:
    first, second = two_regions.profile(), _with(two_regions, "phantom").profile()
    assert first.watched is not None
    assert first.watched == second.watched


def test_the_reference_engine_reports_nearly_the_same(two_regions: Compiled) -> None:
    first, second = two_regions.profile().watched, _with(two_regions, "reference").profile().watched
    assert first is not None
    assert second is not None
    assert [cost.kernel for cost in first.kernels] == [cost.kernel for cost in second.kernels]
    for one, other in zip(first.kernels, second.kernels, strict=True):
        assert one.spent.compute == other.spent.compute
        assert one.spent.moving == other.spent.moving
        assert one.end == pytest.approx(other.end, rel=0.02)


def test_all_cycles_are_told(two_regions: Compiled) -> None:
    report = two_regions.profile()
    assert report.watched is not None
    assert report.watched.spent.total == report.cycles * report.pes
    for region in ("r0", "r1"):
        costs = [cost for cost in report.watched.kernels if cost.kernel.region == region]
        assert sum(cost.cycles for cost in costs) < report.cycles
        calls = 4 * len(costs)  # what `main` itself takes
        assert sum(c.cycles for c in costs) + calls >= max(c.end for c in costs) - 1
    assert sum(color.word_hops for color in report.watched.colors) == report.wavelet_hops


def test_the_text_of_a_report(two_regions: Compiled) -> None:
    report = two_regions.profile()
    assert report.watched is not None
    text = tables(report.watched)
    assert "critical path, " in text
    assert "rank correlation of estimate and cycles" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("  r0.op")]
    assert rows[0][0] == "r0." + report.watched.kernels[0].kernel.function
    assert rows[0][-1].startswith("linear.py:")
    for row in rows:
        cycles, *parts = (int(number.replace(",", "")) for number in row[1:6])
        assert abs(cycles - sum(parts)) <= 2  # rounded to whole cycles
    few = tables(report.watched, 3)
    longest = sorted(report.watched.kernels, key=lambda cost: -cost.cycles)[:3]
    listed = [line.split()[0] for line in few.splitlines() if ".op" in line]
    assert listed[:3] == [f"{c.kernel.region}.{c.kernel.function}" for c in longest]


@pytest.mark.parametrize("most", [1, None])
def test_the_busiest_are_listed_or_all(two_regions: Compiled, most: int | None) -> None:
    report = two_regions.profile()
    assert report.watched is not None
    rows = [line for line in tables(report.watched, most).splitlines() if ".op" in line]
    assert len(rows) == (1 if most == 1 else len(report.watched.kernels))


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        (3, "field kernels is a number, not an array"),
        ([{"region": "r0"}], "kernels[0] has no function, operation, place, estimate, bounds"),
        ([{**KERNEL, "estimate": -1}], "kernels[0].estimate is outside 0 to"),
        ([{**KERNEL, "bounds": {}}], "kernels[0].bounds has no arithmetic"),
        ([{**KERNEL, "stream": {"from": "r0"}}], "kernels[0].stream has no number, to"),
    ],
)
def test_damaged_kernels_are_refused(two_regions: Compiled, kernels: object, message: str) -> None:
    manifest = two_regions.bundle.manifest
    damaged = replace(manifest, document={**manifest.document, "kernels": kernels})
    with pytest.raises(BundleError) as caught:
        kernels_of(damaged)
    assert message in str(caught.value)


def test_the_slowest_region_bounds_how_often_calls_may_follow(two_regions: Compiled) -> None:
    report = two_regions.profile()
    assert report.watched is not None
    assert report.watched.slowest is not None
    region, cycles = report.watched.slowest
    own = {"r0": 0.0, "r1": 0.0}
    for cost in report.watched.kernels:
        own[cost.kernel.region] += 0.0 if cost.kernel.receives else cost.cycles
    assert max(own.values()) <= cycles < report.cycles
    assert f"as {region} works for {cycles:,.0f} cycles" in str(report)
