"""Runs of words say what a cycle for each word would say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.vector.ledger import Ledger
from waferc_runtime.vector.when import When, processed, shortened

PES = 3


@st.composite
def whens(draw: st.DrawFn, count: int) -> When:
    """Words that come one after the other, in a few runs."""
    step = draw(st.integers(1, 4))
    at = sorted(draw(st.sets(st.integers(1, max(count - 1, 1)), max_size=3)))
    at = [0, *(place for place in at if place < count)]
    first = np.zeros((len(at), PES), np.int64)
    for pe in range(PES):
        cycle, before = draw(st.integers(0, 20)), 0
        for row, place in enumerate(at):
            cycle += step * (place - before) + (draw(st.integers(0, 5)) if row else 0)
            first[row, pe], before = cycle, place
    return When(np.array(at), first, step, count)


@st.composite
def operations(draw: st.DrawFn) -> tuple[list[int], int, int, list[When]]:
    count = draw(st.integers(1, 12))
    given_ = draw(st.lists(whens(count), max_size=3))
    start = draw(st.lists(st.integers(0, 25), min_size=PES, max_size=PES))
    return start, draw(st.integers(1, 3)), count, given_


@given(operations())
def test_words_are_processed_one_after_the_other(
    operation: tuple[list[int], int, int, list[When]],
) -> None:
    start, pace, count, given_ = operation
    expected = np.zeros((count, PES), np.int64)
    tables = [when.table() for when in given_]
    for pe in range(PES):
        free = start[pe]
        for word in range(count):
            cycle = max([free, *(int(table[word, pe]) for table in tables)])
            expected[word, pe], free = cycle, cycle + pace
    found = processed(np.array(start), pace, count, given_)
    assert found.table().tolist() == expected.tolist()
    assert found.begin().tolist() == expected[0].tolist()
    assert found.end().tolist() == expected[-1].tolist()


@given(st.integers(1, 12).flatmap(whens))
def test_fewer_runs_say_the_same(when: When) -> None:
    short = shortened(when.by_words())
    assert short.table().tolist() == when.table().tolist()
    assert len(short.at) <= len(when.at) or when.step != 1


@st.composite
def entries(draw: st.DrawFn) -> list[tuple[list[int], When]]:
    """Which columns take words, and when."""
    found: list[tuple[list[int], When]] = []
    for _ in range(draw(st.integers(1, 8))):
        columns = sorted(draw(st.sets(st.integers(0, PES - 1), min_size=1)))
        when = draw(st.integers(1, 6).flatmap(whens))
        found.append((columns, when.of(np.array(columns))))
    return found


@given(entries(), st.integers(0, 6), st.data())
def test_a_ledger_remembers_what_is_needed(
    all_entries: list[tuple[list[int], When]], needed: int, data: st.DataObject
) -> None:
    ledger = Ledger(PES)
    told: list[list[int]] = [[] for _ in range(PES)]
    for columns, when in all_entries:
        number = np.array([len(told[column]) for column in columns])
        ledger.append(np.array(columns), number, when, number - needed)
        for place, column in enumerate(columns):
            told[column] += when.table()[:, place].tolist()
        kept = [max(0, len(told[column]) - len(when) - needed) for column in columns]
        count = data.draw(st.integers(1, min(len(when) + needed, 12)))
        first = [
            data.draw(st.integers(low, max(low, len(told[column]) - count)))
            for low, column in zip(kept, columns, strict=True)
        ]
        found = ledger.lookup(np.array(columns), np.array(first), count).table()
        for place, column in enumerate(columns):
            wanted = told[column][first[place] :][:count]
            assert found[: len(wanted), place].tolist() == wanted
        last = ledger.last(np.array(columns), np.array([len(told[c]) for c in columns]))
        assert last.tolist() == [told[column][-1] for column in columns]


def test_a_lookup_may_begin_before_the_first_word() -> None:
    """Senders look back by what is under way, also when less was ever sent."""
    ledger, columns = Ledger(1), np.array([0])
    for number, cycle in ((0, 5), (1, 9), (2, 20)):
        when = When(np.zeros(1, np.intp), np.array([[cycle]]), 1, 1)
        ledger.append(columns, np.array([number]), when, np.array([-8]))
    found = ledger.lookup(columns, np.array([-3]), 6).table()
    assert found[3:, 0].tolist() == [5, 9, 20]
