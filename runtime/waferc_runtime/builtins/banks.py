"""How fast an operation's operands come out of a PE's SRAM, from their addresses and strides.

The SRAM has 8 banks, interleaved by 16-bit words: the bank of a word is its address modulo 8. An
operation takes its elements in groups of its SIMD width; a group takes as many cycles as the bank
that is read most often, counting the words of all sources, and no fewer than writing the results
takes, of which four words go out per cycle. Strides of 1 or 7 modulo 8 elements, except 1 itself,
let no operand move more than two elements per cycle.

Sources: SDK documentation, appendix (8 banks, widths, strides; two sources are at full speed where
their addresses are 4 words apart modulo 8); Hot Chips 34 (two 64-bit reads and one 64-bit write per
cycle). That conflicts cost what they do here is measured: SpMM_Cerebras, `fmacs_test`: `@fmuls` of
1,028 f32 takes 1,034 cycles where the sources are 2 words apart modulo 8 and 2,062 where they are 0
apart; 254 elements of `@fmachs` on a WSE-3 take 127 cycles, as writing f32 allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine

Int = int | NDArray[Any]
_Shape = tuple[tuple[int, ...], tuple[int, ...], int]  # strides, extents, words per element


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What an operand in memory visits: elements of `size` words from address `base` on.

    `base` is in 16-bit words, one or [pe]. Strides are in words, outermost first; the outermost
    dimension goes on as long as there are elements. `steps` are the words by which the base moves
    with each iteration of the loops around the operation.
    """

    base: Int
    strides: tuple[int, ...]
    extents: tuple[int, ...]
    size: int
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an operation is like but for the bases of its operands, sources first."""

    width: int  # elements at once
    count: int  # elements
    shapes: tuple[_Shape, ...]
    writes: bool  # the last operand is the destination
    banks: int
    write_words: int  # per cycle


def memory_cycles(
    width: int,
    count: int,
    machine: Machine,
    reads: Sequence[Walk],
    write: Walk | None = None,
    loops: tuple[int, ...] = (),
) -> Int:
    """Cycles to move `count` elements (at least 1), `width` at once where the banks allow it.

    With `loops`, the trips of loops around the operation, the sum over all of their iterations.

    Returns:
        One number, or [pe] if some base is.
    """
    walks = [*reads] if write is None else [*reads, write]
    shapes = tuple([_shape(walk) for walk in walks])
    banks = machine.sram_banks
    kind = _Kind(width, count, shapes, write is not None, banks, machine.sram_write_words)
    steps = tuple([tuple([step % banks for step in walk.steps]) for walk in walks])
    if not any(isinstance(walk.base, np.ndarray) for walk in walks):
        return _nest(kind, steps, loops, tuple([int(walk.base) % banks for walk in walks]))
    bases = np.stack(np.broadcast_arrays(*(np.asarray(walk.base) % banks for walk in walks)))
    found, which = np.unique(bases, axis=1, return_inverse=True)
    each = [_nest(kind, steps, loops, tuple(column)) for column in found.T.tolist()]
    return np.asarray(each, np.int64)[which.reshape(-1)]


@lru_cache(maxsize=1 << 14)
def _nest(
    kind: _Kind,
    steps: tuple[tuple[int, ...], ...],
    loops: tuple[int, ...],
    bases: tuple[int, ...],
) -> int:
    """The cycles of all iterations: how often each combination of banks comes first."""
    times = {bases: 1}
    for place, trips in enumerate(loops):
        moved: dict[tuple[int, ...], int] = {}
        for first, so_far in times.items():
            for index in range(min(kind.banks, trips)):
                here = tuple(
                    (base + index * step[place]) % kind.banks
                    for base, step in zip(first, steps, strict=True)
                )
                often = so_far * -((index - trips) // kind.banks)
                moved[here] = moved.get(here, 0) + often
        times = moved
    return sum(often * _once(kind, at) for at, often in times.items())


@lru_cache(maxsize=1 << 14)
def _once(kind: _Kind, bases: tuple[int, ...]) -> int:
    # with one dimension, banks come again after so many elements
    period = kind.banks * kind.width
    if kind.count > 2 * period and all(len(strides) <= 1 for strides, _, _ in kind.shapes):
        whole, rest = divmod(kind.count, period)
        cycles = whole * _once(replace(kind, count=period), bases)
        return cycles + (_once(replace(kind, count=rest), bases) if rest else 0)
    groups = -(-kind.count // kind.width)
    cycles = np.ones(groups, np.int64)
    read = np.zeros((groups, kind.banks), np.int64)
    for place, (shape, base) in enumerate(zip(kind.shapes, bases, strict=True)):
        load = _bank_load(kind, shape, base)
        cycles = np.maximum(cycles, _stride_cycles(kind, shape))
        if kind.writes and place == len(bases) - 1:
            words = -(-load.sum(axis=1) // kind.write_words)
            cycles = np.maximum(cycles, np.maximum(load.max(axis=1), words))
        else:
            read += load
    return int(np.maximum(cycles, read.max(axis=1)).sum())


def _bank_load(kind: _Kind, shape: _Shape, base: int) -> NDArray[np.int64]:
    """How many words of each bank a group of elements needs: [group, bank]."""
    strides, extents, size = shape
    width, count = kind.width, kind.count
    index = np.arange(count)
    words = np.full(count, base)
    for stride, extent in zip(strides[:0:-1], extents[:0:-1], strict=True):
        index, inner = np.divmod(index, extent)
        words += stride * inner
    if strides:
        words += strides[0] * index
    groups = -(-count // width)
    words = np.concatenate([words, np.full(groups * width - count, words[-1])])
    table = words.reshape(groups, width, 1) + np.arange(size)
    table = np.sort(table.reshape(groups, width * size), axis=1)
    is_new = np.ones(table.shape, np.bool_)
    is_new[:, 1:] = table[:, 1:] != table[:, :-1]
    banks = table % kind.banks
    return np.stack([((banks == bank) & is_new).sum(axis=1) for bank in range(kind.banks)], axis=1)


def _stride_cycles(kind: _Kind, shape: _Shape) -> NDArray[np.int64]:
    """The cycles that a group takes because of the stride alone: [group]."""
    strides, _, size = shape
    elements = np.full(-(-kind.count // kind.width), kind.width)
    elements[-1] = kind.count - kind.width * (len(elements) - 1)
    stride = strides[-1] // size if strides else 0
    if stride != 1 and stride % kind.banks in (1, kind.banks - 1):
        return -(-elements // 2)
    return np.ones_like(elements)


def _shape(walk: Walk) -> _Shape:
    """The walk without its base, with dimensions joined where they go on evenly."""
    dims: list[tuple[int, int]] = []
    for stride, extent in _dims(walk):
        if dims and dims[-1][0] == stride * extent:
            dims[-1] = (stride, dims[-1][1] * extent)
        else:
            dims.append((stride, extent))
    return tuple([s for s, _ in dims]), tuple([e for _, e in dims]), walk.size


def _dims(walk: Walk) -> Iterable[tuple[int, int]]:
    for place, (stride, extent) in enumerate(zip(walk.strides, walk.extents, strict=True)):
        if extent != 1 or place == 0:  # the outermost may have to go on
            yield stride, extent
