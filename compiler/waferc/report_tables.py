"""The tables of a report: kernels by operation and one by one, the critical path, colors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from waferc.kernels import KernelCost, on_path
from waferc.report import Watched

MOST_KERNELS = 20  # that are listed unless all are asked for
_MOST_LEGS = 40
_MOST_PARTS = 6
_COLUMNS = ("cycles", "compute", "moving", "memory", "waiting", "estimate", "error", "at least")
_HEAD = "".join(f"{title:>11}" for title in _COLUMNS)
_EXPLANATION = (
    "  means over the PEs of a region; memory: waiting for banks; estimate: of the cost model;",
    "  at least: the largest of the arithmetic, memory and bisection (a, m, b) limits",
)


def tables(watched: Watched, most: int | None = MOST_KERNELS) -> str:
    """All tables; of the kernels the `most` that take longest, or all in order."""
    lines: list[str] = []
    if watched.kernels:
        lines += ["", "cycles by operation", *_EXPLANATION, *_by_operation(watched.kernels)]
        regions = _groups(watched.kernels, lambda cost: cost.kernel.region)
        if len(regions) > 1:
            lines += ["", "cycles by region", *_sums(regions)]
        lines += ["", *_one_by_one(watched, most)]
        lines += ["", *_path(watched)]
    if watched.colors:
        lines += ["", "words by color", *_colors(watched)]
    return "\n".join(lines)


def _by_operation(costs: Sequence[KernelCost]) -> Iterator[str]:
    groups = _groups(costs, lambda cost: cost.kernel.operation)
    longest = sorted(groups.items(), key=lambda item: -sum(cost.cycles for cost in item[1]))
    named = {f"{len(group):>5} x {name}": group for name, group in longest}
    return _sums({**named, f"{len(costs):>5} kernels": list(costs)})


def _groups(
    costs: Sequence[KernelCost], key: Callable[[KernelCost], str]
) -> dict[str, list[KernelCost]]:
    found: dict[str, list[KernelCost]] = {}
    for cost in costs:
        found.setdefault(key(cost), []).append(cost)
    return found


def _sums(groups: Mapping[str, Sequence[KernelCost]]) -> Iterator[str]:
    width = max(map(len, groups)) + 2
    yield f"  {'':{width}}{_HEAD}"
    for name, group in groups.items():
        yield f"  {name:{width}}{_numbers(group)}"


def _one_by_one(watched: Watched, most: int | None) -> Iterator[str]:
    costs = watched.kernels
    chosen: Sequence[KernelCost] = costs
    title = "kernels in order"
    if most is not None and len(costs) > most:
        chosen = sorted(costs, key=lambda cost: -cost.cycles)[:most]
        title = f"the {most} kernels that take longest, of {len(costs):,} (--all lists all)"
    correlation = watched.rank_correlation
    if correlation is not None:
        title += f"; rank correlation of estimate and cycles {correlation:.2f}"
    yield title
    names = [f"{cost.kernel.region}.{cost.kernel.function}" for cost in chosen]
    width = max(map(len, names)) + 2
    yield f"  {'':{width}}{_HEAD}  line"
    for name, cost in zip(names, chosen, strict=True):
        yield f"  {name:{width}}{_numbers([cost])}  {cost.kernel.place}"


def _numbers(costs: Sequence[KernelCost]) -> str:
    means = [sum(column) for column in zip(*(cost.mean() for cost in costs), strict=True)]
    estimates = [cost.kernel.estimate for cost in costs]
    known = [estimate for estimate in estimates if estimate is not None]
    values = [sum(cost.cycles for cost in costs), *means]
    text = "".join(f"{value:>11,.0f}" for value in values)
    if len(known) == len(costs):
        measured = sum(cost.measured for cost in costs)
        error = f"{sum(known) / measured - 1:+.0%}" if measured else ""
        text += f"{sum(known):>11,}{error:>11}"
    else:
        text += f"{'?':>11}{'':>11}"
    least = sum(cost.kernel.bounds.most for cost in costs)
    if len(costs) == 1 and least:
        limits = costs[0].kernel.bounds
        names = {"a": limits.arithmetic, "m": limits.memory, "b": limits.bisection}
        letter = next(name for name, value in names.items() if value == least)
        return text + f"{f'{least:,} {letter}':>11}"
    return text + f"{least:>11,}"


def _path(watched: Watched) -> Iterator[str]:
    legs = watched.path
    yield f"critical path, {sum(leg.cycles for leg in legs):,} cycles"
    shown = legs[:_MOST_LEGS]
    for leg in shown:
        kernels = leg.first if leg.first == leg.last else f"{leg.first} to {leg.last}"
        cycles = f"{leg.begin:,} - {leg.end:,}"
        yield f"  {cycles:>23}  {leg.cycles:>11,}  {leg.region}: {kernels}"
    if len(shown) < len(legs):
        yield f"  ... and {len(legs) - len(shown):,} more"
    total = sum(leg.cycles for leg in legs)
    parts = list(on_path(watched.kernels, legs).items())[:_MOST_PARTS]
    if total:
        shares = ", ".join(f"{operation} {cycles / total:.0%}" for operation, cycles in parts)
        yield f"  most of it: {shares}"


def _colors(watched: Watched) -> Iterator[str]:
    yield "  color  words x links       links  mean of a link   busiest link"
    for load in watched.colors:
        mean = load.word_hops / load.links
        yield (
            f"  {load.color:>5}  {load.word_hops:>13,}  {load.links:>10,}  {mean:>14,.1f}"
            f"   {load.busiest_words:,} {load.direction} from PE ({load.x}, {load.y})"
        )
