"""An order of places in which positions that are taken one after the other fill all parts alike.

Positions 0, 1, 2, ... go where the van der Corput sequence has them: each next one into the
largest gap. However the places are cut into blocks, the first n positions fill each block in
proportion to its size, up to a few.
"""

from __future__ import annotations

from functools import cache


@cache
def spread_order(extent: int) -> tuple[int, ...]:
    """The position that each of `extent` places holds."""
    bits = max(1, (extent - 1).bit_length())
    return tuple(sorted(range(extent), key=lambda position: _reversed(position, bits)))


def _reversed(number: int, bits: int) -> int:
    return int(f"{number:0{bits}b}"[::-1], 2)
