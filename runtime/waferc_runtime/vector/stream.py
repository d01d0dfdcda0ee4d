"""Words on their way on one color: values, arrival times, and room for more, for all receivers.

Each receiver has a ring of words. Word number j of a receiver stands in row `j % rows`, with the
cycle at which it arrives and, once it is consumed, the cycle at which it was processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes

Times = NDArray[np.int64]
_START_ROWS = 32


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


class Stream:
    """One color. `depths` are the depths of the input queues that take it, by PE number."""

    def __init__(self, routes: ColorRoutes, machine: Machine, depths: NDArray[np.int64]) -> None:
        self.routes = routes
        self._machine = machine
        receivers = np.flatnonzero(routes.tx & RAMP)
        count = len(receivers)
        self._column = np.full(len(routes.tx), -1, np.intp)
        self._column[receivers] = np.arange(count)
        self._depth = depths[receivers]
        self._words = np.zeros((_START_ROWS, count), np.uint32)
        self._arrival = np.zeros((_START_ROWS, count), np.int64)
        self._processed = np.zeros((_START_ROWS, count), np.int64)
        self._written = np.zeros(count, np.int64)
        self._read = np.zeros(count, np.int64)
        self._last = np.full(count, -1, np.int64)  # cycle of the last word processed
        self._promised = np.zeros(count, np.int64)  # words that will be taken without delay
        self._next = np.zeros(count, np.int64)  # from this cycle on, one per cycle

    # ---- the receiver's side ---------------------------------------------------------------------

    def columns(self, pes: Indices) -> Indices:
        """Columns of these PEs; -1 where the color does not reach the ramp."""
        return self._column[pes]

    def available(self, columns: Indices) -> Times:
        """Words that are on their way or waiting: [receiver]."""
        return self._written[columns] - self._read[columns]

    def head_arrival(self, columns: Indices) -> Times:
        """When the next word arrives, where there is one: [receiver]."""
        return self._arrival[self._read[columns] % len(self._words), columns]

    def peek(self, columns: Indices, count: int) -> tuple[NDArray[np.uint32], Times]:
        """The next `count` words and their arrivals: two arrays [count, receiver]."""
        index = self._index(self._read[columns], count, columns)
        return self._words[index], self._arrival[index]

    def consume(self, columns: Indices, processed: Times) -> None:
        """Take words; `processed` [count, receiver] says when each was processed."""
        read = self._read[columns]
        self._processed[self._index(read, len(processed), columns)] = processed
        self._read[columns] = read + len(processed)
        self._last[columns] = processed[-1]

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> bool:
        """Say that `words` more will be processed as they come, one per cycle at most.

        Returns:
            Whether that is news.
        """
        promised = self._read[columns] + words
        is_news = bool((promised > self._promised[columns]).any())
        self._promised[columns] = promised
        self._next[columns] = from_cycle
        return is_news

    # ---- the sender's side -----------------------------------------------------------------------

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of words from these PEs, which leave by queues of a depth.

        Raises:
            RouteFault: some of them have none.
        """
        fan = self.routes.fan(pes)
        column = self._column[fan.receiver]
        buffers = self._machine.router_buffer_wavelets * (fan.hops + 1)
        flight = flight_cycles(0, self._machine) + fan.hops * self._machine.hop_cycles
        capacity = self._depth[column] + output_depth + buffers
        return Outlet(pes, column, capacity, flight, fan.sender, fan.first)

    def credit(self, outlet: Outlet) -> Times:
        """How many words each sender may send now: [sender]."""
        column = outlet.column
        limit = np.maximum(self._read[column] + outlet.capacity, self._promised[column])
        return outlet.least(limit - self._written[column])

    def smooth_credit(self, outlet: Outlet, begin: Times) -> Times:
        """How many words each sender may send, one per cycle from `begin` on; 0 if not so fast."""
        column = outlet.column
        written = self._written[column]
        free = self._read[column] + outlet.capacity
        promised = self._promised[column]
        start = outlet.spread(begin)
        smooth = (promised <= free) | (self._next[column] + written - free < start)
        smooth &= self._last[column] < start
        return outlet.least(np.where(smooth, np.maximum(free, promised) - written, 0))

    def not_before(self, outlet: Outlet, start: Times, count: int) -> Times | None:
        """When each of the next `count` words may be sent: [count, sender]; None if at any time.

        `start` [sender] is when the first would be sent. Word j waits until the word one capacity
        before it has been processed by all receivers.
        """
        column, capacity = outlet.column, outlet.capacity
        written, read = self._written[column], self._read[column]
        begin = outlet.spread(start)
        first = written - capacity  # the word that makes room for the next one
        is_free = (self._last[column] < begin) | (np.minimum(first + count, read) <= 0)
        smooth = (first + count <= read) | (self._next[column] + first - read < begin)
        if (is_free & smooth).all():
            return None
        before = np.arange(count)[:, np.newaxis] + first
        past = self._processed[np.maximum(before, 0) % len(self._words), column] + 1
        coming = self._next[column] + (before - read) + 1
        times = np.where(before < 0, 0, np.where(before < read, past, coming))
        if outlet.first is None:
            return times
        return np.maximum.reduceat(times, outlet.first, axis=1)

    def send(self, outlet: Outlet, words: NDArray[np.uint32], sent: Times) -> None:
        """Put words [count, sender], processed at `sent` [count, sender], on their way."""
        count, column = len(words), outlet.column
        self.routes.sent[outlet.senders] += count
        if outlet.first is not None:
            words, sent = words[:, outlet.sender], sent[:, outlet.sender]
        written = self._written[column]
        unread = int((written - self._read[column]).max()) + count
        self._grow(max(unread, int(outlet.capacity.max()) + count))
        index = self._index(written, count, column)
        self._words[index] = words
        self._arrival[index] = sent + outlet.flight
        self._written[column] = written + count

    def link_load(self) -> NDArray[np.int64]:
        """Words that left each PE: [direction E W N S, y, x].

        Words that nobody takes fill the input queue and the routers from the receiver back; that
        is counted where a sender has one receiver.
        """
        pes = len(self._column)
        held = np.full(pes, -(1 << 40), np.int64)  # none, where there are several receivers
        length = np.zeros(pes, np.int64)
        senders, receivers, hops = self.routes.ways()
        column = self._column[receivers]
        buffers = self._machine.router_buffer_wavelets
        unread = self._written[column] - self._read[column]
        held[senders] = unread - self._depth[column] - buffers
        length[senders] = hops

        def behind(sender: Indices, hops: int) -> NDArray[np.int64]:
            return np.maximum(held[sender] - buffers * (length[sender] - 1 - hops), 0)

        return self.routes.link_load(behind)

    def _index(self, first: Times, count: int, columns: Indices) -> Any:
        """Index of rows `first` and following in these columns."""
        rows = len(self._words)
        start = int(first[0])
        if (first == start).all():
            row = start % rows
            if row + count <= rows:
                return slice(row, row + count), columns
            return ((start + np.arange(count)) % rows)[:, np.newaxis], columns
        return (first + np.arange(count)[:, np.newaxis]) % rows, columns

    def _grow(self, need: int) -> None:
        """Have at least `need` rows: for unread words, and as far back as a sender looks."""
        old = len(self._words)
        if need <= old:
            return
        rows = max(2 * old, 1 << (need - 1).bit_length())
        written = self._written
        numbers: Times = written - 1 - np.arange(old)[:, np.newaxis]  # the youngest `old` words
        keep = numbers >= 0
        columns = np.broadcast_to(np.arange(len(written)), (old, len(written)))
        source: tuple[Any, Any] = ((numbers % old)[keep], columns[keep])
        target: tuple[Any, Any] = ((numbers % rows)[keep], columns[keep])
        self._words = _moved(self._words, rows, source, target)
        self._arrival = _moved(self._arrival, rows, source, target)
        self._processed = _moved(self._processed, rows, source, target)


def _moved(array: NDArray[Any], rows: int, source: Any, target: Any) -> NDArray[Any]:
    result = np.zeros((rows, array.shape[1]), array.dtype)
    result[target] = array[source]
    return result
