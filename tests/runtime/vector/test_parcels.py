"""Parcels give each receiver its words in order, and are gone when all are taken."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.vector.parcels import Parcels

COLUMNS = 4


@given(st.data())
def test_words_come_as_they_were_sent(data: st.DataObject) -> None:
    parcels = Parcels(COLUMNS)
    queues: list[list[int]] = [[] for _ in range(COLUMNS)]
    sent, read = np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64)
    fresh = iter(range(1, 10_000))
    for _ in range(data.draw(st.integers(1, 12))):
        chosen: set[int] = data.draw(st.sets(st.integers(0, COLUMNS - 1), min_size=1))
        columns = np.array(sorted(chosen))
        if data.draw(st.booleans()):
            count, senders = data.draw(st.integers(1, 4)), data.draw(st.integers(1, COLUMNS))
            words = np.array([[next(fresh) for _ in range(senders)] for _ in range(count)])
            place = np.array([data.draw(st.integers(0, senders - 1)) for _ in columns])
            parcels.put(columns, sent[columns], words.astype(np.uint32), place)
            for column, sender in zip(columns, place, strict=True):
                queues[column] += [int(word) for word in words[:, sender]]
            sent[columns] += count
            continue
        most = min(len(queues[int(column)]) for column in columns)
        if not most:
            continue
        count = data.draw(st.integers(1, most))
        found = parcels.peek(columns, read[columns], count)
        assert found.T.tolist() == [queues[column][:count] for column in columns]
        parcels.drop(columns, read[columns], count)
        read[columns] += count
        for column in columns:
            del queues[column][:count]
    unread = int((sent - read).sum())
    held = list(parcels._parcels.values())  # pyright: ignore[reportPrivateUsage]
    assert sum(parcel.left for parcel in held) >= unread
    assert bool(held) == bool(unread)
