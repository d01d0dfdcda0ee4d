"""Regular accesses to memory: a base and up to any number of dimensions with a stride each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.banks import Walk
from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.memory import Block

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Elements of `element` at `words + sum(index * stride)`; strides in words, outermost first.

    `words` is uniform or differs between lanes.
    """

    block: Block
    words: int | Array
    strides: tuple[int, ...]
    extents: tuple[int, ...]
    element: Scalar

    @property
    def count(self) -> int:
        """Number of elements visited."""
        return math.prod(self.extents)

    def walk(self, loops: int = 0) -> Walk:
        """What is visited, by addresses of the PE's SRAM; the first dimensions may be loops."""
        return Walk(
            self.block.object.address + self.words,
            self.strides[loops:],
            self.extents[loops:],
            self.element.words,
            self.strides[:loops],
        )

    def span(self) -> tuple[int, int]:
        """Words from `words` on that are touched: first, and one past the last."""
        dims = zip(self.strides, self.extents, strict=True)
        reach = [stride * (extent - 1) for stride, extent in dims]
        low = sum(step for step in reach if step < 0)
        return low, sum(step for step in reach if step > 0) + self.element.words

    def check(self) -> None:
        """Require that all of it lies in the object.

        Raises:
            OutOfBounds: it does not.
        """
        if self.count:
            self.block.check(self.words, *self.span())

    def offsets(self) -> NDArray[np.int64]:
        """Word offsets from `words`: [*extents]."""
        result = np.zeros((), np.int64)
        for stride, extent in zip(self.strides, self.extents, strict=True):
            result = result[..., np.newaxis] + np.arange(extent) * stride
        return result

    def view(self, lanes: Lanes) -> Array | None:
        """The elements [*extents, lane] as a view to read and write; None if there is none."""
        typed = self.block.typed(self.element)
        size = self.element.words
        if typed is None or isinstance(self.words, np.ndarray):
            return None
        if not isinstance(lanes.index, slice) or self.words % size:
            return None
        row, item = typed.strides
        step = 1 if lanes.index.step is None else int(lanes.index.step)
        strides = tuple([stride // size * row for stride in self.strides])
        return np.ndarray(
            (*self.extents, lanes.count),
            typed.dtype,
            typed,
            self.words // size * row + lanes.first() * item,
            (*strides, step * item),
        )

    def of(self, part: slice) -> Access:
        """The same on some of the lanes, by their positions."""
        if not isinstance(self.words, np.ndarray):
            return self
        return Access(self.block, self.words[part], self.strides, self.extents, self.element)

    def read(self, lanes: Lanes) -> Array:
        """The elements [*extents, lane], a view where possible."""
        view = self.view(lanes)
        if view is not None:
            return view
        return self.block.gather(self.words, self.offsets(), self.element, lanes)

    def write(self, lanes: Lanes, values: Array) -> None:
        """Store `values` [*extents, lane]."""
        view = self.view(lanes)
        if view is not None:
            view[...] = values
        else:
            self.block.scatter(self.words, self.offsets(), self.element, lanes, values)

    def is_injective(self) -> bool:
        """Whether (as far as a simple test tells) no two indices name one place."""
        reach = self.element.words - 1
        dims = sorted(
            (abs(stride), extent)
            for stride, extent in zip(self.strides, self.extents, strict=True)
            if extent > 1
        )
        for stride, extent in dims:
            if stride <= reach:
                return False
            reach += stride * (extent - 1)
        return True

    def is_same(self, other: Access) -> bool:
        """Whether both visit the same places in the same order."""
        return (
            self.block is other.block
            and self.element.words == other.element.words
            and self.extents == other.extents
            and all(
                a == b or extent == 1
                for a, b, extent in zip(self.strides, other.strides, self.extents, strict=True)
            )
            and _equal(self.words, other.words)
        )

    def overlaps(self, other: Access) -> bool:
        """Whether both visit a common place on some PE (exact for uniform bases)."""
        if self.block is not other.block or not self.count or not other.count:
            return False
        mine, theirs = self.span(), other.span()
        gap = np.asarray(other.words) - np.asarray(self.words)
        if (gap + theirs[0] >= mine[1]).all() or (gap + theirs[1] <= mine[0]).all():
            return False
        if gap.ndim or self.count + other.count > 1 << 16:
            return True
        step = math.gcd(*self.strides, *other.strides)
        if step and other.element.words <= int(gap) % step <= step - self.element.words:
            return False
        a = (self.offsets().reshape(-1, 1) + np.arange(self.element.words)).reshape(-1)
        b = (other.offsets().reshape(-1, 1) + np.arange(other.element.words)).reshape(-1)
        return bool(np.isin(a, b + int(gap), assume_unique=False).any())

    def runs_ahead_of(self, dest: Access) -> bool:
        """Whether each place is read here before `dest` writes it, both going upward."""
        if isinstance(self.words, np.ndarray) or isinstance(dest.words, np.ndarray):
            return False
        if self.strides != dest.strides or self.extents != dest.extents:
            return False
        reach = 0
        for stride, extent in zip(self.strides[::-1], self.extents[::-1], strict=True):
            if extent > 1 and stride <= reach:
                return False
            reach += stride * (extent - 1)
        return self.words > dest.words and self.element is dest.element


def _equal(a: int | Array, b: int | Array) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b or bool(np.all(a == b))
    return a == b


def align(accesses: Sequence[Access]) -> list[Access] | None:
    """The same accesses with dimensions of equal extents; None where they do not fit together.

    All have the same count. Dimensions are split where the extents of one divide those of others.
    """
    first = accesses[0].extents
    if all(access.extents == first for access in accesses):
        return list(accesses)
    rests = [
        [(e, s) for e, s in zip(access.extents, access.strides, strict=True) if e != 1]
        for access in accesses
    ]
    found: list[list[tuple[int, int]]] = [[] for _ in accesses]
    while any(rests):
        if not all(rests):
            return None
        extent = min(rest[-1][0] for rest in rests)
        for rest, dims in zip(rests, found, strict=True):
            whole, stride = rest.pop()
            if whole % extent:
                return None
            dims.append((extent, stride))
            if whole != extent:
                rest.append((whole // extent, stride * extent))
    return [
        Access(
            access.block,
            access.words,
            tuple([stride for _, stride in dims[::-1]]),
            tuple([extent for extent, _ in dims[::-1]]),
            access.element,
        )
        for access, dims in zip(accesses, found, strict=True)
    ]


def flatten(access: Access) -> Access:
    """The same elements with neighbouring dimensions joined where their strides allow it."""
    dims: list[tuple[int, int]] = []
    for extent, stride in zip(access.extents, access.strides, strict=True):
        if extent == 1:
            continue
        if dims and dims[-1][1] == stride * extent:
            dims[-1] = (dims[-1][0] * extent, stride)
        else:
            dims.append((extent, stride))
    return Access(
        access.block,
        access.words,
        tuple([stride for _, stride in dims]),
        tuple([extent for extent, _ in dims]),
        access.element,
    )
