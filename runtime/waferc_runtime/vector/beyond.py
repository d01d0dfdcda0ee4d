"""Words of a PE's SRAM by address, whatever variables lie there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.memory import Block
from waferc_runtime.vector.unknown import UNKNOWN


def read_addresses(
    blocks: Iterable[Block], first: int, n: int, element: Scalar, lanes: Lanes
) -> NDArray[Any]:
    """`n` elements from address `first` (in words) on: [n, lane]; zero where no variable lies.

    They are not known where a run without data does not know a part of them.
    """
    count = n * element.words
    words = np.zeros((count, lanes.count), np.uint16)
    for block in blocks:
        begin = block.object.address
        low, high = max(first, begin), min(first + count, begin + block.words)
        if low < high:
            offsets = np.arange(low - begin, high - begin)
            found = block.gather(0, offsets, Scalar.U16, lanes)
            if found is UNKNOWN:
                return found
            words[low - first : high - first] = found
    dtype = np.dtype(DTYPES[element])
    if dtype.itemsize == 1:
        return words.astype(dtype)
    # an element's words, little end first, stand behind each other in memory
    packed = np.ascontiguousarray(words.reshape(n, element.words, -1).transpose(0, 2, 1))
    return packed.view(dtype)[..., 0]
