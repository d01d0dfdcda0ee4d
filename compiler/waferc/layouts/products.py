"""Contractions by products: all products of a block at once, then halves added to halves.

A multiply-accumulate nest issues one operation per vector and scalar. Where the vectors are short
the issue is all that counts; one operation over the products of the whole block, and one for each
halving of what is summed, then take fewer cycles than the nest has operations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from waferc.layouts.cost import CostModel
from waferc_ir.dtypes import DType

LIMIT = 1024  # products that are in memory at once


def product_block(out_dims: str, local: Mapping[str, int]) -> dict[str, int]:
    """The extent of every letter in one block of products.

    Args:
        out_dims: letters of the result.
        local: extents of all letters in a tile, at least 1.
    """
    block = dict(local)
    while math.prod(block.values()) > LIMIT:
        letter = max(block, key=lambda one: (block[one], one in out_dims))
        block[letter] = _largest_divisor(block[letter])
    return block


def row_pitches(row: int, dtype: DType) -> tuple[int, ...]:
    """How far apart rows of so many products may be, ascending.

    What is summed may be what is read with stride 1. Four neighbours of it are then written to
    four rows, and in four banks at once if rows are 2 words apart modulo the 8 banks.
    """
    if dtype is not DType.F16:  # one f32 is written at a time
        return (row,)
    return tuple(dict.fromkeys((row, row + (2 - row) % 8)))


def product_elements(out_dims: str, block: Mapping[str, int], dtype: DType) -> int:
    """Elements of memory for the products of a block."""
    row = math.prod(block[letter] for letter in out_dims)
    return math.prod(block.values()) // row * row_pitches(row, dtype)[-1]


def product_cycles(
    out_dims: str, local: Mapping[str, int], block: Mapping[str, int], dtype: DType, cost: CostModel
) -> int:
    """Cycles of a contraction by products in such blocks."""
    kept = math.prod(block[letter] for letter in out_dims)
    summed = math.prod(extent for letter, extent in block.items() if letter not in out_dims)
    blocks = math.prod(extent // block[letter] for letter, extent in local.items())
    loads = 3 * cost.machine.dsr_load_cycles
    each = loads + cost.operation("multiply", kept * summed, dtype)
    while summed > 1:
        each += loads + cost.operation("add", summed // 2 * kept, dtype)
        summed -= summed // 2
    if blocks == 1:
        return cost.machine.call_cycles + each
    issue = 3 * (cost.machine.dsd_update_cycles + cost.machine.scalar_cycles)
    issue += cost.machine.loop_cycles + loads + cost.operation("add", kept, dtype)
    return cost.machine.call_cycles + blocks * (each + issue)


def _largest_divisor(extent: int) -> int:
    """The largest divisor of a number above 1 that is less than it."""
    return next(extent // n for n in range(2, extent + 1) if extent % n == 0)
