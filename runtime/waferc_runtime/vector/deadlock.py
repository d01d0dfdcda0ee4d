"""The report on a wafer at rest where PEs still wait: who waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waferc_runtime.run_error import RunError, pe_name
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.transfer import ENDLESS, Transfer

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Blocked:
    """An operation that waits; `is_async`: it holds no main thread."""

    state: ClassState
    transfer: Transfer
    is_async: bool


def deadlock(blocked: Sequence[Blocked], network: Network) -> RunError | None:
    """The error, if any PE still waits."""
    waiting = _places(blocked)
    if not waiting:
        return None
    stuck = {int(item.transfer.pes[place]): item for item, place in waiting}
    what = {
        item.transfer.waits_for(place)[0]
        for item, place in waiting
        if not item.transfer.is_blocked(place)
    }
    names = ", ".join(str(color) for color in sorted(what) if color >= 0)
    on_color = f" on color {names}" if names else ""
    plural = "PE still waits" if len(stuck) == 1 else "PEs still wait"
    first, place = waiting[0]
    return RunError(
        f"the wafer is at rest, but {len(stuck):,} {plural}{on_color},"
        f" first {_name(int(first.transfer.pes[place]), network)}",
        first.transfer.place,
        notes=who_waits(blocked, network),
    )


def held_commands(
    held: Sequence[tuple[int, int]], blocked: Sequence[Blocked], network: Network
) -> RunError:
    """The error if PEs, by their (x, y), have not called `unblock_cmd_stream`."""
    plural = "PE has" if len(held) == 1 else "PEs have"
    return RunError(
        f"the wafer is at rest, but {len(held):,} {plural} not called unblock_cmd_stream"
        f" since the last launch, first {pe_name(*held[0])}",
        notes=who_waits(blocked, network),
        help="the host's next command waits until every PE calls it",
    )


def who_waits(blocked: Sequence[Blocked], network: Network) -> list[str]:
    """Lines on the PEs that wait, and for whom."""
    waiting = _places(blocked)
    stuck = {int(item.transfer.pes[place]): item for item, place in waiting}
    notes = [_line(item, where, network, stuck) for item, where in waiting[:_MOST_NAMED]]
    if len(waiting) > _MOST_NAMED:
        notes.append(f"and {len(waiting) - _MOST_NAMED:,} more")
    return notes


def _places(blocked: Sequence[Blocked]) -> list[tuple[Blocked, int]]:
    return [
        (item, int(place))
        for item in blocked
        for place in np.flatnonzero(item.transfer.done < item.transfer.total)
    ]


def _name(pe: int, network: Network) -> str:
    y, x = divmod(pe, network.width)
    return pe_name(x, y)


def _line(item: Blocked, place: int, network: Network, stuck: dict[int, Blocked]) -> str:
    transfer = item.transfer
    color, is_input = transfer.waits_for(place)
    pe = int(transfer.pes[place])
    who = f"{_name(pe, network)} in {transfer.function}, since cycle {transfer.next[place]:,}"
    total = int(transfer.total[place])
    whole = "endless" if total >= ENDLESS else f"{total:,}"
    progress = f"{transfer.done[place]:,} of {whole} done"
    if transfer.is_blocked(place):
        return f"{who}: until microthread {transfer.microthread} is unblocked ({progress})"
    fifo = network.fifos.by_color(color)
    if fifo is not None:
        name = fifo.fifo.name
        if is_input:
            return f"{who}: for FIFO {name} ({progress}), which is empty"
        return f"{who}: for room in FIFO {name} ({progress}), which is full"
    stream = network.stream(color)
    if not is_input:
        receivers = stream.receivers_of(pe)
        names = ", ".join(_name(int(receiver), network) for receiver in receivers[:3])
        return f"{who}: to send color {color} ({progress}), until there is room on {names}"
    if color in network.host_inputs:
        return f"{who}: for color {color} ({progress}), which the host does not send"
    sender = stream.source(pe)
    if sender is None:
        return f"{who}: for color {color} ({progress}), which no route brings there"
    if sender not in stuck:
        return (
            f"{who}: for color {color} ({progress}), which {_name(sender, network)} does not send"
        )
    function = stuck[sender].transfer.function
    return (
        f"{who}: for color {color} ({progress}), which {_name(sender, network)} sends,"
        f" itself waiting in {function}"
    )
