"""The receivers' side of a color: words that are on their way or wait in input queues.

Each receiver has a ring of words. Word number j of a receiver stands in row `j % rows`, with the
cycle at which it arrives and, once it is consumed, the cycle at which it was processed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.first_arrivals import FirstArrivals
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.state import NEVER

Times = NDArray[np.int64]
_START_ROWS = 32
_NO_LIMIT = np.int64(1) << 60


class Inbox:
    """Receivers of one color. `depths` are the depths of their input queues.

    `column` gives the column of each PE's ring, -1 where the color reaches no ramp. Of colors
    that carry control wavelets (`has_control`) it is kept which words are such.
    """

    def __init__(
        self, receivers: Indices, pes: int, depths: NDArray[np.int64], has_control: bool
    ) -> None:
        count = len(receivers)
        self.receivers = receivers
        self._column = np.full(pes, -1, np.intp)
        self._column[receivers] = np.arange(count)
        self._depth = depths[receivers]
        self._words = np.zeros((_START_ROWS, count), np.uint32)
        self._arrival = np.zeros((_START_ROWS, count), np.int64)
        self._processed = np.zeros((_START_ROWS, count), np.int64)
        self._control = np.zeros((_START_ROWS, count), np.bool_) if has_control else None
        self._written = np.zeros(count, np.int64)
        self._read = np.zeros(count, np.int64)
        self._first = FirstArrivals(count)
        self._last = np.full(count, -1, np.int64)  # cycle of the last word processed
        self._promised = np.zeros(count, np.int64)  # words that will be taken without delay
        self._next = np.zeros(count, np.int64)  # from this cycle on, one per cycle

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
        found = self._arrival[self._read[columns] % len(self._words), columns]
        return np.where(self.available(columns) > 0, found, NEVER)

    def peek(self, columns: Indices, count: int) -> tuple[NDArray[np.uint32], Times]:
        """The next `count` words and their arrivals: two arrays [count, receiver]."""
        index = self._index(self._read[columns], count, columns)
        return self._words[index], self._arrival[index]

    def consume(self, columns: Indices, processed: Times) -> None:
        """Take words; `processed` [count, receiver] says when each was processed."""
        read = self._read[columns]
        self._processed[self._index(read, len(processed), columns)] = processed
        self._read[columns] = read + len(processed)
        self._last[columns] = processed[-1]
        self._first.forget(columns)

    def controls(self, columns: Indices, count: int) -> NDArray[np.bool_] | None:
        """Which of the next `count` words are control wavelets [count, receiver]; None if none."""
        if self._control is None:
            return None
        found = self._control[self._index(self._read[columns], count, columns)]
        return found if found.any() else None

    def data_ahead(self, columns: Indices, most: Times) -> Times:
        """Words before the first control wavelet among the next `most`: [receiver]."""
        if self._control is None or not len(columns):
            return most
        count = int(most.max())
        if not count:
            return most
        rows = self._read[columns] + np.arange(count)[:, np.newaxis]
        control = self._control[rows % len(self._words), columns]
        first = np.where(control.any(axis=0), control.argmax(axis=0), count)
        return np.minimum(most, first)

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> NDArray[np.bool_]:
        """Say that `words` more will be processed as they come, one per cycle at most.

        An operation may end at a control wavelet: nothing is promised behind one.

        Returns:
            For which of them that is news: [receiver].
        """
        if self._control is not None:
            words = np.minimum(words, self._until_control(columns))
        promised = self._read[columns] + words
        is_news = promised > self._promised[columns]
        self._promised[columns] = promised
        self._next[columns] = from_cycle
        return is_news

    def _until_control(self, columns: Indices) -> Times:
        """How many words may be promised: up to a control wavelet that is there already."""
        here = self.available(columns)
        ahead = self.data_ahead(columns, here)
        return np.where(ahead < here, ahead, _NO_LIMIT)

    # ---- the router's side -----------------------------------------------------------------------

    def room(self, columns: Indices) -> tuple[NDArray[np.bool_], Times]:
        """Whether an input queue takes one more word, and from which cycle on: [receiver]."""
        written, read, depth = self._written[columns], self._read[columns], self._depth[columns]
        has_room = written < np.maximum(read + depth, self._promised[columns])
        before = written - depth  # the word that makes room
        past = self._processed[np.maximum(before, 0) % len(self._words), columns]
        coming = self._next[columns] + before - read
        return has_room, np.where(before < 0, 0, np.where(before < read, past, coming))

    def put(
        self,
        columns: Indices,
        words: NDArray[np.uint32],
        arrival: Times,
        control: NDArray[np.bool_],
    ) -> None:
        """One more word for each of these receivers; a control wavelet ends what is promised."""
        assert self._control is not None
        written = self._written[columns]
        self._grow(int((written - self._read[columns] + self._depth[columns]).max()) + 1)
        row = written % len(self._words)
        self._words[row, columns] = words
        self._arrival[row, columns] = arrival
        self._control[row, columns] = control
        self._written[columns] = written + 1
        self._first.forget(columns)
        if control.any():
            ended = columns[control]
            self._promised[ended] = np.minimum(self._promised[ended], written[control])

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
        written = self._written
        numbers: Times = written - 1 - np.arange(old)[:, np.newaxis]  # the youngest `old` words
        keep = numbers >= 0
        columns = np.broadcast_to(np.arange(len(written)), (old, len(written)))
        source: tuple[Any, Any] = ((numbers % old)[keep], columns[keep])
        target: tuple[Any, Any] = ((numbers % rows)[keep], columns[keep])
        self._words = _moved(self._words, rows, source, target)
        self._arrival = _moved(self._arrival, rows, source, target)
        self._processed = _moved(self._processed, rows, source, target)
        if self._control is not None:
            self._control = _moved(self._control, rows, source, target)


def _moved(array: NDArray[Any], rows: int, source: Any, target: Any) -> NDArray[Any]:
    result = np.zeros((rows, array.shape[1]), array.dtype)
    result[target] = array[source]
    return result
