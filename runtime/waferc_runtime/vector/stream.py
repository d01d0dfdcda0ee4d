"""Words on their way on one color: values, arrival times, and room for more, for all receivers.

Each receiver has a ring of words. Word number j of a receiver stands in row `j % rows`, with the
cycle at which it arrives and, once it is consumed, the cycle at which it was processed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes, Fan

Times = NDArray[np.int64]
_START_ROWS = 32


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
        self.reading = np.zeros(count, np.bool_)  # an operation has the queue
        self.receivers = receivers

    # ---- the receiver's side ---------------------------------------------------------------------

    def columns(self, pes: Indices) -> Indices:
        """Columns of these PEs; -1 where the color does not reach the ramp."""
        return self._column[pes]

    def available(self, columns: Indices) -> Times:
        """Words that are on their way or waiting: [receiver]."""
        return self._written[columns] - self._read[columns]

    def consumed(self, column: int) -> int:
        """Words taken so far."""
        return int(self._read[column])

    def head_arrival(self, columns: Indices) -> Times:
        """When the next word arrives, where there is one: [receiver]."""
        return self._arrival[self._read[columns] % len(self._words), columns]

    def peek(self, columns: Indices, count: int) -> tuple[NDArray[np.uint32], Times]:
        """The next `count` words and their arrivals: two arrays [count, receiver]."""
        index = self._index(self._read[columns], count, columns)
        return self._words[index], self._arrival[index]

    def consume(self, columns: Indices, processed: Times) -> None:
        """Take words; `processed` [count, receiver] says when each was processed."""
        index = self._index(self._read[columns], len(processed), columns)
        self._processed[index] = processed
        self._read[columns] += len(processed)
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

    def credit(self, fan: Fan, output_depth: int) -> Times:
        """How many words each sender may send now: [sender]."""
        column = self._column[fan.receiver]
        limit = np.maximum(
            self._read[column] + self._capacity(fan, output_depth), self._promised[column]
        )
        room = limit - self._written[column]
        return room if fan.first is None else np.minimum.reduceat(room, fan.first)

    def smooth_credit(self, fan: Fan, output_depth: int, begin: Times) -> Times:
        """How many words each sender may send, one per cycle from `begin` on; 0 if not so fast."""
        column = self._column[fan.receiver]
        capacity = self._capacity(fan, output_depth)
        written, read = self._written[column], self._read[column]
        limit = np.maximum(read + capacity, self._promised[column])
        start = begin if fan.first is None else begin[fan.sender]
        smooth = (self._last[column] + 1 <= start) & (
            (self._promised[column] <= read + capacity)
            | (self._next[column] + written - capacity - read + 1 <= start)
        )
        room = np.where(smooth, limit - written, 0)
        return room if fan.first is None else np.minimum.reduceat(room, fan.first)

    def not_before(self, fan: Fan, output_depth: int, start: Times, count: int) -> Times | None:
        """When each of the next `count` words may be sent: [count, sender]; None if at any time.

        `start` [sender] is when the first would be sent. Word j waits until the word one capacity
        before it has been processed by all receivers.
        """
        column = self._column[fan.receiver]
        written, read = self._written[column], self._read[column]
        capacity = self._capacity(fan, output_depth)
        begin = start if fan.first is None else start[fan.sender]
        beyond = np.maximum(written + count - capacity - read, 0)
        done = self._last[column] + 1 <= begin
        reached = np.minimum(written + count - capacity, read) <= 0
        smooth = (beyond == 0) | (self._next[column] + written - capacity - read + 1 <= begin)
        if ((done | reached) & smooth).all():
            return None
        before = np.arange(count)[:, np.newaxis] + (written - capacity)  # word that makes room
        rows = len(self._words)
        past = self._processed[np.clip(before, 0, None) % rows, column] + 1
        coming = self._next[column] + (before - read) + 1
        times = np.where(before < 0, 0, np.where(before < read, past, coming))
        return times if fan.first is None else np.maximum.reduceat(times, fan.first, axis=1)

    def send(
        self,
        senders: Indices,
        fan: Fan,
        output_depth: int,
        words: NDArray[np.uint32],
        sent: Times,
    ) -> None:
        """Put words [count, sender], processed at `sent` [count, sender], on their way."""
        count = len(words)
        capacity = int(self._capacity(fan, output_depth).max())
        self.routes.sent[senders] += count
        column = self._column[fan.receiver]
        flight = flight_cycles(0, self._machine) + fan.hops * self._machine.hop_cycles
        if fan.first is not None:
            words, sent = words[:, fan.sender], sent[:, fan.sender]
        written = self._written[column]
        unread = int((written - self._read[column]).max()) + count
        self._grow(max(unread, capacity + count))
        index = self._index(written, count, column)
        self._words[index] = words
        self._arrival[index] = sent + flight
        self._written[column] += count

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

    def _capacity(self, fan: Fan, output_depth: int) -> Times:
        buffers = self._machine.router_buffer_wavelets * (fan.hops + 1)
        return self._depth[self._column[fan.receiver]] + output_depth + buffers

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
        numbers = self._written - 1 - np.arange(old)[:, np.newaxis]  # the youngest `old` words
        keep = numbers >= 0
        columns = np.broadcast_to(np.arange(numbers.shape[1]), numbers.shape)
        source = (numbers % old)[keep], columns[keep]
        target = (numbers % rows)[keep], columns[keep]
        self._words = _moved(self._words, rows, source, target)
        self._arrival = _moved(self._arrival, rows, source, target)
        self._processed = _moved(self._processed, rows, source, target)


def _moved(array: NDArray[Any], rows: int, source: Any, target: Any) -> NDArray[Any]:
    result = np.zeros((rows, array.shape[1]), array.dtype)
    result[target] = array[source]
    return result
