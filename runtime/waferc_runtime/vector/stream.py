"""A color with static routes: whole messages go from senders to receivers at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.inbox import Inbox
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes


class Stream(Inbox):
    """One color. `depths` are the depths of the input queues that take it, by PE number."""

    def __init__(self, routes: ColorRoutes, machine: Machine, depths: NDArray[np.int64]) -> None:
        self.routes = routes
        self._machine = machine
        receivers = np.flatnonzero(routes.tx & RAMP)
        super().__init__(receivers, len(routes.tx), depths, has_control=False)

    @property
    def color(self) -> int:
        return self.routes.color

    @property
    def sent(self) -> NDArray[np.int64]:
        """Words that each PE sent: [pe]."""
        return self.routes.sent

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

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: Times,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender], processed at `sent` [count, sender], on their way.

        Static routes have no switches that `flips` could advance, and colors that carry control
        wavelets count as dynamic.
        """
        assert control is False
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

    def source(self, pe: int) -> int | None:
        """The PE from whose ramp the color reaches `pe`; None if the route starts nowhere."""
        return self.routes.source(pe)

    def receivers_of(self, pe: int) -> Indices:
        """The PEs that words from the ramp of `pe` go to."""
        return self.routes.fan(np.array([pe])).receiver

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
