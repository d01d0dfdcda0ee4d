"""What a call costs on the wafer: cycles by kernel, time, utilisation, memory, traffic, energy.

Energy is a band, and power times time: see `waferc_runtime.energy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from waferc.kernels import (
    KernelCost,
    Leg,
    critical_path,
    kernel_costs,
    kernels_of,
    rank_correlation,
)
from waferc.tokens import rates, tokens_of
from waferc_ir.dtypes import DType
from waferc_ir.entries import MAIN
from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.csl.core import PEClass
from waferc_runtime.energy import Energy, energy, scaled
from waferc_runtime.host.manifest import EntryPoint
from waferc_runtime.host.placement import Placement
from waferc_runtime.host.session import Session
from waferc_runtime.host.wafers import Crossing, Wafers, WafersCall
from waferc_runtime.profile import ColorLoad, Profile, Spent


@dataclass(frozen=True, slots=True)
class RegionMemory:
    """SRAM that a PE of a region needs at most; PEs between regions are the region `idle`."""

    region: str
    pes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the cycles of a call went: sums over all PEs, kernels, the critical path, colors."""

    spent: Spent
    kernels: tuple[KernelCost, ...]
    path: tuple[Leg, ...]
    colors: tuple[ColorLoad, ...]

    @property
    def rank_correlation(self) -> float | None:
        """Of the cost model's estimates and what kernels took."""
        return rank_correlation(self.kernels)

    @property
    def slowest(self) -> tuple[str, float] | None:
        """The region that works longest, and for how many cycles; None if there is but one.

        Waiting for what another region sends is no work.
        """
        work: dict[str, float] = {}
        for cost in self.kernels:
            waiting = cost.spent.waiting / cost.calls if cost.kernel.receives else 0.0
            region = cost.kernel.region
            work[region] = work.get(region, 0.0) + cost.cycles - waiting
        if len(work) < 2:
            return None
        return max(work.items(), key=lambda item: item[1])


@dataclass(frozen=True, slots=True)
class Report:
    """Costs of one call. `busy` is the share of PE cycles that compute or move data.

    `mac_rate` is multiply-accumulates per PE and cycle. `wall_seconds` is what the simulation
    took. `watched` is there if the call was. `entry` is what was called, one of `entries`. `relaid`
    counts weights that stand in several layouts, and `relaid_bytes` what the further ones take on a
    PE: that is what plans of entries that differ cost, as nothing is laid out anew between calls.
    `tokens` is how many tokens of a language model the call was about.

    A call on several wafers has a report for each in `wafers`, and what went between them in
    `crossings`. Its numbers are sums, its cycles from the beginning of the first wafer to the end
    of the last; a rectangle is the largest.
    """

    name: str
    machine: Machine
    dtype: DType
    width: int
    height: int
    memory: tuple[RegionMemory, ...]
    cycles: int
    busy: float
    macs: int
    flops: int
    wavelets_sent: int
    wavelet_hops: int
    busiest_link_wavelets: int
    energy: Energy
    wall_seconds: float
    watched: Watched | None = None
    entry: str = MAIN
    entries: int = 1
    relaid: int = 0
    relaid_bytes: int = 0
    tokens: int | None = None
    wafers: tuple[Report, ...] = ()
    crossings: tuple[Crossing, ...] = ()

    @property
    def title(self) -> str:
        """What was called, where, in which element type."""
        entry = "" if self.entry == MAIN else f", entry {self.entry}"
        return f"{self.name} on {self.machine.name}, {self.dtype}{entry}"

    @property
    def pes(self) -> int:
        """PEs that run a program of the model."""
        return sum(region.pes for region in self.memory)

    @property
    def seconds(self) -> float:
        """Time of a call on the machine."""
        return self.cycles / self.machine.clock_hz

    @property
    def mac_rate(self) -> float:
        """Multiply-accumulates per PE and cycle."""
        return self.macs / max(1, self.cycles * self.pes)

    @property
    def peak_share(self) -> float:
        """Multiply-accumulates as a share of what the PEs could do in that time."""
        name = "@fmach" if self.dtype is DType.F16 else "@fmacs"
        return self.mac_rate / DSD_OPS[name].elements_per_cycle(self.machine)

    @property
    def largest_sram_bytes(self) -> int:
        """SRAM of the PE that needs most."""
        return max((region.used_bytes for region in self.memory), default=0)

    @property
    def simulated_macs_per_second(self) -> float:
        """Multiply-accumulates of the wafer per second of simulation."""
        return self.macs / self.wall_seconds if self.wall_seconds else 0.0

    def _rate(self) -> str:
        slowest = None if self.watched is None else self.watched.slowest
        return rates(self.machine.clock_hz, self.cycles, slowest, self.tokens)

    def _wafers(self) -> list[str]:
        """What each of several wafers takes, and the way to the next."""
        lines: list[str] = []
        for number, one in enumerate(self.wafers):
            title = f"wafers       {len(self.wafers)}: " if not number else ""
            line = f"  {title:13}wafer {number} {one.cycles:,} cycles on {one.pes:,} PEs"
            for crossing in self.crossings:
                if crossing.source == number:
                    line += (
                        f", then {crossing.size_bytes:,} bytes to wafer {crossing.target} in"
                        f" {crossing.cycles:,} ({crossing.best_cycles:,} to"
                        f" {crossing.worst_cycles:,})"
                    )
            lines.append(line)
        return lines

    def __str__(self) -> str:
        megahertz = self.machine.clock_hz / 1e6
        lines = [
            self.title,
            f"  PEs          {self.pes:,} in {len(self.memory)} "
            f"{'region' if len(self.memory) == 1 else 'regions'}, "
            f"program rectangle {self.width} x {self.height}",
            f"  cycles       {self.cycles:,} = {scaled(self.seconds, 's')} at {megahertz:,.0f} MHz",
            f"  rate         {self._rate()}",
            f"  busy         {self.busy:.1%} of all PE cycles; "
            f"{self.mac_rate:.3f} multiply-accumulates per PE and cycle, "
            f"{self.peak_share:.1%} of the peak",
            f"  work         {self.macs:,} multiply-accumulates, {self.flops:,} flops",
            f"  traffic      {self.wavelets_sent:,} wavelets, {self.wavelet_hops:,} hops; "
            f"busiest link {self.busiest_link_wavelets:,}",
            f"  energy       {self.energy}",
            *(
                f"  SRAM         {region.region}: {region.used_bytes:,} of "
                f"{self.machine.sram_bytes:,} bytes on each of {region.pes:,} PEs"
                for region in self.memory
            ),
            f"  simulation   {self.wall_seconds:.3f} s, "
            f"{self.simulated_macs_per_second / 1e6:,.1f} million multiply-accumulates per second",
        ]
        if self.entries > 1 and not self.relaid:
            where = f"in one layout for all {self.entries} entries: none is laid out anew"
            lines[-1:-1] = [f"  weights      {where}"]
        if self.relaid:
            lines[-1:-1] = [
                f"  weights      {self.relaid:,} stand in several layouts: "
                f"{self.relaid_bytes:,} bytes more on a PE"
            ]
        if self.watched is not None:
            lines[4:4] = [f"  of these     {_shares(self.watched.spent)}"]
        lines[3:3] = self._wafers()
        return "\n".join(lines)


def _shares(spent: Spent) -> str:
    total = max(1, spent.total)
    return (
        f"computing {spent.compute / total:.1%}, moving words {spent.moving / total:.1%}, "
        f"waiting for memory {spent.conflicts / total:.1%}, waiting {spent.waiting / total:.1%}"
    )


def report(session: Session | Wafers) -> Report:
    """The costs of the session's last call, which there must be."""
    assert session.last_call is not None, "no call to report on"
    if isinstance(session, Wafers):
        return _whole(session, session.last_call)
    manifest = session.bundle.manifest
    machine = manifest.machine
    statistics = session.last_call.statistics
    memory = _memory(session.elaborated.classes, statistics.sram_bytes)
    pes = sum(region.pes for region in memory)
    busy = int(statistics.busy_cycles.sum())
    relaid, relaid_bytes = _relaid(manifest.state)
    return Report(
        name=manifest.name,
        machine=machine,
        dtype=manifest.dtype,
        width=manifest.width,
        height=manifest.height,
        memory=memory,
        cycles=statistics.cycles,
        busy=busy / max(1, statistics.cycles * pes),
        macs=statistics.macs,
        flops=statistics.flops,
        wavelets_sent=statistics.wavelets_sent,
        wavelet_hops=statistics.wavelet_hops,
        busiest_link_wavelets=int(statistics.link_load.max(initial=0)),
        energy=energy(statistics, machine),
        wall_seconds=session.last_call.wall_seconds,
        watched=_watched(session.last_call.profile, session),
        entry=session.last_call.entry,
        entries=len(manifest.entries),
        tokens=_tokens(manifest.entry(session.last_call.entry)),
        relaid=relaid,
        relaid_bytes=relaid_bytes,
    )


def _whole(session: Wafers, call: WafersCall) -> Report:
    """The costs of a call on several wafers. While one works, the others stand still."""
    wafers = tuple(report(one) for one in session.sessions)
    watched = [one.watched for one in wafers if one.watched is not None]
    machine = session.bundle.manifest.machine
    energies = [energy(replace(one.statistics, cycles=call.cycles), machine) for one in call.wafers]
    pes = sum(one.pes for one in wafers)
    working = sum(one.busy * one.cycles * one.pes for one in wafers)
    return Report(
        name=session.bundle.manifest.name,
        machine=machine,
        dtype=session.bundle.manifest.dtype,
        width=max(one.width for one in wafers),
        height=max(one.height for one in wafers),
        memory=tuple(part for one in wafers for part in one.memory),
        cycles=call.cycles,
        busy=working / max(1, call.cycles * pes),
        macs=sum(one.macs for one in wafers),
        flops=sum(one.flops for one in wafers),
        wavelets_sent=sum(one.wavelets_sent for one in wafers),
        wavelet_hops=sum(one.wavelet_hops for one in wafers),
        busiest_link_wavelets=max(one.busiest_link_wavelets for one in wafers),
        energy=Energy(
            sum(one.low_joules for one in energies),
            sum(one.high_joules for one in energies),
            sum(one.system_joules for one in energies),
        ),
        wall_seconds=call.wall_seconds,
        watched=_joined(watched) if len(watched) == len(wafers) else None,
        entry=call.entry,
        entries=len(session.bundle.manifest.entries),
        tokens=_tokens(session.bundle.manifest.entry(call.entry)),
        relaid=sum(one.relaid for one in wafers),
        relaid_bytes=max(one.relaid_bytes for one in wafers),
        wafers=wafers,
        crossings=call.crossings,
    )


def _joined(wafers: Sequence[Watched]) -> Watched:
    """Kernels and critical paths of all wafers, each with the cycles of its own wafer's call."""
    return Watched(
        Spent(
            sum(one.spent.compute for one in wafers),
            sum(one.spent.moving for one in wafers),
            sum(one.spent.conflicts for one in wafers),
            sum(one.spent.waiting for one in wafers),
        ),
        tuple(cost for one in wafers for cost in one.kernels),
        tuple(leg for one in wafers for leg in one.path),
        (),  # colors are numbered on each wafer: its own report tells them
    )


def _tokens(entry: EntryPoint) -> int | None:
    return tokens_of([p.shape for p in entry.inputs], [p.shape for p in entry.outputs])


def _relaid(state: Sequence[Placement]) -> tuple[int, int]:
    """How many weights have several layouts in a region, and the bytes of all but the first."""
    seen: set[tuple[str, int, int]] = set()
    relaid: set[str] = set()
    bytes_on: dict[tuple[int, int], int] = {}
    for placement in state:
        corner = placement.region.x, placement.region.y
        if (placement.label, *corner) in seen:
            relaid.add(placement.label)
            size = placement.local_elements * placement.dtype.size_bytes
            bytes_on[corner] = bytes_on.get(corner, 0) + size
        seen.add((placement.label, *corner))
    return len(relaid), max(bytes_on.values(), default=0)


def _watched(profile: Profile | None, session: Session) -> Watched | None:
    if profile is None:
        return None
    costs = kernel_costs(kernels_of(session.bundle.manifest), profile)
    classes = session.elaborated.classes
    sums = [sum(int(part[c.y, c.x].sum()) for c in classes) for part in profile.spent]
    return Watched(Spent(*sums), costs, critical_path(costs), profile.colors)


def _memory(classes: Sequence[PEClass], sram_bytes: Sequence[int]) -> tuple[RegionMemory, ...]:
    """Memory by program file: PEs that run one file may be of several classes."""
    found: dict[str, RegionMemory] = {}
    for pe_class, used in zip(classes, sram_bytes, strict=True):
        name = pe_class.file.removesuffix(".csl")
        before = found.get(name, RegionMemory(name, 0, 0))
        pes = before.pes + len(pe_class.x)
        found[name] = RegionMemory(name, pes, max(before.used_bytes, used))
    return tuple(found.values())
