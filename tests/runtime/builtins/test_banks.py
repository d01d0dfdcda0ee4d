"""Bank conflicts: published cycles, and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_ir.machine import WSE2, WSE3, Machine
from waferc_runtime.builtins.banks import Walk, memory_cycles


def line(base: int, count: int, size: int, stride: int = 1) -> Walk:
    return Walk(base, (stride * size,), (count,), size)


@pytest.mark.parametrize(
    ("width", "count", "apart", "cycles"),
    [
        (1, 1028, 2, 1028),  # @fmuls
        (1, 1028, 0, 2056),
        (1, 5124, 2, 5124),
        (1, 5124, 8, 10248),
        (2, 5124, 4, 2562),  # @fadds
        (2, 5124, 2, 5124),
        (2, 5124, 0, 5124),
    ],
)
def test_conflicts_cost_what_was_measured(width: int, count: int, apart: int, cycles: int) -> None:
    reads = [line(apart, count, 2), line(0, count, 2)]
    assert memory_cycles(width, count, WSE2, reads, line(apart, count, 2)) == cycles


@pytest.mark.parametrize("apart", range(8))
def test_writing_limits_mixed_multiply_add_on_wse3(apart: int) -> None:
    reads = [line(0, 254, 2), line(apart, 254, 1)]
    assert memory_cycles(4, 254, WSE3, reads, line(0, 254, 2)) in (127, 128)


@pytest.mark.parametrize(
    ("stride", "per_cycle"),
    [(0, 4), (1, 4), (2, 4), (3, 4), (5, 4), (6, 4), (4, 2), (7, 2), (9, 2), (8, 1), (16, 1)],
)
def test_strides_limit_the_width(stride: int, per_cycle: int) -> None:
    assert memory_cycles(4, 400, WSE2, [line(0, 400, 1, stride)]) == 400 // per_cycle


@st.composite
def walks(draw: st.DrawFn, steps: int) -> Walk:
    size = draw(st.sampled_from([1, 2]))
    dims = draw(st.integers(1, 3))
    return Walk(
        size * draw(st.integers(0, 20)),
        tuple(size * draw(st.integers(-9, 17)) for _ in range(dims)),
        tuple(draw(st.integers(1, 5)) for _ in range(dims)),
        size,
        tuple(size * draw(st.integers(-9, 17)) for _ in range(steps)),
    )


machines = st.sampled_from([WSE2, WSE3])
widths = st.sampled_from([1, 2, 4, 8])


@given(machines, widths, st.integers(1, 90), st.lists(walks(0), min_size=1, max_size=2))
def test_cycles_are_those_of_each_group_counted_one_by_one(
    machine: Machine, width: int, count: int, reads: list[Walk]
) -> None:
    expected = 0
    for first in range(0, count, width):
        members = range(first, min(first + width, count))
        words: list[tuple[int, int]] = []
        least = 1
        for number, walk in enumerate(reads):
            place: set[int] = set()
            for index in members:
                rest, at = index, walk.base
                for stride, extent in zip(walk.strides[:0:-1], walk.extents[:0:-1], strict=True):
                    rest, inner = divmod(rest, extent)
                    at += stride * inner
                at += walk.strides[0] * rest
                place |= set(range(at, at + walk.size))
            words += [(number, word) for word in place]
            stride = _inner_stride(walk)
            if stride != 1 and stride % 8 in (1, 7):
                least = max(least, math.ceil(len(members) / 2))
        banks = [word % 8 for _, word in words]
        expected += max(least, *(banks.count(bank) for bank in range(8)))
    assert memory_cycles(width, count, machine, reads) == expected


def _inner_stride(walk: Walk) -> int:
    """The stride in elements of the innermost dimension that has one."""
    for stride, extent in zip(walk.strides[:0:-1], walk.extents[:0:-1], strict=True):
        if extent > 1:
            return stride // walk.size
    return walk.strides[0] // walk.size


@given(
    machines, widths, st.integers(1, 40), walks(2), walks(2), st.integers(1, 19), st.integers(1, 9)
)
def test_loops_add_up_their_iterations(
    machine: Machine, width: int, count: int, read: Walk, write: Walk, outer: int, inner: int
) -> None:
    expected = 0
    for i in range(outer):
        for j in range(inner):
            read_now, write_now = (
                Walk(w.base + i * w.steps[0] + j * w.steps[1], w.strides, w.extents, w.size)
                for w in (read, write)
            )
            expected += memory_cycles(width, count, machine, [read_now], write_now)
    assert memory_cycles(width, count, machine, [read], write, (outer, inner)) == expected


@given(widths, st.integers(1, 60), walks(0), st.lists(st.integers(0, 40), min_size=1, max_size=9))
def test_bases_that_differ_between_pes_are_as_if_alone(
    width: int, count: int, walk: Walk, bases: list[int]
) -> None:
    other = line(3, count, 2)
    many = Walk(np.asarray(bases), walk.strides, walk.extents, walk.size)
    alone = [
        memory_cycles(
            width, count, WSE2, [Walk(base, walk.strides, walk.extents, walk.size), other]
        )
        for base in bases
    ]
    assert np.asarray(memory_cycles(width, count, WSE2, [many, other])).tolist() == alone
