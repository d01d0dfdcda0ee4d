"""Regions side by side on shelves: left to right, then a new shelf, then a new wafer."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_ir.machine import Machine


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


def wafers(sizes: Sequence[tuple[int, int]], machine: Machine) -> list[int]:
    """The number of each region's wafer: shelf under shelf until one is full.

    Regions that are not all of one height are meant to lie on one wafer.
    """
    heights = {height for _, height in sizes}
    if len(heights) != 1:
        return [0] * len(sizes)
    per_wafer = max(1, machine.program_height // heights.pop())
    rows = shelves([width for width, _ in sizes], machine.program_width)
    return [row // per_wafer for row in rows]
