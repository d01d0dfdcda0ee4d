"""Cycles of the words of a message, one word after the other, as few numbers.

Words mostly follow each other at an even pace, so what is kept are runs of such words: a message
of any length costs as much as its runs. Runs begin at the same word on all PEs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Indices

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class When:
    """`count` words: word n of the run that begins at word `at` comes `step * (n - at)` later."""

    at: Indices  # [run], ascending, the first is 0
    first: Times  # [run, pe] cycle of the run's first word
    step: int
    count: int

    def __len__(self) -> int:
        return self.count

    def begin(self) -> Times:
        """When the first word comes: [pe]."""
        return self.first[0]

    def end(self) -> Times:
        """When the last word comes: [pe]."""
        return self.first[-1] + self.step * (self.count - 1 - int(self.at[-1]))

    def later(self, cycles: int | Times) -> When:
        """The same so many cycles later, the same on all PEs or [pe]."""
        return When(self.at, self.first + cycles, self.step, self.count)

    def of(self, pes: Indices) -> When:
        """For PEs by position, in any order and number."""
        return When(self.at, self.first[:, pes], self.step, self.count)

    def starting_at(self, words: Indices) -> Times:
        """When these words come, ascending: [word, pe]."""
        run = np.searchsorted(self.at, words, "right") - 1
        return self.first[run] + (self.step * (words - self.at[run]))[:, np.newaxis]

    def table(self) -> Times:
        """When each word comes: [word, pe]."""
        return self.starting_at(np.arange(self.count))

    def by_words(self) -> When:
        """The same with a run for every word."""
        return words_at(self.table())


def steadily(first: Times, step: int, count: int) -> When:
    """`count` words at an even pace from `first` [pe] on."""
    return When(np.zeros(1, np.intp), first[np.newaxis], step, count)


def words_at(times: Times) -> When:
    """Words at cycles [word, pe], each for itself."""
    return When(np.arange(len(times)), times, 1, len(times))


def shortened(when: When) -> When:
    """The same in as few runs as can be."""
    if len(when.at) == 1:
        return when
    gaps = np.diff(when.at)
    follows = when.first[1:] == when.first[:-1] + (when.step * gaps)[:, np.newaxis]
    kept = np.append(True, ~follows.all(axis=1))
    if kept.all():
        return when
    return When(when.at[kept], when.first[kept], when.step, when.count)


def processed(start: Times, pace: int, count: int, given: Sequence[When]) -> When:
    """When words are processed: `t_i = max(t_(i-1) + pace, given_i)`, the first from `start` on.

    `start` is [pe]; each of `given` says from when on words may be processed.
    """
    if not given:
        return steadily(start, pace, count)
    if len(given) == 1 and len(given[0].at) == 1:
        begin = given[0].begin()
        if given[0].step <= pace:
            return steadily(np.maximum(begin, start), pace, count)
        if (begin >= start).all():
            return given[0]  # slower than we are
    # behind a word that comes no slower than we go, ours follow at our pace
    runs = [when.by_words() if when.step > pace else when for when in given]
    at = runs[0].at
    for when in runs[1:]:
        if len(when.at) != len(at) or (when.at != at).any():
            at = np.union1d(at, when.at)
    earliest = runs[0].starting_at(at)
    for when in runs[1:]:
        earliest = np.maximum(earliest, when.starting_at(at))
    steps = (pace * at)[:, np.newaxis]
    if len(at) == 1:
        return When(at, np.maximum(earliest, start), pace, count)
    slack = np.maximum(earliest - steps, start)
    return shortened(When(at, np.maximum.accumulate(slack, axis=0) + steps, pace, count))
