"""The trace of a call: slices that nest on every track, flows between regions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waferc.compiled import Compiled
from waferc.kernels import kernel_costs, kernels_of
from waferc.trace import trace


@pytest.fixture(scope="module")
def rows(two_regions: Compiled) -> list[dict[str, Any]]:
    two_regions.profile()
    call = two_regions.session.last_call
    assert call is not None
    assert call.profile is not None
    costs = kernel_costs(kernels_of(two_regions.bundle.manifest), call.profile)
    return json.loads(trace(costs, call.profile))["traceEvents"]


def names(rows: list[dict[str, Any]], what: str) -> list[str]:
    return [row["args"]["name"] for row in rows if row["name"] == f"{what}_name"]


def test_a_track_for_each_region_and_class(rows: list[dict[str, Any]]) -> None:
    assert names(rows, "process") == ["region r0", "region r1"]
    threads = names(rows, "thread")
    assert [name for name in threads if name.endswith("(means) of r0.csl")] == [
        "6 PEs (means) of r0.csl"
    ]
    assert "PE (0, 0)" in threads
    assert "PE (5, 1)" in threads


def test_slices_of_a_track_nest(rows: list[dict[str, Any]]) -> None:
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for row in rows:
        if row["ph"] == "X":
            slices = tracks.setdefault((row["pid"], row["tid"]), [])
            slices.append((row["ts"], row["ts"] + row["dur"]))
    assert len(tracks) == len(names(rows, "thread"))
    for slices in tracks.values():
        assert len(slices) > 3
        for place, (begin, end) in enumerate(slices):
            for other, until in slices[place + 1 :]:
                inside = begin - 1e-2 <= other and until <= end + 1e-2
                assert inside or other >= end - 1e-2 or until <= begin + 1e-2


def test_a_slice_tells_where_its_cycles_went(
    rows: list[dict[str, Any]], two_regions: Compiled
) -> None:
    report = two_regions.profile()
    assert report.watched is not None
    cost = report.watched.kernels[0]
    row = next(row for row in rows if row["name"] == cost.kernel.function)
    assert row["cat"] == "tile.contract"
    assert row["dur"] == pytest.approx(cost.cycles, abs=1e-2)  # pyright: ignore[reportUnknownMemberType]
    parts = ("computing", "moving words", "waiting for memory", "waiting")
    assert sum(row["args"][part] for part in parts) == pytest.approx(cost.cycles, abs=0.3)  # pyright: ignore[reportUnknownMemberType]
    assert row["args"]["line"].startswith("linear.py:")
    assert row["args"]["estimate"] == cost.kernel.estimate


def test_streams_are_flows_from_send_to_receive(rows: list[dict[str, Any]]) -> None:
    begin, end = (row for row in rows if row["ph"] in "sf")
    assert (begin["ph"], end["ph"], end["bp"]) == ("s", "f", "e")
    assert begin["id"] == end["id"]
    for flow, suffix in ((begin, "_send"), (end, "_receive")):
        (touched,) = [
            row["name"]
            for row in rows
            if row["ph"] == "X"
            and (row["pid"], row["tid"]) == (flow["pid"], flow["tid"])
            and row["name"].endswith(suffix)
            and row["ts"] - 1e-2 <= flow["ts"] <= row["ts"] + row["dur"] + 1e-2
        ]
        assert touched.endswith(suffix)
    assert begin["ts"] <= end["ts"]
