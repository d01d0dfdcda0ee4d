"""A color with static routes: whole messages go from senders to receivers at once.

Words wait in the parcels that they were sent in (see `parcels`); of their cycles runs are kept
(see `ledger`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.crossings import Crossings
from waferc_runtime.vector.first_arrivals import FirstArrivals
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.ledger import Ledger
from waferc_runtime.vector.links import LinksOfColor
from waferc_runtime.vector.parcels import Parcels
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.state import NEVER
from waferc_runtime.vector.when import When, processed

_LONG_AGO = -(1 << 60)


class Stream:
    """One color. `depths` are the depths of the input queues that take it, by PE number.

    Without data (`has_data`) all words are zero.
    """

    def __init__(
        self,
        routes: ColorRoutes,
        machine: Machine,
        depths: NDArray[np.int64],
        has_data: bool = True,
    ) -> None:
        self.routes = routes
        self.has_data = has_data
        self._machine = machine
        self.receivers = np.flatnonzero(routes.tx & RAMP)
        count = len(self.receivers)
        self._column = np.full(len(routes.tx), -1, np.intp)
        self._column[self.receivers] = np.arange(count)
        self._depth = depths[self.receivers]
        self._words = Parcels(count if has_data else 0)
        self._arrived = Ledger(count)
        self._taken = Ledger(count)  # when words were processed
        self._first = FirstArrivals(count)
        # what belongs to a receiver lies together: chains of PEs visit few, far from each other
        book = np.zeros((5, count), np.int64, order="F")
        self._written, self._read, self._last, self._promised, self._next = book
        self._last[:] = -1  # cycle of the last word processed
        # `_promised` words will be taken without delay, from cycle `_next` on one per cycle
        self._deepest = 0  # the most words that were under way to a receiver
        self._sender = np.full(count, -1, np.intp)  # [receiver] its sender's PE, -1: not known
        self._has_rivals = False  # several senders of one receiver
        self.crossings: Crossings | None = None  # told of words that leave routers
        self.links: LinksOfColor | None = None  # that other colors use, too

    @property
    def color(self) -> int:
        return self.routes.color

    @property
    def sent(self) -> NDArray[np.int64]:
        """Words that each PE sent: [pe]."""
        return self.routes.sent

    # ---- the receiver's side ---------------------------------------------------------------------

    def columns(self, pes: Indices) -> Indices:
        """Columns of these PEs; -1 where the color does not reach the ramp."""
        return self._column[pes]

    def available(self, columns: Indices) -> Times:
        """Words that are on their way or waiting: [receiver]; none where nobody receives."""
        if not len(self._written):
            return np.zeros(len(columns), np.int64)
        return self._written[columns] - self._read[columns]

    def head_arrival(self, columns: Indices) -> Times:
        """When the next word arrives, NEVER where there is none: [receiver]."""
        return self._first.of(columns, self._look_up_first)

    def _look_up_first(self, columns: Indices) -> Times:
        found = self._arrived.lookup(columns, self._read[columns], 1).begin()
        return np.where(self.available(columns) > 0, found, NEVER)

    def peek(self, columns: Indices, count: int) -> tuple[Words, When]:
        """The next `count` words [count, receiver] and their arrivals."""
        read = self._read[columns]
        arrival = self._arrived.lookup(columns, read, count)
        if not self.has_data:
            return no_words(count, len(columns)), arrival
        return self._words.peek(columns, read, count), arrival

    def consume(self, columns: Indices, processed: When) -> None:
        """Take words; `processed` says when each was processed."""
        read, count = self._read[columns], len(processed)
        needed = self._written[columns] - self._deepest  # what senders look back at
        self._taken.append(columns, read, processed, needed)
        self._read[columns] = read + count
        self._last[columns] = processed.end()
        self._first.forget(columns)
        if self.has_data:
            self._words.drop(columns, read, count)

    def controls(self, columns: Indices, count: int) -> NDArray[np.bool_] | None:
        """Colors that carry control wavelets count as dynamic: there are none."""
        return None

    def data_ahead(self, columns: Indices, most: Times) -> Times:
        """Words before the first control wavelet: all."""
        return most

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> NDArray[np.bool_]:
        """Say that `words` more will be processed as they come, one per cycle at most.

        Returns:
            For which of them that is news: [receiver].
        """
        promised = self._read[columns] + words
        is_news = promised > self._promised[columns]
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
        self._deepest = max(self._deepest, int(capacity.max(initial=0)))
        senders, known = pes[fan.sender], self._sender[column]
        self._has_rivals |= bool(((known >= 0) & (known != senders)).any())
        self._sender[column] = senders
        return Outlet(pes, column, capacity, flight, fan.sender, fan.first)

    def senders_of(self, columns: Indices) -> Indices | None:
        """The PEs whose words come to these receivers; None if that is not clear.

        Who has asked for no outlet yet waits for nothing.
        """
        if self._has_rivals:
            return None
        senders = self._sender[columns]
        return senders[senders >= 0]

    def reached(self, outlet: Outlet) -> Indices | None:
        """The PEs that words sent by an outlet come to."""
        return self.receivers[outlet.column]

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

    def not_before(self, outlet: Outlet, start: Times, count: int) -> When | None:
        """When each of the next `count` words may be sent; None if at any time.

        `start` [sender] is when the first would be sent. Word j waits until the word one capacity
        before it has been processed by all receivers.
        """
        if (outlet.spread(start) > self.held_until(outlet, count)).all():
            return None
        column, capacity = outlet.column, outlet.capacity
        written, read = self._written[column], self._read[column]
        first = written - capacity  # the word that makes room for the next one
        past = self._taken.lookup(column, first, count)
        if past.step != 1:
            past = past.by_words()
        turns = np.concatenate([past.at, -first, read - first])
        at = np.unique(turns[(turns >= 0) & (turns < count)])
        before = first + at[:, np.newaxis]
        coming = self._next[column] + (before - read) + 1
        known = np.where(before < read, past.starting_at(at) + 1, coming)
        times = np.where(before < 0, 0, known)
        if outlet.first is not None:
            times = np.maximum.reduceat(times, outlet.first, axis=1)
        return When(at, times, 1, count)

    def held_until(self, outlet: Outlet, count: int) -> Times:
        """The last cycle at which the first of `count` words may have to wait for room: [way].

        Words that begin later go one per cycle.
        """
        column = outlet.column
        read = self._read[column]
        first = self._written[column] - outlet.capacity
        past = np.where(np.minimum(first + count, read) > 0, self._last[column], _LONG_AGO)
        coming = self._next[column] + first - read
        return np.maximum(past, np.where(first + count > read, coming, _LONG_AGO))

    def hand_over(self, outlet: Outlet, sent: When, processed: When) -> None:
        """Let words go that are sent at `sent` and processed at `processed` by who waits for them.

        Each sender has one receiver, which has no other words.
        """
        column, count = outlet.column, len(sent)
        written = self._written[column]
        self.routes.sent[outlet.senders] += count
        self._arrived.append(column, written, sent.later(outlet.flight), written)
        self._taken.append(column, written, processed, written + count - self._deepest)
        self._written[column] = written + count
        self._read[column] = written + count
        self._last[column] = processed.end()

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: When,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender], processed at `sent`, on their way.

        Static routes have no switches that `flips` could advance, and colors that carry control
        wavelets count as dynamic.
        """
        assert control is False
        self.routes.sent[outlet.senders] += len(words)
        if self.crossings is not None:
            receivers = self.receivers[outlet.column]
            self.crossings.sent(self.routes, outlet, receivers, words, sent.table())
        if outlet.first is not None:
            sent = sent.of(outlet.sender)
        arrival, column = sent.later(outlet.flight), outlet.column
        if self.links is not None:
            arrival = self.links.passed(column, arrival, len(self.receivers))
            behind = self._arrived.last(column, self._written[column]) + 1
            if (arrival.begin() < behind).any():  # words before were held up on the way
                arrival = processed(behind, 1, len(words), [arrival])
        self._put(column, words, arrival, outlet.sender)

    def drained(self, outlet: Outlet, output_depth: int) -> Times:
        """Since when the output queue of each sender is empty; NEVER: not yet known.

        Its last word leaves as soon as there is room on the way behind it.
        """
        column = outlet.column
        written, read = self._written[column], self._read[column]
        sent = self._arrived.last(column, written) - outlet.flight
        before = written - 1 - (outlet.capacity - output_depth)  # whose room the last word takes
        room = self._taken.lookup(column, np.maximum(before, 0), 1).begin()
        left = np.where(before < 0, sent + 1, np.maximum(sent + 1, room))
        since = np.where(before < read, left + 1, NEVER)
        return since if outlet.first is None else np.maximum.reduceat(since, outlet.first)

    def _put(
        self, columns: Indices, words: Words, arrival: When, sender: Indices | None = None
    ) -> None:
        """Let words [count, sender] arrive; `sender` [column], in order if not given."""
        count, written = len(words), self._written[columns]
        self._arrived.append(columns, written, arrival, self._read[columns])
        if self.has_data:
            place = np.arange(len(columns)) if sender is None else sender
            self._words.put(columns, written, words, place)
        self._written[columns] = written + count
        self._first.forget(columns)

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


def no_words(count: int, receivers: int) -> Words:
    """Zeros [count, receiver] that take no space."""
    return np.broadcast_to(np.uint32(0), (count, receivers))
