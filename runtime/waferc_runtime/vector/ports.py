"""Operands of operations on the fabric: words of a channel, elements in memory, running results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.channel import Channel, Outlet, Times, Words
from waferc_runtime.vector.fifo import FifoStream
from waferc_runtime.vector.indexed import Indexed, read
from waferc_runtime.vector.lanes import Indices, Lanes
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import Int

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """An operand on the fabric or a FIFO: its channel, and how elements become words.

    `output_depth` is the depth of the queue that words leave by; `index` [pe] or one number the
    high half of unpacked words of 16 bits.
    """

    stream: Channel
    element: Scalar
    per_word: int = 1
    output_depth: int = 0
    sends_control: bool = False
    advances_switch: bool = False
    index: Int = 0

    @property
    def fifo(self) -> FifoStream | None:
        """The FIFO that it is, if it is one."""
        return self.stream if isinstance(self.stream, FifoStream) else None


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A destination behind a pointer: the result so far [pe], which stands for the first source.

    With `is_last` it is no fold: the last result remains.
    """

    access: Access
    value: Array
    is_last: bool = False

    def take_in(
        self, compute: Compute, chosen: Indices, count: int, lanes: Lanes, values: Sequence[Any]
    ) -> None:
        """Take `count` elements into the running result."""
        place = self.access
        if isinstance(place.words, np.ndarray):
            words = place.words[chosen]
            place = Access(place.block, words, (), (), place.element)
        sees_itself = any(isinstance(v, Access) and v.overlaps(place) for v in values)
        arrays = [read(value, lanes) for value in values]
        total = self.value[chosen]
        for step in range(count):
            if sees_itself and step:
                place.write(lanes, total)
                arrays = [read(value, lanes) for value in values]
            row = [array[step] if array.ndim == 2 else array for array in arrays]
            total = compute(*(row if self.is_last else (total, *row[1:])))
        self.value[chosen] = total
        place.write(lanes, total)


Source = Port | Access | Indexed | Array


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """The destination of a single element that is received into a variable: [pe]."""

    values: Array


Dest = Port | Access | Indexed | Running | Captured | None


def values_of(
    sources: Sequence[Source],
    received: Sequence[Words],
    chosen: Indices,
    done: int,
    count: int,
    has_data: bool,
) -> list[Any]:
    """Elements `done` to `done + count` of all sources; `received` are the words of ports."""
    words = iter(received)
    values: list[Any] = []
    for source in sources:
        if isinstance(source, Port):
            bits = next(words)
            known = unpack(bits, source.element, source.per_word, count) if has_data else UNKNOWN
            values.append(known)
        elif isinstance(source, Access | Indexed):
            values.append(part_of(source, chosen, done, count, has_data))
        else:
            is_array = source is not UNKNOWN and source.ndim
            values.append(source[chosen] if is_array else source)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Todo:
    """What is left of a transfer: places of PEs, elements, columns of inputs, ways out, next cycle.

    PEs whose microthread is blocked have nothing to do.
    """

    places: Indices  # [open]
    left: Times  # [open] elements
    columns: list[Indices]  # [open], for each input
    is_cut_off: NDArray[np.bool_] | None  # [open] where some input reaches no ramp
    outlet: Outlet | None
    start: Times  # [open]


def part_of(
    access: Access | Indexed, chosen: Indices, done: int, count: int, has_data: bool
) -> Access | Indexed:
    """Elements `done` to `done + count` of a memory operand, on the chosen PEs."""
    words = access.words
    if isinstance(words, np.ndarray):
        words = words[chosen]
    if isinstance(access, Indexed):
        return _checked(Indexed(access.access, words, access.offsets[done : done + count]), chosen)
    if len(access.extents) == 1:
        stride = access.strides[0]
        start = words + done * stride
        return _checked(Access(access.block, start, (stride,), (count,), access.element), chosen)
    if not has_data:
        whole = Access(access.block, words, access.strides, access.extents, access.element)
        _checked(whole, chosen)
        return access
    offsets = access.offsets().reshape(-1)[done : done + count]
    return _checked(Indexed(access, words, offsets), chosen)


def _checked(part: Access | Indexed, chosen: Indices) -> Access | Indexed:
    """The access, all of it in its object; else a fault names the PE by its place in `chosen`."""
    try:
        part.check()
    except OutOfBounds as fault:
        fault.position = int(chosen[fault.position or 0])
        raise
    return part


def pack(values: Array, element: Scalar, per_word: int, index: Int = 0) -> NDArray[np.uint32]:
    """Elements [n, pe] as wavelets [ceil(n / per_word), pe]; 16-bit ones fill low halves first.

    `index`, one or [pe], is the high half of those that stand alone.
    """
    typed = np.ascontiguousarray(values, DTYPES[element])
    if element.words == 2:
        return typed.view(np.uint32)
    halves = typed.view(np.uint16).astype(np.uint32)
    if per_word == 1:
        if isinstance(index, np.ndarray) or index:
            halves |= (np.asarray(index).astype(np.uint32) & np.uint32(0xFFFF)) << np.uint32(16)
        return halves
    if len(halves) % 2:
        halves = np.concatenate([halves, np.zeros_like(halves[:1])])
    return halves[0::2] | (halves[1::2] << np.uint32(16))


def unpack(words: NDArray[np.uint32], element: Scalar, per_word: int, count: int) -> Array:
    """The inverse of `pack`: `count` elements [count, pe]."""
    if element.words == 2:
        return np.ascontiguousarray(words).view(DTYPES[element])
    if per_word == 1:
        return (words & np.uint32(0xFFFF)).astype(np.uint16).view(DTYPES[element])
    halves = np.empty((2 * len(words), words.shape[1]), np.uint16)
    halves[0::2] = words & np.uint32(0xFFFF)
    halves[1::2] = words >> np.uint32(16)
    return halves[:count].view(DTYPES[element])
