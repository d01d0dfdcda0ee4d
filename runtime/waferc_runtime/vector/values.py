"""What variables hold while the vector engine runs: numbers, pointers and descriptors.

Anything numeric is uniform (a Python number) or an array with one entry per PE of the group that
holds it. Offsets count 16-bit words from the beginning of the object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Indices, is_array
from waferc_runtime.vector.memory import Block

Int = int | NDArray[Any]  # [pe]


@dataclass(frozen=True, slots=True, eq=False)
class PointerValue:
    """A pointer: an object and an offset."""

    block: Block
    words: Int

    def moved(self, words: Int) -> PointerValue:
        """The pointer `words` further on."""
        return PointerValue(self.block, wide(self.words) + wide(words))


@dataclass(frozen=True, slots=True, eq=False)
class MemoryDsd:
    """A memory DSD; strides count elements of the operation that uses it, outermost first."""

    block: Block
    words: Int
    strides: tuple[Int, ...]
    extents: tuple[Int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FabricDsd:
    """A fabin or fabout DSD. `queue` is None where the program names none."""

    kind: Literal["fabin", "fabout"]
    queue: int | None
    color: Int
    extent: Int
    is_packed: bool  # two 16-bit elements per wavelet
    sends_control: bool = False
    advances_switch: bool = False  # the sender's own, behind the last wavelet


RunValue = Any  # int | float | bool | NDArray | PointerValue | MemoryDsd | FabricDsd | None


def wide(x: Int) -> Int:
    """An integer that does not wrap when offsets are added to it."""
    return x.astype(np.int64) if isinstance(x, np.ndarray) else int(x)


def take(value: RunValue, positions: Indices) -> RunValue:
    """The value as seen by the PEs at `positions` of the group."""
    if is_array(value):
        return value[positions]
    match value:
        case PointerValue():
            if isinstance(value.words, np.ndarray):
                return PointerValue(value.block, value.words[positions])
            return value
        case MemoryDsd():
            parts = (value.words, *value.strides, *value.extents)
            if not any(isinstance(part, np.ndarray) for part in parts):
                return value
            return MemoryDsd(
                value.block,
                take(value.words, positions),
                tuple(take(stride, positions) for stride in value.strides),
                tuple(take(extent, positions) for extent in value.extents),
            )
        case FabricDsd():
            if isinstance(value.color, np.ndarray) or isinstance(value.extent, np.ndarray):
                return replace(
                    value,
                    color=take(value.color, positions),
                    extent=take(value.extent, positions),
                )
            return value
        case _:
            return value


def may_merge(a: RunValue, b: RunValue) -> bool:
    """Whether one value can hold both for different PEs."""
    match a:
        case PointerValue():
            return isinstance(b, PointerValue) and a.block is b.block
        case MemoryDsd():
            return (
                isinstance(b, MemoryDsd) and a.block is b.block and len(a.extents) == len(b.extents)
            )
        case FabricDsd():
            return isinstance(b, FabricDsd) and _form(a) == _form(b)
        case None:
            return b is None
        case _:
            return b is not None and not isinstance(b, PointerValue | MemoryDsd | FabricDsd)


def _form(dsd: FabricDsd) -> tuple[object, ...]:
    """What must be the same for one value to stand for several PEs' DSDs."""
    return dsd.kind, dsd.queue, dsd.is_packed, dsd.sends_control, dsd.advances_switch


def merge(values: list[RunValue], counts: list[int], order: Indices) -> RunValue:
    """One value for PEs that come from several groups of `counts` PEs.

    `order` sorts the concatenated PEs. All pairs of values satisfy `may_merge`.
    """
    first = values[0]
    if all(value is first for value in values):
        if isinstance(first, np.ndarray):
            return np.concatenate(values)[order]
        if not isinstance(first, PointerValue | MemoryDsd | FabricDsd) or not _has_lanes(first):
            return first
    match first:
        case PointerValue():
            return PointerValue(first.block, merge([v.words for v in values], counts, order))
        case MemoryDsd():
            strides = zip(*(v.strides for v in values), strict=True)
            extents = zip(*(v.extents for v in values), strict=True)
            return MemoryDsd(
                first.block,
                merge([v.words for v in values], counts, order),
                tuple(merge(list(column), counts, order) for column in strides),
                tuple(merge(list(column), counts, order) for column in extents),
            )
        case FabricDsd():
            return replace(
                first,
                color=merge([v.color for v in values], counts, order),
                extent=merge([v.extent for v in values], counts, order),
            )
        case _:
            return _merge_numbers(values, counts, order)


def _has_lanes(value: RunValue) -> bool:
    match value:
        case PointerValue():
            return isinstance(value.words, np.ndarray)
        case MemoryDsd():
            parts = (value.words, *value.strides, *value.extents)
            return any(isinstance(part, np.ndarray) for part in parts)
        case FabricDsd():
            return isinstance(value.color, np.ndarray) or isinstance(value.extent, np.ndarray)
        case _:
            return isinstance(value, np.ndarray)


def _merge_numbers(values: list[RunValue], counts: list[int], order: Indices) -> RunValue:
    first = values[0]
    arrays = [value for value in values if is_array(value)]
    if not arrays and all(
        type(value) is type(first) and (value == first or value is first) for value in values
    ):
        return first
    dtype: np.dtype[Any] = arrays[0].dtype if arrays else np.asarray(first).dtype
    columns: list[NDArray[Any]] = [
        value if is_array(value) else np.full(count, value, dtype)
        for value, count in zip(values, counts, strict=True)
    ]
    return np.concatenate(columns)[order]
