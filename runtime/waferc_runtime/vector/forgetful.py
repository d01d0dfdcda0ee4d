"""Memory of a run without data: what control flow may depend on is kept, the rest is not there.

Kept are scalars, and arrays of integers that are small or have a given content; of each element it
is known whether it depends on data. All other arrays take no memory; addresses are checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import MemoryObject, Scalar
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.indexed import Indexed
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.memory import Block
from waferc_runtime.vector.unknown import UNKNOWN

Array = NDArray[Any]

_SMALL_WORDS = 16
_GIVEN_WORDS = 2048


def block_of(declared: MemoryObject, pes: int, has_data: bool) -> Block:
    """The memory of an object on all PEs of a class."""
    if has_data:
        return Block(declared, pes)
    words = declared.count * declared.element.words
    limit = _SMALL_WORDS if declared.initial is None else _GIVEN_WORDS
    if declared.count == 1 or (not declared.element.is_float and words <= limit):
        return KeptBlock(declared, pes)
    return AbsentBlock(declared)


class AbsentBlock(Block):
    """An object whose content is not there."""

    __slots__ = ()

    def __init__(self, declared: MemoryObject) -> None:
        self.object = declared
        self.words = declared.count * declared.element.words
        self.array: Array = np.zeros((0, 0))

    def typed(self, element: Scalar) -> Array | None:
        """Nothing to look at."""
        return None

    def load(self, words: int | Array, element: Scalar, lanes: Lanes) -> Any:
        """An unknown number."""
        self.check(words, 0, element.words)
        return UNKNOWN

    def store(self, words: int | Array, element: Scalar, lanes: Lanes, value: Any) -> None:
        """Forget the value."""
        self.check(words, 0, element.words)

    def gather(self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes) -> Any:
        """Unknown numbers."""
        return UNKNOWN

    def scatter(
        self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes, values: Any
    ) -> None:
        """Forget the values."""


class KeptBlock(Block):
    """An object whose content is there, as far as it does not depend on data.

    An element is known if it is on all PEs.
    """

    __slots__ = ("_known",)

    def __init__(self, declared: MemoryObject, pes: int) -> None:
        super().__init__(declared, pes)
        self._known = np.ones(declared.count, np.bool_)

    def knows(self, words: int | Array, low: int, high: int) -> bool:
        """Whether all of words `words + low` to `words + high` (excluded) is known."""
        return bool(self._known[self._elements(words, low, high)].all())

    def note(self, words: int | Array, low: int, high: int, known: bool) -> None:
        """Say of some words whether they are known now."""
        self._known[self._elements(words, low, high)] = known

    def _elements(self, words: int | Array, low: int, high: int) -> slice:
        size = self.object.element.words
        first, last = int(np.min(words)) + low, int(np.max(words)) + high
        return slice(first // size, -(-last // size))

    def load(self, words: int | Array, element: Scalar, lanes: Lanes) -> Any:
        """The element at `words` on each lane, if it is known."""
        self.check(words, 0, element.words)
        if not self.knows(words, 0, element.words):
            return UNKNOWN
        return super().load(words, element, lanes)

    def store(self, words: int | Array, element: Scalar, lanes: Lanes, value: Any) -> None:
        """Write `value`, which may be unknown."""
        self.check(words, 0, element.words)
        if value is UNKNOWN:
            self.note(words, 0, element.words, False)
            return
        super().store(words, element, lanes, value)
        if lanes.is_all and not isinstance(words, np.ndarray):
            self.note(words, 0, element.words, True)

    def gather(self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes) -> Any:
        """Elements at `words + offsets`, if all of them are known."""
        if offsets.size:
            low, high = int(offsets.min()), int(offsets.max()) + element.words
            if not self.knows(words, low, high):
                return UNKNOWN
        return super().gather(words, offsets, element, lanes)

    def scatter(
        self, words: int | Array, offsets: Array, element: Scalar, lanes: Lanes, values: Any
    ) -> None:
        """Write values, which may be unknown."""
        if values is UNKNOWN:
            if offsets.size:
                low, high = int(offsets.min()), int(offsets.max()) + element.words
                self.note(words, low, high, False)
            return
        super().scatter(words, offsets, element, lanes, values)


def is_computed(dest: Access, sources: Sequence[Any], lanes: Lanes) -> bool:
    """Whether an operation on `lanes` is to be carried out, as it depends on no data.

    If it is not, its destination depends on data from now on.
    """
    block = dest.block
    if isinstance(block, AbsentBlock):
        return False
    if not isinstance(block, KeptBlock) or not dest.count:
        return True
    known = all(map(is_known, sources))
    if not known or lanes.is_all:
        block.note(dest.words, *dest.span(), known)
    return known


def is_known(operand: Any) -> bool:
    """Whether a number, or all that an access visits, depends on no data."""
    if isinstance(operand, Indexed):
        operand = operand.access
    if not isinstance(operand, Access):
        return operand is not UNKNOWN
    match operand.block:
        case AbsentBlock():
            return not operand.count
        case KeptBlock() as block:
            return not operand.count or block.knows(operand.words, *operand.span())
        case _:
            return True
