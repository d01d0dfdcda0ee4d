"""The page's data, and the page: one file that needs nothing beside itself.

Measures of PEs are arrays over the program rectangle, row by row, deflated and in base 64: a full
wafer is a few megabytes. Everything else is JSON. Templates escape all text.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from waferc.kernels import KernelCost
from waferc.report import Report, Watched
from waferc_runtime.energy import scaled
from waferc_runtime.host.session import CallMeasures, Session
from waferc_runtime.profile import Profile

_SCRIPTS = ("base.js", "floor.js", "time.js", "tables.js", "start.js")
_DIRECTIONS = ("east", "west", "north", "south")
_ENVIRONMENT = Environment(
    undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def page(session: Session, report: Report) -> str:
    """The HTML text of the session's last call, which must have been watched."""
    call = session.last_call
    assert call is not None, "no call to show"
    assert call.profile is not None, "the call was not watched"
    assert report.watched is not None, "a report of the same call"
    correlation = report.watched.rank_correlation
    return _ENVIRONMENT.from_string(_text("page.html.j2")).render(
        title=report.title,
        style=_text("page.css"),
        scripts=[_text(name) for name in _SCRIPTS],
        facts=_facts(report),
        correlation=None if correlation is None else f"{correlation:.2f}",
        data=document(session, report, call, call.profile, report.watched),
    )


def document(
    session: Session, report: Report, call: CallMeasures, profile: Profile, watched: Watched
) -> dict[str, Any]:
    """The data of the page; `packed` arrays are little-endian unsigned integers [y, x]."""
    owners, owner = _owners(session, profile)
    statistics = call.statistics
    compute, moving, conflicts, waiting = profile.spent
    return {
        "width": report.width,
        "height": report.height,
        "cycles": report.cycles,
        "sram_bytes": report.machine.sram_bytes,
        "owners": owners,
        "owner": packed(owner),
        "regions": [
            {"name": r.name, "x": r.x, "y": r.y, "width": r.width, "height": r.height}
            for r in session.bundle.manifest.regions
        ],
        "maps": [
            _map("busy", "busy", "cycles", statistics.busy_cycles),
            _map("compute", "computing", "cycles", compute),
            _map("moving", "moving words", "cycles", moving),
            _map("memory", "waiting for memory", "cycles", conflicts),
            _map("waiting", "waiting", "cycles", waiting),
            _map("sram", "SRAM", "bytes", _sram(session, owner.shape)),
            _map("link", "busiest link", "words", statistics.link_load.max(axis=0), traffic=True),
        ],
        "links": [
            {"title": title, "values": packed(load)}
            for title, load in zip(_DIRECTIONS, statistics.link_load, strict=True)
        ],
        "spent": {
            "compute": watched.spent.compute,
            "moving": watched.spent.moving,
            "memory": watched.spent.conflicts,
            "waiting": watched.spent.waiting,
        },
        "kernels": [_kernel(cost) for cost in watched.kernels],
        "path": [
            {"region": leg.region, "first": leg.first, "last": leg.last,
             "begin": leg.begin, "end": leg.end}
            for leg in watched.path
        ],
        "memory": [
            {"region": part.region, "pes": part.pes, "bytes": part.used_bytes}
            for part in report.memory
        ],
        "colors": [
            {"color": load.color, "hops": load.word_hops, "links": load.links,
             "busiest": load.busiest_words, "x": load.x, "y": load.y,
             "direction": load.direction}
            for load in watched.colors
        ],
    }  # fmt: skip


def packed(values: NDArray[Any]) -> dict[str, Any]:
    """An array of integers that are not negative, for the page."""
    most = int(values.max(initial=0))
    size = next(size for size in (1, 2, 4, 8) if most < 1 << (8 * size))
    raw = np.ascontiguousarray(values, np.dtype(f"<u{size}")).tobytes()
    return {"bytes": size, "data": base64.b64encode(zlib.compress(raw)).decode("ascii")}


def _map(
    key: str, title: str, unit: str, values: NDArray[Any], *, traffic: bool = False
) -> dict[str, Any]:
    legend = f"{unit} of a PE" if not traffic else f"{unit} on a PE's busiest link"
    return {
        "key": key,
        "title": title,
        "unit": unit,
        "legend": legend,
        "isTraffic": traffic,
        "values": packed(values),
    }


def _owners(session: Session, profile: Profile) -> tuple[list[str], NDArray[np.int64]]:
    """Names of what PEs run, and each PE's number among them, from 1 on: [y, x]; 0: nothing."""
    names: list[str] = []
    manifest = session.bundle.manifest
    owner = np.zeros(profile.spent.shape[1:], np.int64)
    for pe_class in session.elaborated.classes:
        if pe_class.file not in names:
            names.append(pe_class.file)
        owner[pe_class.y, pe_class.x] = names.index(pe_class.file) + 1
    for area in manifest.regions:
        rows, columns = slice(area.y, area.y + area.height), slice(area.x, area.x + area.width)
        file = names[int(owner[area.y, area.x]) - 1]
        name = f"region {area.name}, {file}"
        names.append(name)
        owner[rows, columns] = len(names)
    return names, owner


def _sram(session: Session, shape: Sequence[int]) -> NDArray[np.int64]:
    assert session.last_call is not None
    found = np.zeros(shape, np.int64)
    used = session.last_call.statistics.sram_bytes
    for pe_class, size in zip(session.elaborated.classes, used, strict=True):
        found[pe_class.y, pe_class.x] = size
    return found


def _kernel(cost: KernelCost) -> dict[str, Any]:
    compute, moving, conflicts, waiting = (round(part, 1) for part in cost.mean())
    limits = cost.kernel.bounds
    found = {
        "arithmetic": limits.arithmetic,
        "memory": limits.memory,
        "bisection": limits.bisection,
    }
    return {
        "region": cost.kernel.region,
        "function": cost.kernel.function,
        "operation": cost.kernel.operation,
        "line": cost.kernel.place,
        "begin": round(cost.begin, 1),
        "end": round(cost.end, 1),
        "first": cost.first,
        "last": cost.last,
        "cycles": round(cost.cycles, 1),
        "compute": compute,
        "moving": moving,
        "memory": conflicts,
        "waiting": waiting,
        "estimate": cost.kernel.estimate,
        "least": limits.most,
        "limit": max(found, key=lambda name: found[name]),
    }


def _facts(report: Report) -> list[tuple[str, str]]:
    return [
        ("PEs", f"{report.pes:,} of {report.width:,} x {report.height:,}"),
        ("cycles", f"{report.cycles:,}"),
        ("time", f"{scaled(report.seconds, 's')} at {report.machine.clock_hz / 1e6:,.0f} MHz"),
        ("busy", f"{report.busy:.1%} of all PE cycles"),
        ("multiply-accumulates", f"{report.macs:,} ({report.peak_share:.1%} of the peak)"),
        ("traffic", f"{report.wavelets_sent:,} words, {report.wavelet_hops:,} hops"),
        ("largest SRAM", f"{report.largest_sram_bytes:,} of {report.machine.sram_bytes:,} bytes"),
        ("energy", str(report.energy)),
    ]


def _text(name: str) -> str:
    return (resources.files("waferc.page") / name).read_text(encoding="utf-8")
