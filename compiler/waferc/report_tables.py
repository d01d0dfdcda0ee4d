"""The tables of a report: kernels by operation and one by one, the critical path, colors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waferc.kernels import KernelCost
from waferc.report import Watched

MOST_KERNELS = 20  # that are listed unless all are asked for
_MOST_LEGS = 40
_COLUMNS = ("cycles", "compute", "moving", "memory", "waiting", "estimate", "at least")
_HEAD = "".join(f"{title:>11}" for title in _COLUMNS)
_EXPLANATION = (
    "means over the PEs of a region; memory: waiting for banks; estimate: of the cost model; "
    "at least: the largest of the arithmetic, memory and bisection (a, m, b) limits"
)


def tables(watched: Watched, most: int | None = MOST_KERNELS) -> str:
    """All tables; of the kernels the `most` that take longest, or all in order."""
    lines: list[str] = []
    if watched.kernels:
        lines += ["", f"cycles by operation ({_EXPLANATION})", *_by_operation(watched.kernels)]
        lines += ["", *_one_by_one(watched, most)]
        lines += ["", *_path(watched)]
    if watched.colors:
        lines += ["", "words by color", *_colors(watched)]
    return "\n".join(lines)


def _by_operation(costs: Sequence[KernelCost]) -> Iterator[str]:
    width = max(len(cost.kernel.operation) for cost in costs) + 8
    yield f"  {'operation':{width}}{_HEAD}"
    operations = dict.fromkeys(cost.kernel.operation for cost in costs)
    groups = [[c for c in costs if c.kernel.operation == name] for name in operations]
    groups.sort(key=lambda group: -sum(cost.cycles for cost in group))
    for group in groups:
        name = f"{len(group):>5} x {group[0].kernel.operation}"
        yield f"  {name:{width}}{_numbers(group)}"
    yield f"  {f'{len(costs):>5} kernels':{width}}{_numbers(costs)}"


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
    text += f"{sum(known):>11,}" if len(known) == len(costs) else f"{'?':>11}"
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


def _colors(watched: Watched) -> Iterator[str]:
    yield "  color  words x links       links  mean of a link   busiest link"
    for load in watched.colors:
        mean = load.word_hops / load.links
        yield (
            f"  {load.color:>5}  {load.word_hops:>13,}  {load.links:>10,}  {mean:>14,.1f}"
            f"   {load.busiest_words:,} {load.direction} from PE ({load.x}, {load.y})"
        )
