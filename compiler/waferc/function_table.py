"""Where the cycles of any CSL program went: its tasks and functions as a table."""

from __future__ import annotations

from collections.abc import Iterator

from waferc_runtime.profile import FunctionTotals, Part, Path, Profile, Spent

_COLUMNS = ("calls", "cycles", "compute", "moving", "memory", "waiting")
_HEAD = "".join(f"{title:>11}" for title in _COLUMNS)


def function_table(profile: Profile) -> str:
    """A table for each class of PEs: what tasks and the functions that they call took on a PE.

    Cycles are those of the main thread, means over PEs, callees included; `memory` is waiting for
    banks. What is left of the run, no task was under way. Behind it asynchronous operations, which
    go on beside the main thread.
    """
    lines = [f"{profile.cycles:,} cycles; per PE and function, callees included:"]
    for part in profile.parts:
        lines += ["", *_part(part, profile.cycles)]
    return "\n".join(lines)


def _part(part: Part, cycles: int) -> Iterator[str]:
    plural = "PE" if part.pes == 1 else "PEs"
    names = {one.path: "  " * (len(one.path) - 1) + one.path[-1] for one in part.functions}
    apart = {one.path: f"{one.path[1]} of {one.path[0]}" for one in part.operations}
    width = max([len("no task"), *map(len, (*names.values(), *apart.values()))]) + 2
    yield f"{part.pes:,} {plural} of {part.file}"
    yield f"  {'':{width}}{_HEAD}"
    for one in _in_order(part):
        yield f"  {names[one.path]:{width}}{one.calls / part.pes:>11,.4g}{_cycles(one, part.pes)}"
    tasks = [one.spent for one in part.functions if len(one.path) == 1]
    rest = cycles - sum(spent.total for spent in tasks) / part.pes
    yield f"  {'no task':{width}}{'':>11}{rest:>11,.0f}"
    if apart:
        yield "  on microthreads:"
    for one in part.operations:
        yield f"  {apart[one.path]:{width}}{one.calls / part.pes:>11,.4g}{_cycles(one, part.pes)}"


def _in_order(part: Part) -> list[FunctionTotals]:
    """Callees behind their callers, otherwise by their mean begin."""
    begin = {one.path: one.begin for one in part.functions}

    def place(path: Path) -> list[tuple[float, str]]:
        prefixes = [path[:end] for end in range(1, len(path) + 1)]
        return [(begin.get(prefix, 0.0), prefix[-1]) for prefix in prefixes]

    return sorted(part.functions, key=lambda one: place(one.path))


def _cycles(one: FunctionTotals, pes: int) -> str:
    spent: Spent = one.spent
    values = spent.total, spent.compute, spent.moving, spent.conflicts, spent.waiting
    return "".join(f"{value / pes:>11,.0f}" for value in values)
