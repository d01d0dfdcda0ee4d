"""Accesses into one or two small objects, overlapping or not."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from waferc_runtime.csl.core import MemoryObject, Scalar
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.memory import Block

PES = 3
ELEMENTS = 40
SHAPES = [(6,), (2, 3), (3, 2), (1, 6), (2, 1, 3), (6, 1)]


def block(seed: int) -> Block:
    made = Block(MemoryObject("m", Scalar.F32, ELEMENTS), PES)
    made.array[...] = np.random.default_rng(seed).integers(-9, 9, (ELEMENTS, PES))
    return made


@st.composite
def accesses(draw: st.DrawFn, blocks: list[Block]) -> Access:
    """Six elements somewhere in one of the blocks, in one to three dimensions."""
    extents = draw(st.sampled_from(SHAPES))
    strides = tuple(draw(st.integers(-3, 6)) for _ in extents)
    reach = [s * (e - 1) for s, e in zip(strides, extents, strict=True)]
    low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    first = draw(st.integers(-low, ELEMENTS - 1 - high))
    words: int | np.ndarray = 2 * first
    if draw(st.integers(0, 3)) == 0:
        starts = [draw(st.integers(-low, ELEMENTS - 1 - high)) for _ in range(PES)]
        words = 2 * np.array(starts)
    chosen = draw(st.sampled_from(blocks))
    return Access(chosen, words, tuple(2 * s for s in strides), extents, Scalar.F32)


def places(access: Access) -> list[list[int]]:
    """The elements visited, in order, on each PE."""
    words = np.broadcast_to(np.asarray(access.words), PES)
    return [list((access.offsets().reshape(-1) + start) // 2) for start in words]


def count(access: Access) -> int:
    return math.prod(access.extents)
