"""Elementwise operations on accesses, in the order of their elements wherever it can be seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.vector.access import Access, align
from waferc_runtime.vector.forgetful import is_computed
from waferc_runtime.vector.lanes import Lanes

_PIECE = 1 << 16  # elements that one NumPy call works on: with temporaries they fit a cache
_LANES_AT_ONCE = 256
_COPIED = 1 << 18  # elements, over all lanes, that are copied where no view can be had

Array = NDArray[Any]
Operand = Access | Any  # or a number: uniform, or an array that broadcasts to [*extents, lane]


def apply(compute: Compute, dest: Access, sources: Sequence[Operand], lanes: Lanes) -> None:
    """`dest[i] = compute(sources[i]...)` for all elements in order, on all `lanes`.

    Accesses have the count of `dest`; numbers are scalars or arrays [lane], or, where all
    accesses have the same extents, arrays [*extents, lane].

    Raises:
        OutOfBounds: an access leaves its object.
    """
    if not dest.count:
        return
    accesses = [source for source in sources if isinstance(source, Access)]
    for access in (dest, *accesses):
        access.check()
    if not is_computed(dest, sources, lanes):
        return
    aligned = align([dest, *accesses])
    if aligned is None:
        _one_by_one(compute, dest, sources, lanes)
        return
    dest, rest = aligned[0], iter(aligned[1:])
    operands = [next(rest) if isinstance(source, Access) else source for source in sources]
    sequential, others = _dimensions(dest)
    if not _may_vectorise(dest, operands, sequential, others):
        _one_by_one(compute, dest, operands, lanes)
        return
    if dest.count * lanes.count > _COPIED and lanes.count > 1 and dest.view(lanes) is None:
        step = max(1, _COPIED // dest.count)
        for first in range(0, lanes.count, step):
            part = slice(first, min(first + step, lanes.count))
            some = [_of(operand, part, lanes) for operand in operands]
            target = dest.of(part)
            _vectorised(compute, target, some, lanes.part(part), sequential, others)
    else:
        _vectorised(compute, dest, operands, lanes, sequential, others)


def _of(operand: Operand, part: slice, lanes: Lanes) -> Operand:
    """An operand for some of the lanes, by their positions."""
    if isinstance(operand, Access):
        return operand.of(part)
    array = np.asarray(operand)
    return array[..., part] if array.ndim and array.shape[-1] == lanes.count else array


def _vectorised(
    compute: Compute,
    dest: Access,
    operands: Sequence[Operand],
    lanes: Lanes,
    sequential: list[int],
    others: list[int],
) -> None:
    """One NumPy operation, or one for each step along the dimensions on which `dest` stands."""
    if not sequential:
        _at_once(compute, dest, [_values(operand, lanes) for operand in operands], lanes)
    else:
        _in_sequence(compute, dest, operands, lanes, sequential, others)


def fold(compute: Compute, start: Array, sources: Sequence[Array]) -> Array:
    """`acc = compute(acc, x...)` over the first axis of each of `sources`, from `start`.

    Sources of rank 0, and of the rank of `start`, are the same in every step.
    """
    total = np.array(start)
    rank = total.ndim + 1
    steps = max(len(source) for source in sources if source.ndim == rank)
    for step in range(steps):
        parts = [source[step] if source.ndim == rank else source for source in sources]
        total = compute(total, *parts)
    return total


def is_regular(dest: Access, sources: Sequence[Operand]) -> bool:
    """Whether `apply` would do it without going element by element."""
    accesses = [source for source in sources if isinstance(source, Access)]
    aligned = align([dest, *accesses])
    if aligned is None:
        return False
    sequential, others = _dimensions(aligned[0])
    return _may_vectorise(aligned[0], aligned[1:], sequential, others)


def _dimensions(dest: Access) -> tuple[list[int], list[int]]:
    """The dimensions along which a destination stands still, and the others."""
    sequential = [
        place
        for place, (stride, extent) in enumerate(zip(dest.strides, dest.extents, strict=True))
        if stride == 0 and extent > 1
    ]
    return sequential, [place for place in range(len(dest.extents)) if place not in sequential]


def _may_vectorise(
    dest: Access, operands: Sequence[Operand], sequential: list[int], others: list[int]
) -> bool:
    free = Access(
        dest.block,
        dest.words,
        tuple([dest.strides[place] for place in others]),
        tuple([dest.extents[place] for place in others]),
        dest.element,
    )
    if not free.is_injective():
        return False
    for source in operands:
        if not isinstance(source, Access) or source.block is not dest.block:
            continue
        if source.is_same(dest) or not source.overlaps(dest):
            continue
        if sequential or not source.runs_ahead_of(dest):
            return False
    return True


def _values(operand: Operand, lanes: Lanes) -> Array:
    return operand.read(lanes) if isinstance(operand, Access) else operand


def _at_once(compute: Compute, dest: Access, values: Sequence[Array], lanes: Lanes) -> None:
    out = dest.view(lanes)
    shape = (*dest.extents, lanes.count)
    if out is None:
        dest.write(lanes, np.broadcast_to(compute(*values), shape))
    elif dest.count * lanes.count <= _PIECE:
        compute(*values, out=out)
    else:
        spread = [np.broadcast_to(value, shape) for value in values]
        for piece in _pieces(shape):
            compute(*(value[piece] for value in spread), out=out[piece])


def _pieces(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Index tuples that cut an array [..., lane] into pieces that fit a cache, in order."""
    inner = math.prod(shape[1:-1])
    lane_step = max(_LANES_AT_ONCE, _PIECE // max(1, inner * shape[0]))
    row_step = max(1, _PIECE // max(1, inner * min(lane_step, shape[-1])))
    rest = (slice(None),) * (len(shape) - 2)
    for lane in range(0, shape[-1], lane_step):
        part = slice(lane, lane + lane_step)
        if len(shape) == 1:
            yield (part,)
            continue
        for row in range(0, shape[0], row_step):
            yield (slice(row, row + row_step), *rest, part)


def _in_sequence(
    compute: Compute,
    dest: Access,
    operands: Sequence[Operand],
    lanes: Lanes,
    sequential: list[int],
    others: list[int],
) -> None:
    """Step through the dimensions along which `dest` stands still; vectorise the others."""
    rank = len(dest.extents)
    order = (*sequential, *others, rank)
    out = dest.view(lanes)
    first = (0,) * len(sequential)
    total = (dest.read(lanes) if out is None else out).transpose(order)[first]
    if out is None:
        total = np.array(total)
    full = (*dest.extents, lanes.count)
    moving: list[Array | None] = []  # None: the running result
    for operand in operands:
        if isinstance(operand, Access) and operand.is_same(dest):
            moving.append(None)
        else:
            value = np.broadcast_to(_values(operand, lanes), full)
            moving.append(value.transpose(order))
    steps = list(itertools.product(*(range(dest.extents[place]) for place in sequential)))
    lead = (slice(None),) * len(sequential)
    for piece in _pieces(total.shape):
        part = total[piece]
        parts = [None if value is None else value[(*lead, *piece)] for value in moving]
        for step in steps:
            compute(*(part if value is None else value[step] for value in parts), out=part)
    if out is None:
        shape = tuple([1 if place in sequential else e for place, e in enumerate(dest.extents)])
        strides = dest.strides
        last = Access(dest.block, dest.words, strides, shape, dest.element)
        last.write(lanes, total.reshape(*shape, lanes.count))


def _one_by_one(compute: Compute, dest: Access, operands: Sequence[Operand], lanes: Lanes) -> None:
    """Element by element, vectorised over PEs only."""
    flat_dest = dest.offsets().reshape(-1)
    rows: list[tuple[Access, Array] | Array] = []
    for operand in operands:
        if isinstance(operand, Access):
            rows.append((operand, operand.offsets().reshape(-1)))
        else:
            value = np.asarray(operand)
            if value.ndim > 1:
                value = np.broadcast_to(value, (*dest.extents, lanes.count))
                rows.append(value.reshape(-1, lanes.count))
            else:
                rows.append(value)
    for index, offset in enumerate(flat_dest):
        values: list[Array] = []
        for row in rows:
            if isinstance(row, tuple):
                source, offsets = row
                place = source.words + int(offsets[index])
                values.append(source.block.load(place, source.element, lanes))
            else:
                values.append(row[index] if row.ndim > 1 else row)
        place = dest.words + int(offset)
        dest.block.store(place, dest.element, lanes, compute(*values))
