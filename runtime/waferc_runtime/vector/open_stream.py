"""Channels without routes: columns are made for the PEs that words come from or go to."""

from __future__ import annotations

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import Routes
from waferc_runtime.vector.channel import Outlet
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.stream import Stream


class OpenStream(Stream):
    """A channel whose ends are no routes; `color` only tells it from others."""

    def __init__(
        self, color: int, machine: Machine, width: int, height: int, has_data: bool = True
    ) -> None:
        none = np.zeros((height, width), np.uint8)
        routes = ColorRoutes(color, Routes(none, none), width, height)
        super().__init__(routes, machine, np.zeros(width * height, np.int64), has_data)
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

    def senders_of(self, columns: Indices) -> Indices | None:
        """Any that use it."""
        return None

    def reached(self, outlet: Outlet) -> Indices | None:
        """Any that use it."""
        return None

    def _add_columns(self, count: int) -> None:
        more = (0, count)
        self._depth = np.pad(self._depth, more)
        self._arrived.add_columns(count)
        self._taken.add_columns(count)
        self._first.add_columns(count)
        self._written = np.pad(self._written, more)
        self._read = np.pad(self._read, more)
        self._last = np.pad(self._last, more, constant_values=-1)
        self._promised = np.pad(self._promised, more)
        self._next = np.pad(self._next, more)
        self._words.add_columns(count)
