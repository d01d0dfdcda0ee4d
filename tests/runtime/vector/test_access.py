"""Accesses: what they visit, and elementwise operations on them against one element at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.vector.strategies_access import PES, accesses, block, places

from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.vector import elementwise
from waferc_runtime.vector.access import Access, align, flatten
from waferc_runtime.vector.elementwise import apply
from waferc_runtime.vector.lanes import Lanes, all_lanes, lanes_of

SOME = st.sampled_from([[0, 1, 2], [0, 2], [1], [1, 2]])
TWO_BLOCKS = [block(1), block(2)]


def on(access: Access, chosen: list[int]) -> Access:
    """The access as a group of these PEs has it."""
    if not isinstance(access.words, np.ndarray):
        return access
    words = access.words[chosen]
    return Access(access.block, words, access.strides, access.extents, access.element)


def lanes_from(chosen: list[int]) -> Lanes:
    return lanes_of(np.array(chosen), PES)


@given(accesses(TWO_BLOCKS), SOME)
def test_reading_gives_the_elements_in_order(access: Access, chosen: list[int]) -> None:
    found = on(access, chosen).read(lanes_from(chosen)).reshape(-1, len(chosen))
    for column, pe in enumerate(chosen):
        np.testing.assert_array_equal(found[:, column], access.block.array[places(access)[pe], pe])


@given(accesses(TWO_BLOCKS), accesses(TWO_BLOCKS), accesses(TWO_BLOCKS))
def test_aligned_accesses_visit_the_same(a: Access, b: Access, c: Access) -> None:
    aligned = align([a, b, c])
    if aligned is not None:
        assert len({access.extents for access in aligned}) == 1
        assert [places(x) for x in aligned] == [places(x) for x in (a, b, c)]


@given(accesses(TWO_BLOCKS))
def test_flattening_keeps_the_order(access: Access) -> None:
    assert places(flatten(access)) == places(access)


@given(accesses(TWO_BLOCKS), accesses(TWO_BLOCKS))
def test_overlap_is_never_missed(a: Access, b: Access) -> None:
    common = any(set(x) & set(y) for x, y in zip(places(a), places(b), strict=True))
    if common and a.block is b.block:
        assert a.overlaps(b)
    if not isinstance(a.words, np.ndarray) and not isinstance(b.words, np.ndarray):
        assert a.overlaps(b) == (common and a.block is b.block)


@given(accesses(TWO_BLOCKS))
def test_injective_accesses_visit_no_place_twice(access: Access) -> None:
    if access.is_injective():
        assert all(len(set(visited)) == len(visited) for visited in places(access))


@settings(max_examples=100)
@given(
    st.data(), st.sampled_from(["@fadds", "@fmacs", "@fmovs"]), SOME, st.sampled_from([6, 1 << 18])
)
def test_operations_run_in_the_order_of_elements(
    data: st.DataObject, name: str, chosen: list[int], copied_at_once: int
) -> None:
    blocks = [block(3), block(4)]
    op = DSD_OPS[name]
    dest = data.draw(accesses(blocks))
    factors = np.array([0.5, 2.0, 3.0], np.float32)  # a number that differs between lanes
    sources: list[Access | np.ndarray] = [
        data.draw(accesses(blocks)) if place < 2 else factors
        for place in range(len(op.source_elements))
    ]
    expected = [b.array.copy() for b in blocks]
    for pe in chosen:
        for step in range(6):
            values = [
                expected[blocks.index(s.block)][places(s)[pe][step], pe]
                if isinstance(s, Access)
                else s[pe]
                for s in sources
            ]
            result = op.compute(*(np.asarray(v, np.float32) for v in values))
            expected[blocks.index(dest.block)][places(dest)[pe][step], pe] = result
    operands = [on(s, chosen) if isinstance(s, Access) else s[chosen] for s in sources]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "_COPIED", copied_at_once)
        apply(op.compute, on(dest, chosen), operands, lanes_from(chosen))
    for made, wanted in zip(blocks, expected, strict=True):
        np.testing.assert_array_equal(made.array, wanted)


def test_all_lanes_are_a_view() -> None:
    access = Access(TWO_BLOCKS[0], 0, (2,), (5,), TWO_BLOCKS[0].object.element)
    assert np.shares_memory(access.read(all_lanes(PES)), TWO_BLOCKS[0].array)
