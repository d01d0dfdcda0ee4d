"""The SRAM of all PEs of a class: one array per object, elements first, PEs last.

An access names words, as pointers may change their type (`@ptrcast`): where the type used has
the width of the object's elements the array is viewed, else elements are put together from words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.csl.core import MemoryObject, Scalar
from waferc_runtime.vector.lanes import Lanes

Array = NDArray[Any]

_BYTE_SIZED = (Scalar.BOOL, Scalar.I8, Scalar.U8)


class OutOfBounds(Exception):  # noqa: N818 (an event that the engine turns into a RunError)
    """An access outside an object: which element, and on which lane of the group (None: all)."""

    def __init__(self, block: Block, word: int, position: int | None) -> None:
        super().__init__()
        self.block = block
        self.element = word // block.object.element.words
        self.position = position


class Block:
    """The memory of one object on all PEs of a class."""

    __slots__ = ("array", "object", "words")

    def __init__(self, declared: MemoryObject, pes: int) -> None:
        self.object = declared
        self.words = declared.count * declared.element.words
        dtype = DTYPES[declared.element]
        initial = declared.initial
        if initial is None:
            self.array: Array = np.zeros((declared.count, pes), dtype)
        else:
            self.array = np.empty((declared.count, pes), dtype)
            start = np.asarray(initial)
            self.array[...] = start[:, np.newaxis] if start.ndim == 1 else start

    def typed(self, element: Scalar) -> Array | None:
        """The array [element, pe] seen as `element`; None if words must be put together."""
        own = self.object.element
        if own is element:
            return self.array
        if own.words != element.words or own in _BYTE_SIZED or element in _BYTE_SIZED:
            return None
        return self.array.view(DTYPES[element])

    def check(self, words: int | Array, low: int, high: int) -> None:
        """Require that words `words + low` to `words + high` (excluded) are in the object.

        Raises:
            OutOfBounds: they are not.
        """
        if isinstance(words, np.ndarray):
            first, last = int(words.min()) + low, int(words.max()) + high
            if first < 0:
                raise OutOfBounds(self, first, int(words.argmin()))
            if last > self.words:
                raise OutOfBounds(self, last - 1, int(words.argmax()))
        elif words + low < 0:
            raise OutOfBounds(self, words + low, None)
        elif words + high > self.words:
            raise OutOfBounds(self, words + high - 1, None)

    # ---- scalars ---------------------------------------------------------------------------------

    def load(self, words: int | Array, element: Scalar, lanes: Lanes) -> Array:
        """The element at `words` on each lane: [lane], never a view."""
        self.check(words, 0, element.words)
        typed = self.typed(element)
        if typed is None or not _is_aligned(words, element):
            return self._gather(np.asarray(words)[np.newaxis, ...], element, lanes)[0]
        if isinstance(words, np.ndarray):
            return typed[words // element.words, lanes.indices()]
        row = typed[words // element.words]
        return row.copy() if lanes.is_all else np.array(row[lanes.index])

    def store(self, words: int | Array, element: Scalar, lanes: Lanes, value: Any) -> None:
        """Write `value` (uniform or [lane]) as the element at `words` on each lane."""
        self.check(words, 0, element.words)
        typed = self.typed(element)
        if typed is None or not _is_aligned(words, element):
            block = np.broadcast_to(np.asarray(value, DTYPES[element]), (1, lanes.count))
            self._scatter(np.asarray(words)[np.newaxis, ...], element, lanes, block)
        elif isinstance(words, np.ndarray):
            typed[words // element.words, lanes.indices()] = value
        else:
            typed[words // element.words, lanes.index] = value

    # ---- arrays of elements ----------------------------------------------------------------------

    def gather(self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes) -> Array:
        """Elements at `words + offsets` (in words): [*offsets.shape, lane], a copy."""
        typed = self.typed(element)
        places = offsets[..., np.newaxis] + words
        if typed is None or not _is_aligned(places, element):
            return self._gather(places, element, lanes)
        return typed[places // element.words, lanes.indices()]

    def scatter(
        self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes, values: Array
    ) -> None:
        """Write `values` [*offsets.shape, lane] at `words + offsets`; later elements win."""
        typed = self.typed(element)
        places = offsets[..., np.newaxis] + words
        if typed is None or not _is_aligned(places, element):
            self._scatter(places, element, lanes, values)
        else:
            typed[places // element.words, lanes.indices()] = values

    def _gather(self, places: Array, element: Scalar, lanes: Lanes) -> Array:
        shape = (*places.shape[:-1], lanes.count) if places.ndim else (lanes.count,)
        places = np.broadcast_to(places, shape)
        parts = [self._read_word(places + part, lanes) for part in range(element.words)]
        words = np.stack(parts, axis=-1)
        if element is Scalar.BOOL:
            return words[..., 0] != 0
        if element in _BYTE_SIZED:
            return words[..., 0].astype(DTYPES[element])
        return np.ascontiguousarray(words).view(DTYPES[element])[..., 0]

    def _scatter(self, places: Array, element: Scalar, lanes: Lanes, values: Array) -> None:
        shape = (*places.shape[:-1], lanes.count)
        places = np.broadcast_to(places, shape)
        values = np.ascontiguousarray(np.broadcast_to(values, shape))
        if element in _BYTE_SIZED:
            words = values.astype(np.uint16)[..., np.newaxis]
        else:
            words = values[..., np.newaxis].view(np.uint16)
        for part in range(element.words):
            self._write_word(places + part, lanes, words[..., part])

    def _read_word(self, places: Array, lanes: Lanes) -> NDArray[np.uint16]:
        own = self.object.element
        elements = self.array[places // own.words, lanes.indices()]
        if own in _BYTE_SIZED:
            return elements.astype(np.uint16)
        words = np.ascontiguousarray(elements)[..., np.newaxis].view(np.uint16)
        return np.take_along_axis(words, (places % own.words)[..., np.newaxis], axis=-1)[..., 0]

    def _write_word(self, places: Array, lanes: Lanes, words: NDArray[np.uint16]) -> None:
        own = self.object.element
        columns = np.broadcast_to(lanes.indices(), places.shape)
        if own in _BYTE_SIZED:
            self.array[places, columns] = words.astype(self.array.dtype)
            return
        parts = self.array.view(np.uint16).reshape(*self.array.shape, own.words)
        parts[places // own.words, columns, places % own.words] = words


def _is_aligned(words: int | Array, element: Scalar) -> bool:
    if element.words == 1:
        return True
    if isinstance(words, np.ndarray):
        return not (words % element.words).any()
    return words % element.words == 0
