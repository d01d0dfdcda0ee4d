"""When the words of many columns came, kept as runs of words at an even pace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.when import Times, When, shortened

_START_ROWS = 2
_NEVER = 1 << 60  # less than half of an int64: words before the first have negative numbers


class Ledger:
    """For each column a ring of the youngest runs: run number r stands in row `r % rows`."""

    def __init__(self, columns: int) -> None:
        # what belongs to a column lies together: chains of PEs visit few, far from each other
        rows = _START_ROWS
        book = np.zeros((3 * rows + 1, columns), np.int64, order="F")
        self._number = book[:rows]  # of the run's first word
        self._first = book[rows : 2 * rows]  # its cycle
        self._step = book[2 * rows : 3 * rows]
        self._step[:] = 1
        self._runs = book[3 * rows]  # so far

    def add_columns(self, count: int) -> None:
        """Have so many columns more."""
        rows = ((0, 0), (0, count))
        self._number = np.pad(self._number, rows)
        self._first = np.pad(self._first, rows)
        self._step = np.pad(self._step, rows, constant_values=1)
        self._runs = np.pad(self._runs, (0, count))

    def append(self, columns: Indices, number: Times, when: When, needed: Times) -> None:
        """Words from `number` [column] on; nobody asks for those before `needed` again."""
        when = shortened(when)
        for at, first in zip(when.at, when.first, strict=True):
            self._add(columns, number + at, first, when.step, needed)

    def _add(self, columns: Indices, number: Times, first: Times, step: int, needed: Times) -> None:
        runs = self._runs[columns]
        rows = len(self._number)
        last = (runs - 1) % rows
        expected = self._first[last, columns] + (number - self._number[last, columns]) * step
        goes_on = (runs > 0) & (self._step[last, columns] == step) & (expected == first)
        if goes_on.any():
            if goes_on.all():
                return
            columns, number, first, runs, needed = (
                array[~goes_on] for array in (columns, number, first, runs, needed)
            )
        row = runs % rows
        oldest_ends = self._number[(runs + 1) % rows, columns]
        if ((runs >= rows) & (oldest_ends > needed)).any():
            self._grow()
            row = runs % len(self._number)
        self._number[row, columns] = number
        self._first[row, columns] = first
        self._step[row, columns] = step
        self._runs[columns] = runs + 1

    def last(self, columns: Indices, written: Times) -> Times:
        """When the last of `written` words of each column came; 0 where there are none."""
        row = (self._runs[columns] - 1) % len(self._number)
        since = written - 1 - self._number[row, columns]
        last = self._first[row, columns] + since * self._step[row, columns]
        return np.where(written > 0, last, 0)

    def lookup(self, columns: Indices, number: Times, count: int) -> When:
        """When `count` words from `number` [column] on came; of others something comes out."""
        run = self._run_of(columns, number)
        rows = len(self._number)
        step = self._step[run % rows, columns]
        following = self._following(columns, run)
        pace = int(step[0]) if len(step) else 1
        if count == 1 or ((following >= number + count).all() and (step == pace).all()):
            first = self._cycle(columns, run, number)
            return When(np.zeros(1, np.intp), first[np.newaxis], pace, count)
        return self._mixed(columns, number, count, run)

    def _mixed(self, columns: Indices, number: Times, count: int, run: Times) -> When:
        """A lookup of several runs, or of runs at different paces."""
        rows = len(self._number)
        breaks: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        paces: set[int] = set(np.unique(self._step[run % rows, columns]).tolist())
        at, here, offsets = run, columns, number
        while len(here):
            following = self._following(here, at) - offsets
            inside = following < count
            at, here, offsets = at[inside] + 1, here[inside], offsets[inside]
            breaks.append(following[inside])
            paces |= set(np.unique(self._step[at % rows, here]).tolist())
        starts = np.unique(np.concatenate(breaks))
        starts = starts[starts >= 0]
        if len(paces) > 1:
            starts = np.arange(count)
        first = np.empty((len(starts), len(columns)), np.int64)
        for place, start in enumerate(starts):
            wanted = number + start
            while True:
                behind = self._following(columns, run) <= wanted
                if not behind.any():
                    break
                run = run + behind
            first[place] = self._cycle(columns, run, wanted)
        pace = 1 if len(paces) > 1 else paces.pop()
        return shortened(When(starts.astype(np.intp), first, int(pace), count))

    def _run_of(self, columns: Indices, number: Times) -> Times:
        """The youngest run that does not begin behind word `number`; the oldest kept if none."""
        rows = len(self._number)
        run = self._runs[columns] - 1
        oldest = np.maximum(self._runs[columns] - rows, 0)
        while True:
            behind = (run > oldest) & (self._number[run % rows, columns] > number)
            if not behind.any():
                return np.maximum(run, 0)
            run = run - behind

    def _following(self, columns: Indices, run: Times) -> Times:
        """The number of the word behind a run; a very large one behind the youngest."""
        rows = len(self._number)
        number = self._number[(run + 1) % rows, columns]
        return np.where(run + 1 < self._runs[columns], number, _NEVER)

    def _cycle(self, columns: Indices, run: Times, number: Times) -> Times:
        row = run % len(self._number)
        since = number - self._number[row, columns]
        return self._first[row, columns] + since * self._step[row, columns]

    def _grow(self) -> None:
        old = len(self._number)
        rows = 2 * old
        run = self._runs - 1 - np.arange(old)[:, np.newaxis]  # the youngest
        columns = np.broadcast_to(np.arange(len(self._runs)), run.shape)
        run = np.maximum(run, 0)  # where there are fewer, row 0 is moved to itself
        source, target = (run % old, columns), (run % rows, columns)
        self._number = _moved(self._number, rows, source, target)
        self._first = _moved(self._first, rows, source, target)
        self._step = _moved(self._step, rows, source, target)


def _moved(array: NDArray[Any], rows: int, source: Any, target: Any) -> NDArray[Any]:
    result = np.ones((rows, array.shape[1]), array.dtype, order="F")
    result[target] = array[source]
    return result
