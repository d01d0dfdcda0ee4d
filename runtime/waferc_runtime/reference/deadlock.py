"""The report on a wafer at rest where threads still wait: who waits for whom."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_runtime.reference.fabric import Fabric
from waferc_runtime.reference.processor import Processor
from waferc_runtime.reference.thread import Obstacle, Thread
from waferc_runtime.run_error import RunError, pe_name

_MOST_NAMED = 6


def deadlock(processors: Sequence[Processor], fabric: Fabric) -> RunError | None:
    """The error if any thread still waits; None if all have ended."""
    stuck = [(pe, thread) for pe in processors for thread in pe.waiting]
    if not stuck:
        return None
    first_pe, first = stuck[0]
    colors = sorted({t.wait.obstacle.color for _, t in stuck if t.wait.obstacle is not None})
    waiting = len({pe.state.index for pe, _ in stuck})
    notes = [_line(pe, thread, processors, fabric) for pe, thread in stuck[:_MOST_NAMED]]
    if len(stuck) > _MOST_NAMED:
        notes.append(f"and {len(stuck) - _MOST_NAMED:,} more")
    plural = "PE still waits" if waiting == 1 else "PEs still wait"
    names = ", ".join(map(str, colors))
    return RunError(
        f"the wafer is at rest, but {waiting:,} {plural} on color {names},"
        f" first {first_pe.state.name}",
        first.place,
        notes=notes,
    )


def _line(pe: Processor, thread: Thread, processors: Sequence[Processor], fabric: Fabric) -> str:
    obstacle = thread.wait.obstacle
    who = f"{pe.state.name} in {thread.function}, since cycle {thread.clock:,}"
    if obstacle is None:
        return who
    progress = f"{obstacle.done:,} of {obstacle.total:,} done"
    if obstacle.is_input:
        partner = _sender(pe, obstacle, processors, fabric)
        return f"{who}: for color {obstacle.color} ({progress}), {partner}"
    partner = _receivers(pe, obstacle, fabric)
    return f"{who}: to send color {obstacle.color} ({progress}), {partner}"


def _sender(
    pe: Processor, obstacle: Obstacle, processors: Sequence[Processor], fabric: Fabric
) -> str:
    source = fabric.source(pe.state.index, obstacle.color)
    if source is None:
        return "which no route brings there"
    other = processors[source].state
    busy = processors[source].waiting
    if not busy:
        return f"which {other.name} does not send any more"
    return f"which {other.name} sends, itself waiting in {busy[0].function}"


def _receivers(pe: Processor, obstacle: Obstacle, fabric: Fabric) -> str:
    full = [
        index
        for index in fabric.destinations(pe.state.index, obstacle.color)
        if not fabric.input(index, obstacle.color).has_space
    ]
    if not full:
        return "which no PE takes"
    names = ", ".join(pe_name(*reversed(divmod(index, fabric.width))) for index in full[:3])
    return f"whose queue is full on {names}"
