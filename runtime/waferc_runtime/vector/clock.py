"""When the steps of an operation are processed: one after the other, none before its operands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.when import Times, When, processed, words_at

_ANY_TIME = -(1 << 60)


class Clock:
    """Cycles of `steps` that begin at `start` [pe] and take `pace` cycles each.

    What a FIFO has to do with it is kept apart.
    """

    def __init__(self, start: Times, steps: int, pace: int) -> None:
        self._start = start
        self._steps = steps
        self._pace = pace
        self._given: list[When] = []
        self._fifo: When | None = None
        self._times: When | None = None

    def wait(self, when: When, ratio: int, is_fifo: bool) -> None:
        """Words come, each for `ratio` steps."""
        if ratio > 1:
            when = words_at(np.repeat(when.table(), ratio, axis=0)[: self._steps])
        self._take(when, is_fifo)

    def wait_to_send(self, when: When, ratio: int, is_fifo: bool) -> None:
        """Words may go, each made by `ratio` steps, of which the last waits.

        The last word may be made by fewer.
        """
        if ratio > 1:
            table = when.table()
            spread = np.full((self._steps, table.shape[1]), _ANY_TIME, np.int64)
            spread[np.minimum(np.arange(len(table)) * ratio + ratio - 1, self._steps - 1)] = table
            when = words_at(spread)
        self._take(when, is_fifo)

    def _take(self, when: When, is_fifo: bool) -> None:
        self._times = None
        if is_fifo:
            self._fifo = when
        else:
            self._given.append(when)

    def first(self) -> Times:
        """The cycle of the first step as far as is known: [pe]."""
        first = self._start
        for when in (*self._given, *([] if self._fifo is None else [self._fifo])):
            first = np.maximum(first, when.begin())
        return first

    @property
    def times(self) -> When:
        """When each step is processed."""
        if self._times is None:
            given = self._given if self._fifo is None else [*self._given, self._fifo]
            self._times = processed(self._start, self._pace, self._steps, given)
        return self._times

    # ---- FIFOs -----------------------------------------------------------------------------------

    def _without_fifo(self) -> Times:
        """When each step could be processed if the FIFO did not hold it up: [step, pe]."""
        before = self.times.table() + self._pace
        earliest = np.concatenate([self._start[np.newaxis], before[:-1]])
        for when in self._given:
            earliest = np.maximum(earliest, when.table())
        return earliest

    def fifo_times(self) -> Times:
        """From when on the FIFO lets each step pass: [step, pe]."""
        assert self._fifo is not None
        return self._fifo.table()

    def found_in_vain(self) -> NDArray[np.bool_]:
        """Which steps find the FIFO empty or full when they look."""
        if self._fifo is None:
            return np.zeros((self._steps, len(self._start)), np.bool_)
        return self._fifo.table() > self._without_fifo()

    def others(self, chosen: NDArray[np.bool_], step: int) -> Times:
        """When a step of some PEs could be processed but for the FIFO: [chosen]."""
        return self._without_fifo()[step, chosen]


def every(when: When, ratio: int) -> When:
    """Each `ratio`-th of the times, from the first on."""
    return when if ratio == 1 else words_at(when.table()[::ratio])
