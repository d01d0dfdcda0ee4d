"""DSD operations as a program issues them: operands checked, lengths found, memory ones run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.banks import Walk
from waferc_runtime.builtins.dsd import Compute, DsdOp
from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.builtins.timing import memory_operation_cycles
from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.elementwise import apply, fold
from waferc_runtime.vector.forgetful import is_computed
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.indexed import Indexed, apply_indexed, read
from waferc_runtime.vector.lanes import Indices, Lanes, alike
from waferc_runtime.vector.unknown import UNKNOWN, Misuse
from waferc_runtime.vector.values import (
    FabricDsd,
    FifoDsd,
    MemoryDsd,
    PointerValue,
    RunValue,
    take,
    wide,
)

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Operands:
    """An operation with its operands' values: no strides or extents differ between its PEs."""

    op: DsdOp
    dest: RunValue
    sources: Sequence[RunValue]
    length: int | Array  # elements; [pe] only where memory operands have one dimension


def variants(
    op: DsdOp, dest: RunValue, sources: Sequence[RunValue], pes: int
) -> list[tuple[Indices | None, Operands]]:
    """The operation split by PEs that differ in shape; positions are None for all PEs.

    Raises:
        Misuse: an operand is of the wrong kind.
    """
    operands = (dest, *sources)
    varying = [
        part
        for operand in operands
        if isinstance(operand, MemoryDsd)
        for part in (operand.first, *operand.strides, *operand.extents)
        if isinstance(part, np.ndarray)
    ]
    is_flat = all(len(o.extents) == 1 for o in operands if isinstance(o, MemoryDsd))
    varying += [
        part
        for operand in operands
        if isinstance(operand, FabricDsd)
        for part in (operand.color, *(() if is_flat else (operand.extent,)))
        if isinstance(part, np.ndarray)
    ]
    if not varying:
        return [(None, _plain(op, dest, sources))]
    table = np.stack([np.broadcast_to(part, pes).astype(np.int64) for part in varying])
    found: list[tuple[Indices | None, Operands]] = []
    for positions in alike(table):
        parts = [uniform_shape(take(operand, positions)) for operand in operands]
        found.append((positions, _plain(op, parts[0], parts[1:])))
    return found


def run_in_memory(group: Group, operands: Operands, lanes: Lanes, machine: Machine) -> int | Array:
    """Execute an operation without fabric operands on `lanes`; returns its cycles, one or [pe].

    Raises:
        Misuse: a destination that nothing can be written to.
        OutOfBounds: an operand leaves its object.
    """
    op, count = operands.op, operands.length
    assert isinstance(count, int)
    reads = [
        walk_of(source, element)
        for source, element in zip(operands.sources, op.source_elements, strict=True)
        if isinstance(source, MemoryDsd)
    ]
    dest = operands.dest
    write = walk_of(dest, op.element) if isinstance(dest, MemoryDsd) else None
    cycles = memory_operation_cycles(op, count, machine, reads, write)
    if count == 0:
        return cycles
    compute = op.computation(machine)
    match dest:
        case MemoryDsd():
            sources = [
                elements_of(source, element, count) if isinstance(source, MemoryDsd) else source
                for source, element in zip(operands.sources, op.source_elements, strict=True)
            ]
            carry_out(compute, elements_of(dest, op.element, count), sources, lanes, count)
        case PointerValue():
            _into_pointer(compute, dest, operands, lanes, count)
        case _:
            raise Misuse(f"{op.name} cannot write to its first operand")
    group.state.count_work(op, count * lanes.count)
    return cycles


def carry_out(
    compute: Compute,
    dest: Access | Indexed,
    sources: Sequence[Any],
    lanes: Lanes,
    count: int,
) -> None:
    """`dest[i] = compute(sources[i]...)` in order.

    Raises:
        OutOfBounds: an operand leaves its object.
    """
    parts = (dest, *sources)
    if isinstance(dest, Access) and not any(isinstance(part, Indexed) for part in parts):
        apply(compute, dest, sources, lanes)
        return
    for part in parts:
        if isinstance(part, Access | Indexed):
            part.check()
    place = dest if isinstance(dest, Access) else dest.access
    if is_computed(place, sources, lanes):
        apply_indexed(compute, dest, sources, lanes, count)


def _into_pointer(
    compute: Compute, pointer: PointerValue, operands: Operands, lanes: Lanes, count: int
) -> None:
    """Leave a fold of the sources behind a pointer, or the last result."""
    op = operands.op
    place = Access(pointer.block, pointer.words, (), (), op.element)
    place.check()
    sources: list[Access | Indexed | Array] = []
    for source, element in zip(operands.sources, op.source_elements, strict=True):
        if isinstance(source, MemoryDsd):
            access = elements_of(source, element, count)
            access.check()
            sources.append(access)
        else:
            sources.append(source if source is UNKNOWN else np.asarray(source))
    if not is_computed(place, sources, lanes):
        return
    accesses = [source for source in sources if isinstance(source, Access | Indexed)]
    is_fold = folds(pointer, operands.sources)
    start = sources[0]
    total: Array | None = None
    if is_fold and isinstance(start, np.ndarray):
        total = np.broadcast_to(start, (lanes.count,)).astype(DTYPES[op.element])
    rows = [read(source, lanes) for source in sources]
    if not any(_overlap(access, place) for access in accesses):
        if total is not None and accesses:
            result = fold(compute, total, rows[1:])
        elif total is not None:
            result = compute(total, *rows[1:])
        else:
            result = compute(*(row[-1] if row.ndim == 2 else row for row in rows))
        place.write(lanes, result)
        return
    for step in range(count):  # a source sees what was written before
        rows = [read(source, lanes) for source in sources]
        row = [part[step] if part.ndim == 2 else part for part in rows]
        total = compute(*(row if total is None else (total, *row[1:])))
        place.write(lanes, total)
        total = total if is_fold else None


def _overlap(access: Access | Indexed, place: Access) -> bool:
    if isinstance(access, Indexed):
        return access.access.block is place.block
    return access.overlaps(place)


def folds(dest: RunValue, sources: Sequence[RunValue]) -> bool:
    """Whether the first source is replaced by the running result."""
    return (
        isinstance(dest, PointerValue)
        and len(sources) > 1
        and not isinstance(sources[0], MemoryDsd | FabricDsd | FifoDsd)
    )


def access_of(dsd: MemoryDsd, element: Scalar) -> Access:
    """The elements that an operation on `element` visits; strides and extents are uniform."""
    size = element.words
    strides = tuple([int(stride) * size for stride in dsd.strides])
    extents = tuple([int(extent) for extent in dsd.extents])
    return Access(dsd.block, dsd.words, strides, extents, element)


def walk_of(dsd: MemoryDsd, element: Scalar) -> Walk:
    """What an operation on `element` visits, by addresses of the PE's SRAM."""
    if not isinstance(dsd.first, int) or dsd.first:
        dsd = replace(dsd, words=wide(dsd.words) + wide(dsd.offset(0)) * element.words)
    return access_of(dsd, element).walk()


def elements_of(dsd: MemoryDsd, element: Scalar, count: int) -> Access | Indexed:
    """The `count` elements that an operation on `element` visits; shapes are uniform.

    Beyond the end the outermost dimension goes on.
    """
    access = access_of(dsd, element)
    inner = math.prod(access.extents[1:])
    first = int(np.asarray(dsd.first).flat[0])
    if access.count == count and not first:
        return access
    if inner == 0:
        raise Misuse(f"an operand of no elements stands for {count}")
    if not first and count % inner == 0:
        return resized(access, count)
    rows = -(-(first + count) // inner)
    offsets = resized(access, rows * inner).offsets().reshape(-1)[first : first + count]
    return Indexed(access, access.words, offsets)


def resized(access: Access, count: int) -> Access:
    """The access with `count` elements: the outermost dimension is cut or goes on.

    Raises:
        Misuse: `count` is no multiple of what the inner dimensions hold.
    """
    if access.count == count:
        return access
    inner = math.prod(access.extents[1:])
    if inner == 0 or count % inner:
        raise Misuse(f"operands have {access.count} and {count} elements")
    extents = (count // inner, *access.extents[1:])
    return Access(access.block, access.words, access.strides, extents, access.element)


def _plain(op: DsdOp, dest: RunValue, sources: Sequence[RunValue]) -> Operands:
    if len(sources) != len(op.source_elements):
        raise Misuse(f"{op.name} takes {len(op.source_elements)} sources")
    for source in sources:
        if isinstance(source, PointerValue) or source is None:
            raise Misuse(f"{op.name} does not take a pointer as a source")
    return Operands(op, dest, sources, length_of((*sources, dest)))


def length_of(operands: Sequence[RunValue]) -> int | Array:
    """Elements of an operation: of the first operand that has any (sources first); 1 of scalars."""
    length: int | Array = 0
    any_dsd = False
    for operand in operands:
        match operand:
            case MemoryDsd():
                extents = () if operand.is_single else operand.extents
                here: int | Array = math.prod(int(extent) for extent in extents)
            case FabricDsd() | FifoDsd():
                here = operand.extent
            case _:
                continue
        any_dsd = True
        if isinstance(length, np.ndarray) or isinstance(here, np.ndarray):
            length = np.where(np.asarray(length) == 0, here, length).astype(np.int64)
        elif length == 0:
            length = int(here)
    if not any_dsd:
        return 1
    if isinstance(length, np.ndarray) and (length == length.flat[0]).all():
        return int(length.flat[0])
    return length


def uniform_shape(value: RunValue) -> RunValue:
    """The value with one number for strides, extents and colors, which are the same on all PEs."""
    match value:
        case MemoryDsd():
            return replace(
                value,
                strides=tuple(_first(stride) for stride in value.strides),
                extents=tuple(_first(extent) for extent in value.extents),
                first=_first(value.first),
            )
        case FabricDsd():
            extent = value.extent
            if isinstance(extent, np.ndarray) and (extent == extent.flat[0]).all():
                extent = _first(extent)
            return replace(value, color=_first(value.color), extent=extent)
        case _:
            return value


def _first(value: int | Array) -> int:
    return int(value.flat[0]) if isinstance(value, np.ndarray) else int(value)
