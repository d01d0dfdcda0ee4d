"""Elements of an access that are not regular: by their offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.memory import Block

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """Some elements of a multi-dimensional access, by their offsets in words."""

    access: Access
    words: int | Array
    offsets: NDArray[np.int64]  # [element]

    @property
    def count(self) -> int:
        """Number of elements visited."""
        return len(self.offsets)

    def check(self) -> None:
        """Require that all of it lies in the object.

        Raises:
            OutOfBounds: it does not.
        """
        if self.count:
            low, high = int(self.offsets.min()), int(self.offsets.max())
            self.access.block.check(self.words, low, high + self.access.element.words)

    def read(self, lanes: Lanes) -> Array:
        """The elements [element, lane]."""
        return self.access.block.gather(self.words, self.offsets, self.access.element, lanes)


def read(value: Any, lanes: Lanes) -> Array:
    """The elements of an operand [element, lane], or a number."""
    match value:
        case Access():
            return value.read(lanes).reshape(value.count, lanes.count)
        case Indexed():
            return value.read(lanes)
        case _:
            return np.asarray(value)


def apply_indexed(
    compute: Compute,
    dest: Access | Indexed,
    values: Sequence[Any],
    lanes: Lanes,
    count: int,
) -> None:
    """`dest[i] = compute(values[i]...)` in order, where some operand is not regular."""
    if isinstance(dest, Access):
        dest = Indexed(dest, dest.words, dest.offsets().reshape(-1))
    block, element = dest.access.block, dest.access.element
    is_plain = len(np.unique(dest.offsets)) == count and not any(
        _is_in(value, block) and not (isinstance(value, Indexed) and value.access is dest.access)
        for value in values
    )
    if is_plain:
        arrays = [read(value, lanes) for value in values]
        result = np.broadcast_to(compute(*arrays), (count, lanes.count))
        block.scatter(dest.words, dest.offsets, element, lanes, result)
        return
    for step in range(count):
        row: list[Array] = []
        for value in values:
            array = read(value, lanes)
            row.append(array[step] if array.ndim == 2 else array)
        block.store(dest.words + int(dest.offsets[step]), element, lanes, compute(*row))


def _is_in(value: Any, block: Block) -> bool:
    match value:
        case Access():
            return value.block is block
        case Indexed():
            return value.access.block is block
        case _:
            return False
