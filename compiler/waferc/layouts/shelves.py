"""Regions side by side on shelves: left to right, and a new shelf where one is full."""

from __future__ import annotations

from collections.abc import Sequence


def shelves(widths: Sequence[int], program_width: int) -> list[int]:
    """The number of each region's shelf, top to bottom; one that is too wide has its own."""
    found: list[int] = []
    shelf = x = 0
    for width in widths:
        if x and x + width > program_width:
            shelf, x = shelf + 1, 0
        found.append(shelf)
        x += width
    return found
