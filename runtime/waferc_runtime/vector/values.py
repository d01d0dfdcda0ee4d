"""What variables hold while the vector engine runs: numbers, pointers and descriptors.

Anything numeric is uniform (a Python number) or an array with one entry per PE of the group that
holds it. Offsets count 16-bit words from the beginning of the object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import DsdConfig, Fifo
from waferc_runtime.vector.lanes import Indices, is_array
from waferc_runtime.vector.memory import Block
from waferc_runtime.vector.unknown import UNKNOWN

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
    """A memory DSD; strides count elements of the operation that uses it, outermost first.

    `first` is the element at which an operation begins, in a register of several dimensions that
    was left within one. `is_single`: an operation takes one element.
    """

    block: Block
    words: Int
    strides: tuple[Int, ...]
    extents: tuple[Int, ...]
    takes_index: bool = False
    first: Int = 0
    is_single: bool = False

    def offset(self, index: int) -> Int:
        """Where element `index` from the first one on stands, in elements from the base.

        Beyond the end the outermost dimension goes on.
        """
        offset: Int = 0
        rest: Int = wide(self.first) + index
        for stride, extent in list(zip(self.strides, self.extents, strict=True))[:0:-1]:
            offset = offset + rest % extent * wide(stride)
            rest = rest // extent
        return offset + rest * wide(self.strides[0])


@dataclass(frozen=True, slots=True, eq=False)
class FabricDsd:
    """A fabin or fabout DSD. `queue` is None where the program names none.

    `is_bound`: its color is what the queue is bound to.
    `index` is the high half of what a 16-bit operation sends, where it `takes_index`.
    """

    kind: Literal["fabin", "fabout"]
    queue: int | None
    color: Int
    extent: Int
    is_packed: bool  # two 16-bit elements per wavelet
    sends_control: bool = False
    advances_switch: bool = False  # the sender's own, behind the last wavelet
    takes_index: bool = False
    is_bound: bool = False
    index: Int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FifoDsd:
    """A FIFO as an operand; `extent` is the length set for that side, 0 if none."""

    fifo: Fifo
    extent: Int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What a DSR holds: a DSD, how operations on it run, and what they leave behind.

    `index` is that of the config, None if it has none.
    """

    dsd: MemoryDsd | FabricDsd | FifoDsd
    config: DsdConfig
    save_address: bool
    single_step: bool
    index: Int | None = None


# int | float | bool | NDArray | PointerValue | MemoryDsd | FabricDsd | FifoDsd | Loaded | None
RunValue = Any
_Composed = PointerValue | MemoryDsd | FabricDsd | FifoDsd | Loaded


def with_index(value: RunValue, index: Int | None) -> RunValue:
    """An operand as an operation with an index sees it."""
    if index is None:
        return value
    match value:
        case MemoryDsd() if value.takes_index:
            return replace(value, words=wide(value.words) + wide(index))
        case FabricDsd() if value.takes_index:
            return replace(value, index=index)
        case _:
            return value


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
            parts = (value.words, value.first, *value.strides, *value.extents)
            if not any(isinstance(part, np.ndarray) for part in parts):
                return value
            return replace(
                value,
                words=take(value.words, positions),
                first=take(value.first, positions),
                strides=tuple(take(stride, positions) for stride in value.strides),
                extents=tuple(take(extent, positions) for extent in value.extents),
            )
        case FabricDsd():
            if _has_lanes(value):
                return replace(
                    value,
                    color=take(value.color, positions),
                    extent=take(value.extent, positions),
                    index=take(value.index, positions),
                )
            return value
        case FifoDsd():
            return replace(value, extent=take(value.extent, positions))
        case Loaded():
            if _has_lanes(value):
                dsd, index = take(value.dsd, positions), take(value.index, positions)
                return replace(value, dsd=dsd, index=index)
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
                isinstance(b, MemoryDsd)
                and a.block is b.block
                and len(a.extents) == len(b.extents)
                and a.takes_index == b.takes_index
            )
        case FabricDsd():
            return isinstance(b, FabricDsd) and _form(a) == _form(b)
        case FifoDsd():
            return isinstance(b, FifoDsd) and a.fifo is b.fifo
        case Loaded():
            return (
                isinstance(b, Loaded)
                and a.config is b.config
                and (a.save_address, a.single_step) == (b.save_address, b.single_step)
                and (a.index is None) == (b.index is None)
                and may_merge(a.dsd, b.dsd)
            )
        case None:
            return b is None
        case _:
            return b is not None and not isinstance(b, _Composed)


def _form(dsd: FabricDsd) -> tuple[object, ...]:
    """What must be the same for one value to stand for several PEs' DSDs."""
    return (
        dsd.kind,
        dsd.queue,
        dsd.is_packed,
        dsd.sends_control,
        dsd.advances_switch,
        dsd.takes_index,
        dsd.is_bound,
    )


def merge(values: list[RunValue], counts: list[int], order: Indices) -> RunValue:
    """One value for PEs that come from several groups of `counts` PEs.

    `order` sorts the concatenated PEs. All pairs of values satisfy `may_merge`.
    """
    first = values[0]
    if any(value is UNKNOWN for value in values):
        return UNKNOWN
    if all(value is first for value in values):
        if isinstance(first, np.ndarray):
            return np.concatenate(values)[order]
        if not isinstance(first, _Composed) or not _has_lanes(first):
            return first
    match first:
        case PointerValue():
            return PointerValue(first.block, merge([v.words for v in values], counts, order))
        case MemoryDsd():
            strides = zip(*(v.strides for v in values), strict=True)
            extents = zip(*(v.extents for v in values), strict=True)
            return replace(
                first,
                words=merge([v.words for v in values], counts, order),
                first=merge([v.first for v in values], counts, order),
                strides=tuple(merge(list(column), counts, order) for column in strides),
                extents=tuple(merge(list(column), counts, order) for column in extents),
            )
        case FabricDsd():
            return replace(
                first,
                color=merge([v.color for v in values], counts, order),
                extent=merge([v.extent for v in values], counts, order),
                index=merge([v.index for v in values], counts, order),
            )
        case FifoDsd():
            return first
        case Loaded():
            dsd = merge([v.dsd for v in values], counts, order)
            index = first.index
            if index is not None:
                index = merge([v.index for v in values], counts, order)
            return replace(first, dsd=dsd, index=index)
        case _:
            return _merge_numbers(values, counts, order)


def _has_lanes(value: RunValue) -> bool:
    match value:
        case PointerValue():
            return isinstance(value.words, np.ndarray)
        case MemoryDsd():
            parts = (value.words, value.first, *value.strides, *value.extents)
            return any(isinstance(part, np.ndarray) for part in parts)
        case FabricDsd():
            parts = (value.color, value.extent, value.index)
            return any(isinstance(part, np.ndarray) for part in parts)
        case Loaded():
            return _has_lanes(value.dsd) or isinstance(value.index, np.ndarray)
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
