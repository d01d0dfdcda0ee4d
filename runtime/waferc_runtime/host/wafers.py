"""A bundle on virtual wafers: one, or several that run one after the other.

Each wafer is a session of its own, with its weights and states. The host takes what one wafer
leaves for the next to it, over the network between them: nothing of that runs on the wafers, so
what it takes is told by the machine's constants, expected and as a band.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.engines import EngineFactory
from waferc_runtime.host.placement import Placement
from waferc_runtime.host.session import CallMeasures, Session, check_inputs

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Crossing:
    """What went from wafer `source` to wafer `target` in a call: bytes, and cycles of its time."""

    source: int
    target: int
    size_bytes: int
    best_cycles: int
    cycles: int
    worst_cycles: int


@dataclass(frozen=True, slots=True)
class WafersCall:
    """What one call of `entry` took: on each wafer in order, and between them."""

    entry: str
    wafers: tuple[CallMeasures, ...]
    crossings: tuple[Crossing, ...]
    wall_seconds: float

    @property
    def cycles(self) -> int:
        """From the beginning of the first wafer to the end of the last one."""
        own = sum(call.statistics.cycles for call in self.wafers)
        return own + sum(crossing.cycles for crossing in self.crossings)


class Wafers:
    """One program on several wafers; calls are those of `Session`."""

    def __init__(self, bundle: Bundle, engine: str | EngineFactory = "vector") -> None:
        self.bundle = bundle
        self.sessions = tuple(Session(wafer, engine) for wafer in bundle.wafers)
        self.last_call: WafersCall | None = None

    def reset(self) -> None:
        """Give all states the content that they had before the first call."""
        for session in self.sessions:
            session.reset()

    def states(self) -> dict[str, Array]:
        """What the states that calls change hold now, by label."""
        return {k: array for session in self.sessions for k, array in session.states().items()}

    def run(
        self, inputs: Mapping[str, Array], *, entry: str | None = None, watch: bool = False
    ) -> dict[str, Array]:
        """The outputs by label, for the inputs by label. Raises as `Session.run`."""
        called = self.bundle.manifest.entry(entry)
        known = check_inputs(called.inputs, inputs)
        start = time.perf_counter()
        wanted = {placement.label for placement in called.outputs}
        outputs: dict[str, Array] = {}
        for session in self.sessions:
            labels = {p.label for p in session.bundle.manifest.entry(called.label).inputs}
            given = {label: known[label] for label in labels}
            made = session.run(given, entry=called.label, watch=watch)
            known |= made
            outputs |= {label: array for label, array in made.items() if label in wanted}
        self._told(called.label, start)
        return outputs

    def measure(self, *, entry: str | None = None, watch: bool = False) -> WafersCall:
        """What a call takes, on what the wafers' memories hold: no input is written."""
        label = self.bundle.manifest.entry(entry).label
        start = time.perf_counter()
        for session in self.sessions:
            session.measure(entry=label, watch=watch)
        return self._told(label, start)

    def _told(self, entry: str, start: float) -> WafersCall:
        calls = tuple(s.last_call for s in self.sessions if s.last_call is not None)
        self.last_call = WafersCall(
            entry, calls, crossings(self.bundle, entry), time.perf_counter() - start
        )
        return self.last_call


def on_wafers(bundle: Bundle, engine: str | EngineFactory = "vector") -> Session | Wafers:
    """The bundle on as many wafers as it is for. Raises InputError as `Session`."""
    return Wafers(bundle, engine) if bundle.wafers else Session(bundle, engine)


def crossings(bundle: Bundle, entry: str) -> tuple[Crossing, ...]:
    """What goes from wafer to wafer in a call of an entry; all values of two wafers as one."""
    sizes: dict[tuple[int, int], int] = {}
    for link in bundle.links:
        if link.entry == entry:
            outputs = bundle.wafers[link.source].manifest.entry(entry).outputs
            ends = link.source, link.target
            sizes[ends] = sizes.get(ends, 0) + _bytes(outputs, link.label)
    machine = bundle.manifest.machine
    return tuple(
        Crossing(*ends, size, *link_cycles(machine, size)) for ends, size in sorted(sizes.items())
    )


def link_cycles(machine: Machine, size_bytes: int) -> tuple[int, int, int]:
    """Cycles for so many bytes from wafer to wafer: at best, expected, at worst.

    Latency, then bytes at the rate of the network.
    """
    clock = machine.clock_hz
    best, expected, worst = (
        -(-clock * latency // 10**9) - (-size_bytes * clock // (rate * 10**6))
        for latency, rate in zip(
            machine.wafer_link_latency_ns, machine.wafer_link_megabytes_per_second, strict=True
        )
    )
    return best, expected, worst


def _bytes(placements: Iterable[Placement], label: str) -> int:
    return sum(
        math.prod(placement.shape) * placement.dtype.size_bytes
        for placement in placements
        if placement.label == label
    )
