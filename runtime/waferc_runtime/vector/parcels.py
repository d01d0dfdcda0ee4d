"""The words of messages on their way, kept as they were sent until all receivers took them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.channel import Times, Words
from waferc_runtime.vector.lanes import Indices, alike

_START_ROWS = 2


@dataclass(eq=False, slots=True)
class Parcel:
    """Words [word, sender], and how many of them receivers have yet to take, counted for each."""

    words: Words
    left: int


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Words `first` and following of a parcel, for some of the columns asked for."""

    number: int  # of the parcel
    where: Indices | slice  # positions in what was asked for
    place: Indices  # senders in the parcel
    first: int
    begin: int  # the first of them among the words asked for
    count: int


class Parcels:
    """For each column the parcels that hold its unread words, in a ring of the youngest."""

    def __init__(self, columns: int) -> None:
        # what belongs to a column lies together: chains of PEs visit few, far from each other
        rows = _START_ROWS
        book = np.zeros((3 * rows + 2, columns), np.int64, order="F")
        self._number = book[:rows]  # of the first word
        self._parcel = book[rows : 2 * rows]
        self._place = book[2 * rows : 3 * rows]  # the sender in it
        self._sent = book[3 * rows]  # parcels so far
        self._oldest = book[3 * rows + 1]  # the one with the next unread word
        self._parcels: dict[int, Parcel] = {}
        self._next = 0

    def add_columns(self, count: int) -> None:
        """Have so many columns more."""
        rows = ((0, 0), (0, count))
        self._number = np.pad(self._number, rows)
        self._parcel = np.pad(self._parcel, rows)
        self._place = np.pad(self._place, rows)
        self._sent = np.pad(self._sent, (0, count))
        self._oldest = np.pad(self._oldest, (0, count))

    def put(self, columns: Indices, number: Times, words: Words, place: Indices) -> None:
        """Send `words` [word, sender]: a column gets, from `number` on, those of sender `place`."""
        sent = self._sent[columns]
        while (sent - self._oldest[columns] >= len(self._number)).any():
            self._grow()
        row = sent % len(self._number)
        self._number[row, columns] = number
        self._parcel[row, columns] = self._next
        self._place[row, columns] = place
        self._sent[columns] = sent + 1
        self._parcels[self._next] = Parcel(words, len(words) * len(columns))
        self._next += 1

    def peek(self, columns: Indices, number: Times, count: int) -> Words:
        """The `count` words [word, column] from `number` on, the next unread one."""
        result = np.zeros((0, len(columns)), np.uint32)
        for piece in self._pieces(columns, number, count):
            words = self._parcels[piece.number].words[piece.first : piece.first + piece.count]
            is_all = isinstance(piece.where, slice)
            if is_all and piece.count == count:
                place = piece.place
                is_whole = len(place) == words.shape[1] and (place[1:] > place[:-1]).all()
                return words if is_whole else np.take(words, place, axis=1)
            if not len(result):
                result = np.zeros((count, len(columns)), np.uint32)
            result[piece.begin : piece.begin + piece.count, piece.where] = words[:, piece.place]
        return result

    def drop(self, columns: Indices, number: Times, count: int) -> None:
        """The `count` words from `number` on, the next unread one, are taken."""
        for piece in list(self._pieces(columns, number, count)):
            parcel = self._parcels[piece.number]
            parcel.left -= piece.count * len(piece.place)
            if piece.first + piece.count == len(parcel.words):
                self._oldest[columns[piece.where]] += 1
            if not parcel.left:
                del self._parcels[piece.number]

    def _pieces(self, columns: Indices, number: Times, count: int) -> Iterator[Piece]:
        """Where the words from `number` on are found, in order."""
        run, begin = self._oldest[columns], np.zeros(len(columns), np.int64)
        everyone: Indices | slice = slice(None)
        where = np.arange(len(columns))
        while len(where):
            here = columns[where]
            row = run[where] % len(self._number)
            parcels, places = self._parcel[row, here], self._place[row, here]
            first = number[where] + begin[where] - self._number[row, here]
            key = np.stack([parcels, first, begin[where]])
            is_one = (key == key[:, :1]).all()
            groups: Sequence[Indices | slice] = [everyone] if is_one else alike(key)
            for group in groups:
                chosen = where[group]
                parcel, start, done = (int(part[group][0]) for part in key)
                length = min(len(self._parcels[parcel].words) - start, count - done)
                is_all = isinstance(group, slice) and len(where) == len(columns)
                target = everyone if is_all else chosen
                yield Piece(parcel, target, places[group], start, done, length)
                begin[chosen] += length
            run = run + 1
            where = where[begin[where] < count]

    def _grow(self) -> None:
        old = len(self._number)
        run = self._oldest + np.arange(old)[:, np.newaxis]
        columns = np.broadcast_to(np.arange(len(self._sent)), run.shape)
        source, target = (run % old, columns), (run % (2 * old), columns)
        self._number = _moved(self._number, source, target)
        self._parcel = _moved(self._parcel, source, target)
        self._place = _moved(self._place, source, target)


def _moved(array: NDArray[Any], source: Any, target: Any) -> NDArray[Any]:
    result = np.zeros((2 * len(array), array.shape[1]), array.dtype, order="F")
    result[target] = array[source]
    return result
