"""Streaming colors: words between the host and ramps, without routes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.open_stream import OpenStream
from waferc_runtime.vector.when import When, steadily

_UNLIMITED = 1 << 40  # words


class HostStream(OpenStream):
    """One streaming color, in one of the two directions."""

    def deliver(self, pes: Indices, words: NDArray[np.uint32], begin: int) -> None:
        """Let `words` [n, pe] of the host arrive on ramps, one per cycle from `begin` on.

        A word that finds the queue full comes as soon as there is room, which is never later
        than it could be processed: so its time is that of an empty queue.
        """
        column = self._column[pes]
        written = self._written[column]
        behind = np.where(written > 0, self._arrived.last(column, written) + 1, begin)
        self._put(column, words, steadily(np.maximum(behind, begin), 1, len(words)))

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of words from these PEs to the host."""
        self.open(pes)
        column = self._column[pes]
        flight = np.full(len(pes), self._machine.ramp_cycles + 1, np.int64)
        capacity = np.full(len(pes), _UNLIMITED, np.int64)
        return Outlet(pes, column, capacity, flight, np.arange(len(pes)), None)

    def not_before(self, outlet: Outlet, start: Times, count: int) -> When | None:
        """The host takes everything at once."""
        return None

    def smooth_credit(self, outlet: Outlet, begin: Times) -> Times:
        """The host takes everything at once."""
        return np.full(len(outlet.senders), _UNLIMITED, np.int64)

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: When,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender], processed at `sent`, on their way.

        The host takes control wavelets for data, and there is no switch to advance.
        """
        self.routes.sent[outlet.senders] += len(words)
        if self.crossings is not None:
            self.crossings.sent(self.routes, outlet, outlet.senders, words, sent.table())
        self._put(outlet.column, words, sent.later(outlet.flight))
