"""Streaming colors: words between the host and ramps, without routes.

Columns are made for the PEs that words come from or go to, when the first one does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import Routes
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.stream import Stream

_UNLIMITED = 1 << 40  # words


class HostStream(Stream):
    """One streaming color, in one of the two directions."""

    def __init__(self, color: int, machine: Machine, width: int, height: int) -> None:
        none = np.zeros((height, width), np.uint8)
        routes = ColorRoutes(color, Routes(none, none), width, height)
        super().__init__(routes, machine, np.zeros(width * height, np.int64))
        self._add_columns(1)  # of no PE, so that column -1 is one

    def open(self, pes: Indices) -> bool:
        """Have columns for these PEs; whether some are new."""
        fresh = pes[self._column[pes] < 0]
        if not len(fresh):
            return False
        first = len(self._written)
        self._add_columns(len(fresh))
        self._column[fresh] = np.arange(first, first + len(fresh))
        return True

    def _add_columns(self, count: int) -> None:
        rows = ((0, 0), (0, count))
        self._words = np.pad(self._words, rows)
        self._arrival = np.pad(self._arrival, rows)
        self._processed = np.pad(self._processed, rows)
        self._depth = np.pad(self._depth, (0, count))
        self._written = np.pad(self._written, (0, count))
        self._read = np.pad(self._read, (0, count))
        self._last = np.pad(self._last, (0, count), constant_values=-1)
        self._promised = np.pad(self._promised, (0, count))
        self._next = np.pad(self._next, (0, count))

    def deliver(self, pes: Indices, words: NDArray[np.uint32], begin: int) -> None:
        """Let `words` [n, pe] of the host arrive on ramps, one per cycle from `begin` on.

        A word that finds the queue full comes as soon as there is room, which is never later
        than it could be processed: so its time is that of an empty queue.
        """
        count, column = len(words), self._column[pes]
        written = self._written[column]
        self._grow(int((written - self._read[column]).max()) + count)
        first = np.full(len(pes), begin, np.int64)
        older = written > 0
        last = self._arrival[(written - 1) % len(self._arrival), column]
        first[older] = np.maximum(first[older], last[older] + 1)
        index = self._index(written, count, column)
        self._words[index] = words
        self._arrival[index] = first + np.arange(count)[:, np.newaxis]
        self._written[column] = written + count

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of words from these PEs to the host."""
        self.open(pes)
        column = self._column[pes]
        flight = np.full(len(pes), self._machine.ramp_cycles + 1, np.int64)
        capacity = np.full(len(pes), _UNLIMITED, np.int64)
        return Outlet(pes, column, capacity, flight, np.arange(len(pes)), None)

    def not_before(self, outlet: Outlet, start: Times, count: int) -> Times | None:
        """The host takes everything at once."""
        return None

    def smooth_credit(self, outlet: Outlet, begin: Times) -> Times:
        """The host takes everything at once."""
        return np.full(len(outlet.senders), _UNLIMITED, np.int64)

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: Times,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Put words [count, sender], processed at `sent` [count, sender], on their way.

        The host takes control wavelets for data, and there is no switch to advance.
        """
        count, column = len(words), outlet.column
        self.routes.sent[outlet.senders] += count
        written = self._written[column]
        self._grow(int((written - self._read[column]).max()) + count)
        index = self._index(written, count, column)
        self._words[index] = words
        self._arrival[index] = sent + outlet.flight
        self._written[column] = written + count
