"""Bounded buffers of words: those of routers, by input, and output queues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Indices

Times = NDArray[np.int64]
Words = NDArray[np.uint32]
Kinds = NDArray[np.uint8]

# What a word is beside its 32 bits.
CONTROL, FLIP = 1, 2


class Buffers:
    """Many buffers of `rows` words each. Word number j of a buffer stands in row `j % rows`."""

    def __init__(self, count: int, rows: int) -> None:
        self.rows = rows
        self.words = np.zeros((count, rows), np.uint32)
        self.kind = np.zeros((count, rows), np.uint8)
        self.ready = np.zeros((count, rows), np.int64)  # first cycle at which it can leave
        self.left = np.zeros((count, rows), np.int64)  # when the last word in this row left
        self.written = np.zeros(count, np.int64)
        self.read = np.zeros(count, np.int64)

    def held(self, buffers: Indices) -> Times:
        """How many words lie in each."""
        return self.written[buffers] - self.read[buffers]

    def head(self, buffers: Indices) -> tuple[Words, Kinds, Times]:
        """The first word of each, which has one: bits, kind, and when it can leave."""
        row = self.read[buffers] % self.rows
        return self.words[buffers, row], self.kind[buffers, row], self.ready[buffers, row]

    def free_since(self, buffers: Indices) -> Times:
        """When the row became free that the next word of each takes."""
        return self.left[buffers, self.written[buffers] % self.rows]

    def served(self, buffers: Indices) -> Times:
        """When the last word of each left; -1: none has."""
        last = self.read[buffers] - 1
        return np.where(last < 0, -1, self.left[buffers, last % self.rows])

    def push(self, buffers: Indices, words: Words, kind: Kinds, ready: Times) -> None:
        """One more word for each of different buffers."""
        written = self.written[buffers]
        row = written % self.rows
        self.words[buffers, row] = words
        self.kind[buffers, row] = kind
        self.ready[buffers, row] = ready
        self.written[buffers] = written + 1

    def pop(self, buffers: Indices, left: Times) -> None:
        """The first word of each goes at `left`."""
        read = self.read[buffers]
        self.left[buffers, read % self.rows] = left
        self.read[buffers] = read + 1
