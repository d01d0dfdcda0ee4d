"""Values inside a loop nest as functions of its loop variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector.lanes import Lanes, is_array
from waferc_runtime.vector.memory import Block
from waferc_runtime.vector.values import Int, MemoryDsd, PointerValue, wide


class NotFoldable(Exception):  # noqa: N818 (an event: the loop runs step by step)
    """A value or statement that cannot be carried out for all iterations at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """An integer `base + sum(steps[d] * index of loop d)`, outermost loop first."""

    base: Int
    steps: tuple[int, ...]

    def times(self, factor: int) -> Affine:
        """The product with a constant."""
        return Affine(wide(self.base) * factor, tuple([step * factor for step in self.steps]))

    def range(self, extents: Sequence[int]) -> tuple[int, int]:
        """The least and the greatest value."""
        reach = [s * (e - 1) for s, e in zip(self.steps, extents, strict=False)]
        low = int(np.min(self.base)) + sum(step for step in reach if step < 0)
        return low, int(np.max(self.base)) + sum(step for step in reach if step > 0)


@dataclass(frozen=True, slots=True, eq=False)
class AffinePointer:
    """A pointer whose offset (in words) depends on the loops."""

    block: Block
    words: Affine


@dataclass(frozen=True, slots=True, eq=False)
class AffineDsd:
    """A memory DSD whose base depends on the loops."""

    block: Block
    words: Affine
    strides: tuple[int, ...]
    extents: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A scalar in memory, to be loaded when it is used. `is_direct`: where it is used."""

    pointer: AffinePointer
    element: Scalar
    is_direct: bool = True


Symbol = Any  # a run-time value that no loop changes, or one of the classes above


def plus(a: Symbol, b: Symbol) -> Symbol:
    """The sum of integers, or a DSD moved by so many words.

    Raises:
        NotFoldable: it is neither.
    """
    match a:
        case AffineDsd():
            return AffineDsd(a.block, add(a.words, b), a.strides, a.extents)
        case MemoryDsd() | PointerValue():
            return plus(lifted(a), b)
        case AffinePointer():
            return AffinePointer(a.block, add(a.words, b))
        case _:
            return add(a, b)


def add(a: Symbol, b: Symbol) -> Affine:
    """The sum of two integers."""
    left, right = affine(a), affine(b)
    depth = max(len(left.steps), len(right.steps))
    steps = [x + y for x, y in zip(_padded(left.steps, depth), _padded(right.steps, depth),
                                   strict=True)]  # fmt: skip
    return Affine(wide(left.base) + wide(right.base), tuple(steps))


def affine(value: Symbol) -> Affine:
    """An integer as a function of the loops.

    Raises:
        NotFoldable: it is no integer that is affine in them.
    """
    if isinstance(value, Affine):
        return value
    if is_array(value) and value.dtype.kind in "iu":
        return Affine(value.astype(np.int64), ())
    if isinstance(value, int) and not isinstance(value, bool):
        return Affine(value, ())
    raise NotFoldable


def lifted(value: Symbol) -> Symbol:
    """A pointer or DSD that no loop changes, as one that depends on loops."""
    match value:
        case PointerValue():
            return AffinePointer(value.block, affine(wide(value.words)))
        case MemoryDsd():
            if value.takes_index:
                raise NotFoldable
            strides = tuple([_number(stride) for stride in value.strides])
            extents = tuple([_number(extent) for extent in value.extents])
            return AffineDsd(value.block, affine(wide(value.words)), strides, extents)
        case _:
            return value


def _number(value: Int) -> int:
    if isinstance(value, np.ndarray):
        raise NotFoldable
    return int(value)


def _padded(steps: tuple[int, ...], depth: int) -> tuple[int, ...]:
    return steps + (0,) * (depth - len(steps))


def padded(value: Affine, depth: int) -> tuple[int, ...]:
    """The steps of the outermost `depth` loops."""
    return _padded(value.steps, depth)


def difference(a: Symbol, b: Symbol) -> int:
    """By how much `a` is behind `b`: of integers, or of the offsets of DSDs, in words.

    Raises:
        NotFoldable: it is not the same everywhere, or more than a position differs.
    """
    first, second = lifted(a), lifted(b)
    match first, second:
        case AffineDsd(), AffineDsd():
            if (first.block, first.strides, first.extents) != (
                second.block,
                second.strides,
                second.extents,
            ):
                raise NotFoldable
            gap = add(first.words, second.words.times(-1))
        case AffinePointer(), AffinePointer():
            if first.block is not second.block:
                raise NotFoldable
            gap = add(first.words, second.words.times(-1))
        case _:
            gap = add(first, affine(second).times(-1))
    values = np.unique(gap.base)
    if any(gap.steps) or len(values) != 1:
        raise NotFoldable
    return int(values[0])


def value_at(value: Symbol, places: Sequence[int | None], lanes: Lanes) -> Symbol:
    """The value with the loops for which a place is given fixed there.

    With no place at all, a value that depends on no loop comes as a run-time value.
    """
    match value:
        case Affine():
            fixed = _fixed(value, places)
            return fixed.base if not any(fixed.steps) else fixed
        case AffinePointer():
            words = _fixed(value.words, places)
            if any(words.steps):
                return AffinePointer(value.block, words)
            return PointerValue(value.block, words.base)
        case AffineDsd():
            words = _fixed(value.words, places)
            if any(words.steps):
                return AffineDsd(value.block, words, value.strides, value.extents)
            return MemoryDsd(value.block, words.base, value.strides, value.extents)
        case Cell():
            words = _fixed(value.pointer.words, places)
            if any(words.steps):
                return Cell(AffinePointer(value.pointer.block, words), value.element, False)
            return value.pointer.block.load(words.base, value.element, lanes)
        case _:
            return value


def _fixed(value: Affine, places: Sequence[int | None]) -> Affine:
    base: Int = value.base
    steps: list[int] = []
    for loop, step in enumerate(value.steps):
        place = places[loop] if loop < len(places) else None
        if place is None:
            steps.append(step)
        else:
            base = wide(base) + step * place
            steps.append(0)
    return Affine(base, tuple(steps))
