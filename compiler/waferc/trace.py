"""A watched call over time, in the JSON form that Perfetto and Chrome show.

A region is a process. A part of it (PEs of one class) is a thread, with each kernel at the mean of
its begins and ends over the PEs: as every PE goes through the kernels in order, these do not
overlap. Behind it come single PEs of the part, in its corners and in its middle, as they were.
Streams between regions are flows. One cycle is shown as one microsecond.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from waferc.kernels import Kernel, KernelCost, streams
from waferc_runtime.profile import Part, Path, Profile, Spent

_Row = dict[str, object]


@dataclass(slots=True)
class _Trace:
    kernels: Mapping[tuple[str, str], Kernel]
    rows: list[_Row] = field(default_factory=lambda: [])
    processes: dict[str, int] = field(default_factory=lambda: {})  # by region
    threads: int = 0
    tracks: dict[tuple[str, str], tuple[int, int]] = field(default_factory=lambda: {})  # of kernels

    def thread(self, region: str, name: str) -> tuple[int, int]:
        """A new thread of a region: its process and itself."""
        if region not in self.processes:
            process = self.processes[region] = len(self.processes) + 1
            self._name("process", process, 0, f"region {region}")
        process = self.processes[region]
        self.threads += 1
        self._name("thread", process, self.threads, name)
        return process, self.threads

    def _name(self, what: str, process: int, thread: int, name: str) -> None:
        """Name a process or a thread, and let it stand in order."""
        row: _Row = {"ph": "M", "pid": process, "tid": thread}
        order = process if what == "process" else thread
        self.rows.append({**row, "name": f"{what}_name", "args": {"name": name}})
        self.rows.append({**row, "name": f"{what}_sort_index", "args": {"sort_index": order}})

    def part(self, part: Part) -> None:
        """The threads of a part."""
        what = "1 PE" if part.pes == 1 else f"{part.pes:,} PEs (means)"
        track = self.thread(part.region, f"{what} of {part.file}")
        ends: dict[int, float] = {}  # of what was shown last, by depth
        for totals in part.functions:
            if totals.calls != part.pes:
                continue  # not once on every PE: there is no mean place
            depth = len(totals.path)
            begin = max(totals.begin, ends.get(depth, 0.0))
            ends[depth] = max(begin, totals.end)
            args = {
                **self._told(part.region, totals.path),
                **_cycles(totals.spent, totals.calls),
                "first PE begins": totals.first,
                "last PE ends": totals.last,
            }
            self._slice(track, part.region, totals.path, begin, totals.end, args)
            self.tracks.setdefault((part.region, totals.path[-1]), track)
        for sample in part.samples:
            track = self.thread(part.region, f"PE ({sample.x}, {sample.y})")
            for span in sorted(sample.spans, key=lambda s: (s.begin, len(s.path))):
                args = {**self._told(part.region, span.path), **_cycles(span.spent, 1)}
                self._slice(track, part.region, span.path, span.begin, span.end, args)

    def _slice(
        self,
        track: tuple[int, int],
        region: str,
        path: Path,
        begin: float,
        end: float,
        args: dict[str, object],
    ) -> None:
        kernel = self.kernels.get((region, path[-1]))
        first, last = round(begin, 3), round(max(begin, end), 3)  # so that neighbours still touch
        self.rows.append(
            {"ph": "X", "pid": track[0], "tid": track[1], "name": path[-1],
             "cat": "function" if kernel is None else kernel.operation,
             "ts": first, "dur": round(last - first, 3), "args": args}
        )  # fmt: skip

    def _told(self, region: str, path: Path) -> dict[str, object]:
        kernel = self.kernels.get((region, path[-1]))
        if kernel is None:
            return {}
        found: dict[str, object] = {"operation": kernel.operation}
        if kernel.place:
            found["line"] = kernel.place
        if kernel.estimate is not None:
            found["estimate"] = kernel.estimate
        found["at least"] = kernel.bounds.most
        return found

    def flow(self, number: int, send: KernelCost, receive: KernelCost) -> None:
        """A stream between two regions."""
        ends = (("s", send, send.begin), ("f", receive, receive.end))
        for phase, cost, cycle in ends:
            key = cost.kernel.region, cost.kernel.function
            if key not in self.tracks:
                return
            process, thread = self.tracks[key]
            row: _Row = {
                "ph": phase, "id": number, "cat": "stream", "name": "stream",
                "pid": process, "tid": thread, "ts": round(cycle, 3),
            }  # fmt: skip
            self.rows.append({**row, "bp": "e"} if phase == "f" else row)


def trace(costs: Sequence[KernelCost], profile: Profile) -> str:
    """The JSON text of a watched call."""
    kernels = {(cost.kernel.region, cost.kernel.function): cost.kernel for cost in costs}
    made = _Trace(kernels)
    for part in profile.parts:
        if part.functions:
            made.part(part)
    for number, (send, receive) in enumerate(streams(costs)):
        made.flow(number, send, receive)
    return json.dumps({"traceEvents": made.rows, "displayTimeUnit": "ns"}) + "\n"


def _cycles(spent: Spent, calls: int) -> dict[str, object]:
    parts = {
        "computing": spent.compute,
        "moving words": spent.moving,
        "waiting for memory": spent.conflicts,
        "waiting": spent.waiting,
    }
    return {name: round(cycles / calls, 1) for name, cycles in parts.items()}
