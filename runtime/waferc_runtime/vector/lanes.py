"""Sets of PEs of one class, as an index that NumPy turns into a view wherever it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
_FEW_KINDS = 8


def is_array(value: Any) -> TypeGuard[NDArray[Any]]:
    """Whether a value differs between PEs (or elements)."""
    return isinstance(value, np.ndarray)


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Lanes in ascending order: a slice when they are evenly spaced, else an array."""

    index: slice | Indices
    count: int
    is_all: bool = False

    def indices(self) -> Indices:
        """The lanes as an array [lane]."""
        if isinstance(self.index, slice):
            step = 1 if self.index.step is None else int(self.index.step)
            first = 0 if self.index.start is None else int(self.index.start)
            return np.arange(first, first + step * self.count, step, dtype=np.intp)
        return self.index

    def at(self, positions: Indices) -> Lanes:
        """The lanes at these positions within this set."""
        if isinstance(self.index, slice):
            step = 1 if self.index.step is None else int(self.index.step)
            return lanes_of(self.first() + step * positions)
        return lanes_of(self.index[positions])

    def part(self, positions: slice) -> Lanes:
        """The lanes at positions that follow each other."""
        return lanes_of(self.indices()[positions])

    def first(self) -> int:
        """The lowest lane."""
        if isinstance(self.index, slice):
            return 0 if self.index.start is None else int(self.index.start)
        return int(self.index[0])


def all_lanes(count: int) -> Lanes:
    """All `count` lanes of a class."""
    return Lanes(slice(None), count, is_all=True)


def lanes_of(indices: Indices, total: int | None = None) -> Lanes:
    """The set of these ascending lanes; `total` is the size of the class, to know all of them."""
    count = len(indices)
    if count == total:
        return all_lanes(count)
    if count == 1:
        first = int(indices[0])
        return Lanes(slice(first, first + 1, 1), 1)
    if count > 1:
        first, last = int(indices[0]), int(indices[-1])
        step = int(indices[1]) - first
        is_even = last - first == step * (count - 1)
        if is_even and (indices[1:] - indices[:-1] == step).all():
            return Lanes(slice(first, last + 1, step), count)
    return Lanes(indices, count)


def alike(keys: NDArray[Any]) -> list[Indices]:
    """Positions of equal columns of `keys` [key, pe], kinds in ascending order of their keys.

    Few kinds are told apart without sorting the PEs.
    """
    found: list[tuple[tuple[Any, ...], Indices]] = []
    rest: Indices = np.arange(keys.shape[1], dtype=np.intp)
    while len(rest) and len(found) < _FEW_KINDS:
        same: NDArray[np.bool_] = (keys == keys[:, :1]).all(axis=0)
        found.append((tuple(keys[:, 0].tolist()), rest[same]))
        others: Indices = np.flatnonzero(~same)
        rest, keys = np.take(rest, others), np.take(keys, others, axis=1)
    if len(rest):
        order: Indices = np.lexsort(keys[::-1])
        keys = keys[:, order]
        begins = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
        heads = keys[:, np.append(0, begins)].T
        parts = np.split(rest[order], begins)
        found += [(tuple(key.tolist()), part) for key, part in zip(heads, parts, strict=True)]
    return [positions for _, positions in sorted(found, key=lambda kind: kind[0])]
