"""Messages of several colors over the same links: as long as on the reference engine."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, truth
from tests.runtime.agreement.samples import SLOW, Sample, outcomes
from tests.runtime.agreement.strategies_flows import crossing_flows

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, SOUTH
from waferc_runtime.vector import dynamic


def shift(count: int, words: int, hops: int, is_async: bool, down: bool) -> Sample:
    """Each PE of a line sends words to the one some hops on, over those in between."""
    tile = Tile(1, count) if down else Tile(count, 1)
    place = tile.y if down else tile.x
    data = tile.array("data", words, np.arange(words, dtype=np.float32))
    got = tile.array("got", words)
    book = RouteBook(tile.width, tile.height)
    colors = hops + 2
    for start in range(count - hops):
        x, y = (0, start) if down else (start, 0)
        book.line(start % colors, x, y, SOUTH if down else EAST, hops)
    out = tile.fabout(place % colors, 3, words)
    into = tile.fabin((place - hops) % colors, 4, words)
    number = 3 if is_async else None
    send = dsd("@fmovs", out, tile.memory(data), is_async=is_async, microthread=number)
    receive = dsd("@fmovs", tile.memory(got), into)
    body: list[core.Stmt] = [
        core.If(truth(place < count - hops), [send], []),
        core.If(truth(place >= hops), [receive], []),
    ]
    tile.function("main", body)
    return Sample(tile.elaborated(book), {"got": words})


@settings(SLOW, max_examples=10)
@given(
    count=st.integers(3, 9), words=st.integers(1, 80), hops=st.integers(1, 3),
    is_async=st.booleans(), down=st.booleans(),
)  # fmt: skip
def test_messages_over_each_other_take_their_turns(
    count: int, words: int, hops: int, is_async: bool, down: bool
) -> None:
    expected, found = outcomes(shift(max(count, hops + 1), words, hops, is_async, down))
    assert expected.error == found.error
    if expected.error is None:
        np.testing.assert_array_equal(expected.memory["got"], found.memory["got"])
        assert found.cycles == expected.cycles


def test_links_that_three_messages_share_take_three_times_as_long() -> None:
    alone, _ = outcomes(shift(8, 60, 1, True, False))
    _, found = outcomes(shift(8, 60, 3, True, False))
    assert found.cycles > alone.cycles + 100


@settings(SLOW)
@given(sample=crossing_flows())
def test_chains_pass_over_each_other_alike(sample: Sample) -> None:
    expected, found = outcomes(sample)
    assert expected.error == found.error
    if expected.error is None:
        for name, array in expected.memory.items():
            np.testing.assert_array_equal(array, found.memory[name])
        np.testing.assert_array_equal(expected.load, found.load)
        assert abs(expected.cycles - found.cycles) <= expected.cycles // 50


@settings(SLOW, max_examples=10)
@given(count=st.integers(3, 9), words=st.integers(1, 80), hops=st.integers(1, 3))
def test_whole_messages_one_after_the_other_take_about_as_long(
    count: int, words: int, hops: int
) -> None:
    with patch.object(dynamic, "MOST_IN_TURN", 0):  # as on large wafers
        expected, found = outcomes(shift(max(count, hops + 1), words, hops, True, False))
    np.testing.assert_array_equal(expected.memory["got"], found.memory["got"])
    assert abs(found.cycles - expected.cycles) <= max(10, expected.cycles // 50)
