"""A dynamic color as operations see it: queues of PEs, with routers between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.router_buffers import CONTROL, FLIP
from waferc_runtime.vector.routers import Routers
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.state import NEVER
from waferc_runtime.vector.when import When, words_at

_NOBODY = np.zeros(0, np.intp)


class RoutedStream:
    """One color of `routers`; `routes` are those of a static one."""

    def __init__(self, color: int, routers: Routers, routes: ColorRoutes | None = None) -> None:
        self._color = color
        self._routers = routers
        self._routes = routes
        slot = routers.config.slots[color]
        self._base = slot * routers.pes
        self._here = slice(self._base, self._base + routers.pes)

    @property
    def color(self) -> int:
        return self._color

    @property
    def has_data(self) -> bool:
        return True

    @property
    def sent(self) -> NDArray[np.int64]:
        """Words that each PE sent: [pe]."""
        return self._routers.sent[self._here]

    # ---- the receiver's side ---------------------------------------------------------------------

    def columns(self, pes: Indices) -> Indices:
        """Columns of these PEs; -1 where no position of the routes leads to the ramp."""
        return self._routers.inbox.columns(pes + self._base)

    def available(self, columns: Indices) -> Times:
        """Words that are on their way from the router or waiting: [receiver]."""
        return self._routers.inbox.available(columns)

    def head_arrival(self, columns: Indices) -> Times:
        """When the next word arrives, NEVER where there is none: [receiver]."""
        return self._routers.inbox.head_arrival(columns)

    def peek(self, columns: Indices, count: int) -> tuple[Words, When]:
        """The next `count` words [count, receiver] and their arrivals."""
        words, arrival = self._routers.inbox.peek(columns, count)
        return words, words_at(arrival)

    def controls(self, columns: Indices, count: int) -> NDArray[np.bool_] | None:
        """Which of the next `count` words are control wavelets [count, receiver]; None if none."""
        return self._routers.inbox.controls(columns, count)

    def data_ahead(self, columns: Indices, most: Times) -> Times:
        """Words before the first control wavelet among the next `most`: [receiver]."""
        return self._routers.inbox.data_ahead(columns, most)

    def consume(self, columns: Indices, processed: When) -> None:
        """Take words; `processed` says when each was processed."""
        self._routers.inbox.consume(columns, processed.table())
        self._wake(columns)

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> NDArray[np.bool_]:
        """Say that `words` more will be taken as they come; for which receivers that is news."""
        is_news = self._routers.inbox.promise(columns, words, from_cycle)
        if is_news.any():
            self._wake(columns)
        return is_news

    def _wake(self, columns: Indices) -> None:
        self._routers.look_at(self._routers.inbox.receivers[columns])

    # ---- the sender's side -----------------------------------------------------------------------

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of words from these PEs into their routers.

        Raises:
            RouteFault: the color is static, and some of them have none.
        """
        if self._routes is not None:
            self._routes.fan(pes)
        count = len(pes)
        depth = np.full(count, output_depth, np.int64)
        nodes = pes + self._base
        return Outlet(pes, nodes, depth, np.zeros(count, np.int64), np.arange(count), None)

    def credit(self, outlet: Outlet) -> Times:
        """How many words each sender may send now: [sender]."""
        return outlet.capacity - self._routers.outputs.held(outlet.column)

    def smooth_credit(self, outlet: Outlet, begin: Times) -> Times:
        """How many words each sender may send, one per cycle from `begin` on; 0: not known."""
        return np.zeros(len(outlet.senders), np.int64)

    def not_before(self, outlet: Outlet, start: Times, count: int) -> When | None:
        """When each of the next `count` words may be sent; None if at any time.

        Word j waits until the word as many before it as the queue holds has left the queue.
        """
        queues = self._routers.outputs
        before = queues.written[outlet.column] - outlet.capacity + np.arange(count)[:, np.newaxis]
        left = queues.left[outlet.column, before % queues.rows] + 1
        times = np.where(before < 0, 0, left)
        return words_at(times) if (times > start).any() else None

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: When,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender] into output queues; see `Channel.send`."""
        kind = np.zeros(words.shape, np.uint8)
        kind[...] |= np.where(control, np.uint8(CONTROL), np.uint8(0))
        if flips is not None:
            kind[-1] |= np.where(flips, np.uint8(FLIP), np.uint8(0))
        nodes, times = outlet.column, sent.table()
        for row in range(len(words)):
            self._routers.outputs.push(nodes, words[row], kind[row], times[row] + 1)
        self._routers.sent[nodes] += len(words)
        self._routers.sends(nodes)

    def drained(self, outlet: Outlet, output_depth: int) -> Times:
        """Since when the output queue of each sender is empty; NEVER: it is not."""
        queues, nodes = self._routers.outputs, outlet.column
        left = queues.left[nodes, (queues.written[nodes] - 1) % queues.rows]
        return np.where(queues.held(nodes) > 0, NEVER, left + 1)

    def senders_of(self, columns: Indices) -> Indices | None:
        """No PEs: routers tell when there is room."""
        return _NOBODY

    def reached(self, outlet: Outlet) -> Indices | None:
        """No PEs: routers tell when words have come."""
        return _NOBODY

    # ---- for reports -----------------------------------------------------------------------------

    def link_load(self) -> NDArray[np.int64]:
        """Words that left each PE: [direction E W N S, y, x]. A copy, as counting goes on."""
        return self._routers.load[:, self._here].reshape(4, *self._routers.shape).copy()

    def source(self, pe: int) -> int | None:
        """The PE from whose ramp the color comes to `pe` as things stand; None if from none."""
        seen: set[int] = set()
        while pe not in seen:
            seen.add(pe)
            mask = int(self._routers.config.rx[self._base + pe])
            if mask & RAMP:
                return pe
            before = self._routers.neighbours(pe, mask)
            if not before:
                return None
            pe = before[0]
        return None

    def receivers_of(self, pe: int) -> Indices:
        """The PEs that words from the ramp of `pe` go to as things stand."""
        found: list[int] = []
        seen: set[int] = set()
        front = [pe]
        while front:
            here = front.pop()
            seen.add(here)
            mask = int(self._routers.config.tx[self._base + here])
            if mask & RAMP:
                found.append(here)
            front += [there for there in self._routers.neighbours(here, mask) if there not in seen]
        return np.array(sorted(set(found)), np.intp)
