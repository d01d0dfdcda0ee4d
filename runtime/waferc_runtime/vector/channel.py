"""The seam between operations and the fabric: what a color offers to senders and receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.when import When

Times = NDArray[np.int64]
Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Outlet:
    """Ways from senders to receivers: columns of these, room and cycles on the way.

    `sender` gives the position of each way's sender; `first` where a sender's ways begin, None if
    all have one.
    """

    senders: Indices  # [sender] PE numbers
    column: Indices  # [way]
    capacity: Times  # [way]
    flight: Times  # [way]
    sender: Indices  # [way]
    first: Indices | None  # [sender]

    def of(self, chosen: Indices) -> Outlet:
        """The ways of some of the senders, by their positions in ascending order."""
        if len(chosen) == len(self.senders):
            return self
        pes = self.senders[chosen]
        if self.first is None:
            ways, sender, first = chosen, self.sender[: len(chosen)], None
        else:
            length = np.diff(np.append(self.first, len(self.sender)))[chosen]
            first = np.cumsum(length) - length
            sender = np.repeat(np.arange(len(chosen)), length)
            ways = np.arange(len(sender)) - first[sender] + self.first[chosen][sender]
        column, capacity, flight = self.column[ways], self.capacity[ways], self.flight[ways]
        return Outlet(pes, column, capacity, flight, sender, first)

    def least(self, values: Times) -> Times:
        """The least over the ways of each sender: from [way] to [sender]."""
        return values if self.first is None else np.minimum.reduceat(values, self.first)

    def spread(self, values: Times) -> Times:
        """Values of senders for each of their ways: from [sender] to [way]."""
        return values if self.first is None else values[self.sender]


class Channel(Protocol):
    """One color. PEs are numbered row by row; columns are receivers, -1 where there is none."""

    @property
    def color(self) -> int: ...

    @property
    def has_data(self) -> bool:
        """Whether words have values; without, all are zero."""
        ...

    @property
    def sent(self) -> NDArray[np.int64]:
        """Words that each PE sent: [pe]."""
        ...

    def columns(self, pes: Indices) -> Indices:
        """Columns of these PEs; -1 where the color does not reach the ramp."""
        ...

    def available(self, columns: Indices) -> Times:
        """Words that are on their way or waiting: [receiver]."""
        ...

    def head_arrival(self, columns: Indices) -> Times:
        """When the next word arrives: [receiver]; NEVER where there is none, or no receiver."""
        ...

    def peek(self, columns: Indices, count: int) -> tuple[Words, When]:
        """The next `count` words [count, receiver] and their arrivals."""
        ...

    def controls(self, columns: Indices, count: int) -> NDArray[np.bool_] | None:
        """Which of the next `count` words are control wavelets [count, receiver]; None if none."""
        ...

    def data_ahead(self, columns: Indices, most: Times) -> Times:
        """Words before the first control wavelet among the next `most`: [receiver]."""
        ...

    def consume(self, columns: Indices, processed: When) -> None:
        """Take words; `processed` says when each was processed."""
        ...

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> NDArray[np.bool_]:
        """Say that `words` more will be taken as they come; for which receivers that is news."""
        ...

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of words from these PEs, which leave by queues of a depth."""
        ...

    def credit(self, outlet: Outlet) -> Times:
        """How many words each sender may send now: [sender]."""
        ...

    def smooth_credit(self, outlet: Outlet, begin: Times) -> Times:
        """How many words each sender may send, one per cycle from `begin` on; 0 if not so fast."""
        ...

    def not_before(self, outlet: Outlet, start: Times, count: int) -> When | None:
        """When each of the next `count` words may be sent; None if at any time."""
        ...

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: When,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender], processed at `sent`, on their way.

        `control` says which are control wavelets: all, or [count, sender]; behind the last of
        each sender in `flips` [sender] its own switch advances.
        """
        ...

    def drained(self, outlet: Outlet, output_depth: int) -> Times:
        """Since when the output queue of each sender is empty; NEVER: not yet known."""
        ...

    def senders_of(self, columns: Indices) -> Indices | None:
        """The PEs whose words come to these receivers and that may wait; None: any."""
        ...

    def reached(self, outlet: Outlet) -> Indices | None:
        """The PEs that words sent by an outlet come to; None: any."""
        ...

    def link_load(self) -> NDArray[np.int64]:
        """Words that left each PE: [direction E W N S, y, x]."""
        ...

    def source(self, pe: int) -> int | None:
        """The PE from whose ramp the color comes to `pe` as things stand; None if from none."""
        ...

    def receivers_of(self, pe: int) -> Indices:
        """The PEs that words from the ramp of `pe` go to as things stand."""
        ...
