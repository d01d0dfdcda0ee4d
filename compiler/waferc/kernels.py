"""Where the cycles of a watched call went, by kernel: a kernel is a function of a region's file.

Each carries out one statement of the tiled program; the manifest says which, what the cost model
expects of it and what it takes at least, the profile what it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from waferc.analysis.bounds import Bounds
from waferc_runtime.host.json_fields import Field
from waferc_runtime.host.manifest import MANIFEST, Manifest
from waferc_runtime.profile import FunctionTotals, Profile, Spent

_MOST_KERNELS = 1_000_000
_MOST_CYCLES = 2**62


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream by its number in the program, and the regions that it leads from and to."""

    number: int
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function of a region's PE file. `place` is the user's line, `estimate` the cost model's."""

    region: str
    function: str
    operation: str
    place: str
    estimate: int | None
    bounds: Bounds
    stream: Stream | None = None

    @property
    def sends(self) -> bool:
        """Whether it sends to another region."""
        return self.stream is not None and self.stream.source == self.region

    @property
    def receives(self) -> bool:
        """Whether it receives from another region."""
        return self.stream is not None and self.stream.target == self.region


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What a kernel took in a call.

    `spent` are sums over the `calls` of all PEs of the region. The first PE began at cycle `first`,
    the last ended at `last`; `begin` and `end` are means. `longest` is the longest call on a PE.
    `measured` is what the estimate is of: the mean over PEs of begin to end; where one PE sends to
    another region, what that one took; where a region receives, from the mean begin of the sender,
    as it waits for what the other region does before.
    """

    kernel: Kernel
    calls: int
    spent: Spent
    first: int
    last: int
    begin: float
    end: float
    longest: int
    measured: float

    @property
    def cycles(self) -> float:
        """Mean over PEs of what a call took, waiting included."""
        return self.spent.total / self.calls

    def mean(self) -> tuple[float, float, float, float]:
        """Means over PEs: computing, moving words, waiting for memory, waiting."""
        spent = self.spent
        parts = spent.compute, spent.moving, spent.conflicts, spent.waiting
        compute, moving, conflicts, waiting = (part / self.calls for part in parts)
        return compute, moving, conflicts, waiting


@dataclass(frozen=True, slots=True)
class Leg:
    """A piece of the critical path: a region's kernels from one to another, `cycles` in all."""

    region: str
    first: str
    last: str
    begin: int
    end: int

    @property
    def cycles(self) -> int:
        """How long it is."""
        return self.end - self.begin


def kernels_of(manifest: Manifest) -> tuple[Kernel, ...]:
    """The kernels that a manifest lists; none in bundles that do not.

    Raises:
        BundleError: a field is missing, of the wrong kind or out of range.
    """
    if "kernels" not in manifest.document:
        return ()
    field = Field(manifest.document["kernels"], "kernels", MANIFEST)
    return tuple(_kernel(item) for item in field.items(_MOST_KERNELS))


def kernel_costs(kernels: Iterable[Kernel], profile: Profile) -> tuple[KernelCost, ...]:
    """What each kernel took that was called, by region in order of their begin."""
    known = {(kernel.region, kernel.function): kernel for kernel in kernels}
    found: dict[Kernel, list[FunctionTotals]] = {}
    for part in profile.parts:
        for totals in part.functions:
            kernel = known.get((part.region, totals.path[-1]))
            if kernel is not None and len(totals.path) == 2:
                found.setdefault(kernel, []).append(totals)
    costs = [_cost(kernel, parts) for kernel, parts in found.items()]
    sends = {cost.kernel.stream: cost.begin for cost in costs if cost.kernel.sends}
    order = {kernel.region: place for place, kernel in enumerate(known.values())}
    costs = [_of_stream(cost, sends) for cost in costs]
    return tuple(sorted(costs, key=lambda cost: (order[cost.kernel.region], cost.begin)))


def streams(costs: Iterable[KernelCost]) -> list[tuple[KernelCost, KernelCost]]:
    """The sending and the receiving kernel of each stream between regions that were watched."""
    found = [cost for cost in costs if cost.kernel.stream is not None]
    senders = {cost.kernel.stream: cost for cost in found if cost.kernel.sends}
    return [
        (senders[cost.kernel.stream], cost)
        for cost in found
        if cost.kernel.receives and cost.kernel.stream in senders
    ]


def critical_path(costs: Sequence[KernelCost]) -> tuple[Leg, ...]:
    """The kernels that decide when the call ends, from cycle 0 on, as stays in regions.

    It goes back from the region that ends last, kernel by kernel; where a region receives what was
    sent after it had ended the kernel before, to the sender.
    """
    regions: dict[str, list[KernelCost]] = {}
    for cost in costs:
        regions.setdefault(cost.kernel.region, []).append(cost)
    places = {
        cost.kernel.stream: place
        for own in regions.values()
        for place, cost in enumerate(own)
        if cost.kernel.sends
    }
    if not regions:
        return ()
    region = max(regions, key=lambda name: regions[name][-1].last)
    place = len(regions[region]) - 1
    legs: list[Leg] = []
    stay = place
    while True:
        own = regions[region]
        here = own[place]
        before = own[place - 1].last if place else 0
        source = places.get(here.kernel.stream)
        if here.kernel.receives and here.kernel.stream is not None and source is not None:
            sender = regions[here.kernel.stream.source][source]
            if sender.last > before:
                legs.append(_leg(own, place, stay, sender.last))
                region, place, stay = sender.kernel.region, source, source
                continue
        if place == 0:
            legs.append(_leg(own, 0, stay, 0))
            return tuple(reversed(legs))
        place -= 1


def _leg(own: Sequence[KernelCost], first: int, last: int, begin: int) -> Leg:
    names = own[first].kernel.function, own[last].kernel.function
    return Leg(own[first].kernel.region, *names, min(begin, own[last].last), own[last].last)


def on_path(costs: Sequence[KernelCost], path: Iterable[Leg]) -> dict[str, int]:
    """Cycles of the critical path by operation: by how much each kernel moves its region's end."""
    regions: dict[str, list[KernelCost]] = {}
    for cost in costs:
        regions.setdefault(cost.kernel.region, []).append(cost)
    found: dict[str, int] = {}
    for leg in path:
        before = leg.begin
        for cost in regions[leg.region]:
            if leg.begin < cost.last <= leg.end:
                operation = cost.kernel.operation
                found[operation] = found.get(operation, 0) + max(0, cost.last - before)
                before = max(before, cost.last)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def rank_correlation(costs: Iterable[KernelCost]) -> float | None:
    """Spearman's rank correlation of estimates and measured cycles; None of fewer than three."""
    pairs = [(cost.kernel.estimate, cost.measured) for cost in costs]
    known = [(estimate, measured) for estimate, measured in pairs if estimate is not None]
    if len(known) < 3:
        return None
    ranks = [_ranks(np.asarray(column, np.float64)) for column in zip(*known, strict=True)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]


def _of_stream(cost: KernelCost, sends: Mapping[Stream | None, float]) -> KernelCost:
    if cost.kernel.sends:
        return replace(cost, measured=cost.longest)
    begin = sends.get(cost.kernel.stream)
    if not cost.kernel.receives or begin is None:
        return cost
    return replace(cost, measured=max(0.0, cost.end - max(begin, cost.begin)))


def _cost(kernel: Kernel, parts: Sequence[FunctionTotals]) -> KernelCost:
    calls = sum(part.calls for part in parts)
    spent = Spent(
        sum(part.spent.compute for part in parts),
        sum(part.spent.moving for part in parts),
        sum(part.spent.conflicts for part in parts),
        sum(part.spent.waiting for part in parts),
    )
    return KernelCost(
        kernel,
        calls,
        spent,
        min(part.first for part in parts),
        max(part.last for part in parts),
        sum(part.begin * part.calls for part in parts) / calls,
        sum(part.end * part.calls for part in parts) / calls,
        max(part.longest for part in parts),
        spent.total / calls,
    )


def _kernel(item: Field) -> Kernel:
    required = ("region", "function", "operation", "place", "estimate", "bounds")
    fields = item.mapping(required, ("stream",))
    limits = fields["bounds"].mapping(("arithmetic", "memory", "bisection"))
    estimate = fields["estimate"]
    stream = fields.get("stream")
    ends = None if stream is None else stream.mapping(("number", "from", "to"))
    return Kernel(
        fields["region"].text(),
        fields["function"].text(),
        fields["operation"].text(),
        fields["place"].text(),
        None if estimate.value is None else estimate.integer(0, _MOST_CYCLES),
        Bounds(**{name: limit.integer(0, _MOST_CYCLES) for name, limit in limits.items()}),
        None
        if ends is None
        else Stream(
            ends["number"].integer(0, _MOST_KERNELS), ends["from"].text(), ends["to"].text()
        ),
    )
