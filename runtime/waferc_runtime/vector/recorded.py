"""What a loop nest does to memory, collected, checked for dependences, and carried out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import Compute, DsdOp
from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.builtins.timing import memory_operation_cycles, unhindered_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.affine import (
    Affine,
    AffineDsd,
    AffinePointer,
    Cell,
    NotFoldable,
    Symbol,
    lifted,
    padded,
)
from waferc_runtime.vector.elementwise import apply, fold, is_regular
from waferc_runtime.vector.forgetful import is_computed
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.operation import resized
from waferc_runtime.vector.unknown import Unknown
from waferc_runtime.vector.values import FabricDsd, PointerValue

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One operation for all iterations of the loops `path`.

    `folds`: the destination is a scalar that starts as the first source and takes in the others,
    whose dimensions behind those of the loops it has not.
    """

    path: tuple[core.For, ...]
    compute: Compute
    dest: Access
    sources: tuple[Any, ...]
    folds: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Touch:
    """An access to memory, by which item (its number) and in which loops."""

    access: Access
    path: tuple[core.For, ...]
    item: int
    writes: bool


@dataclass(eq=False, slots=True)
class Recorder:
    """The operations of a nest in the order of the program. `path` are the loops open now."""

    group: Group
    machine: Machine
    path: list[core.For] = field(default_factory=lambda: [])
    items: list[Item] = field(default_factory=lambda: [])
    reads: list[Touch] = field(default_factory=lambda: [])
    work: list[tuple[DsdOp, int]] = field(default_factory=lambda: [])
    conflicts: int | Array = 0  # cycles in which operations wait for banks, one number or [pe]

    def read(self, extents: Sequence[int], cell: Cell) -> None:
        """Note a scalar that is loaded into a variable: nothing may write it in the nest."""
        self.reads.append(Touch(_of_cell(cell, extents, 0), tuple(self.path), -1, False))

    def operation(
        self, extents: Sequence[int], op: DsdOp, dest: Symbol, sources: Sequence[Symbol]
    ) -> int | Array:
        """Record a DSD operation; returns its cycles in all iterations, one number or [pe].

        Raises:
            NotFoldable: an operand is none that can be.
        """
        dest = lifted(dest)
        operands = [lifted(source) for source in sources]
        dsds = [part for part in (*operands, dest) if isinstance(part, AffineDsd)]
        count = next((n for n in (math.prod(dsd.extents) for dsd in dsds) if n), 0 if dsds else 1)
        loops = tuple(extents)
        if count == 0:
            return memory_operation_cycles(op, 0, self.machine, [], None, loops)
        compute = op.computation(self.machine)
        elements = op.source_elements
        match dest:
            case AffineDsd():
                self._add(extents, compute, dest, op.element, operands, elements, count)
            case AffinePointer() if len(operands) > 1 and not isinstance(operands[0], AffineDsd):
                inner = max(len(dsd.extents) for dsd in dsds)
                place = Access(
                    dest.block,
                    dest.words.base,
                    padded(dest.words, len(extents)),
                    tuple(extents),
                    op.element,
                )
                values = [
                    self._operand(v, e, extents, count, 0 if n == 0 else inner)
                    for n, (v, e) in enumerate(zip(operands, elements, strict=True))
                ]
                self.items.append(Item(tuple(self.path), compute, place, tuple(values), True))
            case _:
                raise NotFoldable
        self.work.append((op, count * math.prod(extents)))
        item = self.items[-1]
        reads = [
            access.walk(len(loops))
            for access, operand in zip(item.sources, operands, strict=True)
            if isinstance(operand, AffineDsd)
        ]
        write = item.dest.walk(len(loops)) if isinstance(dest, AffineDsd) else None
        cycles = memory_operation_cycles(op, count, self.machine, reads, write, loops)
        least = unhindered_cycles(op, count, self.machine, loops)
        self.conflicts = self.conflicts + (cycles - least)
        return cycles

    def map(
        self,
        extents: Sequence[int],
        function: Callable[..., Array],
        result: core.Scalar,
        output: Symbol,
        types: Sequence[core.Scalar],
        inputs: Sequence[Symbol],
    ) -> int:
        """Record a `@map`; returns its number of elements."""
        dest = lifted(output)
        operands = [lifted(source) for source in inputs]
        if not isinstance(dest, AffineDsd):
            raise NotFoldable
        dsds = [part for part in (*operands, dest) if isinstance(part, AffineDsd)]
        count = min(math.prod(dsd.extents) for dsd in dsds)
        if count:
            compute = with_out(function)
            self._add(extents, compute, dest, result, operands, types, count)
        return count

    def store(
        self, extents: Sequence[int], pointer: AffinePointer, element: core.Scalar, value: Symbol
    ) -> None:
        """Record a scalar store."""
        place = AffineDsd(pointer.block, pointer.words, (), ())
        if isinstance(value, Affine) or not isinstance(
            value, Cell | int | float | bool | np.generic | np.ndarray | Unknown
        ):
            raise NotFoldable
        self._add(extents, with_out(_same), place, element, [value], [element], 1)

    def prepare(self) -> None:
        """Check that all of it can be carried out operation by operation.

        Raises:
            NotFoldable: it cannot.
            OutOfBounds: some access leaves its object.
        """
        touches = list(self.reads)
        for number, item in enumerate(self.items):
            accesses = [item.dest, *(s for s in item.sources if isinstance(s, Access))]
            for access in accesses:
                access.check()
            if item.folds:
                _check_fold(item)
            elif not is_regular(item.dest, item.sources):
                raise NotFoldable
            touches += [
                Touch(access, item.path, number, place == 0)
                for place, access in enumerate(accesses)
            ]
        for place, first in enumerate(touches):
            for second in touches[place + 1 :]:
                if (first.writes or second.writes) and first.item != second.item:
                    _check_order(first, second)

    def execute(self) -> None:
        """Carry out all of it."""
        lanes = self.group.lanes
        for item in self.items:
            if not item.folds:
                apply(item.compute, item.dest, item.sources, lanes)
                continue
            if not is_computed(item.dest, item.sources, lanes):
                continue
            loops = len(item.dest.extents)
            start = item.sources[0]
            if isinstance(start, Access):
                start = start.read(lanes)
            start = np.broadcast_to(start, (*item.dest.extents, lanes.count))
            parts: list[Array] = []
            for source in item.sources[1:]:
                if isinstance(source, Access):
                    array = source.read(lanes)
                    array = array.reshape(*array.shape[:loops], -1, lanes.count)
                    array = np.moveaxis(array, loops, 0)
                    parts.append(array if len(array) > 1 or len(item.sources) == 2 else array[0])
                else:
                    parts.append(np.asarray(source))
            typed = start.astype(DTYPES[item.dest.element])
            item.dest.write(lanes, fold(item.compute, typed, parts))
        for op, elements in self.work:
            self.group.state.count_work(op, elements * lanes.count)

    def _add(
        self,
        extents: Sequence[int],
        compute: Compute,
        dest: AffineDsd,
        element: core.Scalar,
        operands: Sequence[Symbol],
        elements: Sequence[core.Scalar],
        count: int,
    ) -> None:
        place = self._operand(dest, element, extents, count, len(dest.extents))
        inner = len(dest.extents)
        values = [
            self._operand(value, kind, extents, count, inner)
            for value, kind in zip(operands, elements, strict=True)
        ]
        # scalars are shaped like the destination, so that dimensions fit together
        shape = place.extents[len(extents) :]
        shaped = [
            Access(v.block, v.words, v.strides, (*extents, *shape), v.element)
            if isinstance(value, Cell)
            else v
            for v, value in zip(values, operands, strict=True)
        ]
        for v, value in zip(shaped, operands, strict=True):
            # a scalar is read once for all elements, the first of which may overwrite it
            if isinstance(value, Cell) and count > 1 and v.overlaps(place):
                raise NotFoldable
        self.items.append(Item(tuple(self.path), compute, place, tuple(shaped)))

    def _operand(
        self,
        value: Symbol,
        element: core.Scalar,
        extents: Sequence[int],
        count: int,
        inner: int,
    ) -> Any:
        match value:
            case AffineDsd():
                size = element.words
                strides = tuple([stride * size for stride in value.strides])
                own = Access(value.block, value.words.base, strides, value.extents, element)
                own = resized(own, count) if value.extents else own
                return Access(
                    own.block,
                    own.words,
                    (*padded(value.words, len(extents)), *own.strides),
                    (*extents, *own.extents),
                    element,
                )
            case Cell():
                return _of_cell(value, extents, inner)
            case PointerValue() | FabricDsd() | Affine() | AffinePointer() | None:
                raise NotFoldable
            case _:
                return value


def _of_cell(cell: Cell, extents: Sequence[int], inner: int) -> Access:
    steps = padded(cell.pointer.words, len(extents))
    return Access(
        cell.pointer.block,
        cell.pointer.words.base,
        (*steps, *(0,) * inner),
        (*extents, *(1,) * inner),
        cell.element,
    )


def with_out(function: Callable[..., Array]) -> Compute:
    """A function of arrays as arithmetic that can write into an array."""

    def compute(*sources: Array, out: Array | None = None) -> Array:
        result = function(*sources)
        if out is None:
            return result
        out[...] = result
        return out

    return compute


def _same(x: Array) -> Array:
    return x


def _check_fold(item: Item) -> None:
    if not item.dest.is_injective():
        raise NotFoldable
    for place, source in enumerate(item.sources):
        if not isinstance(source, Access) or not source.overlaps(item.dest):
            continue
        if place or not source.is_same(item.dest):
            raise NotFoldable


def _check_order(first: Touch, second: Touch) -> None:
    """Require that two accesses meet, if at all, in one iteration of the loops they share."""
    a, b = first.access, second.access
    if not a.overlaps(b):
        return
    if first.item < 0 or second.item < 0:
        raise NotFoldable
    shared = 0
    for mine, theirs in zip(first.path, second.path, strict=False):
        if mine is not theirs:
            break
        shared += 1
    if not shared:
        return  # one loop after the other
    if a.strides[:shared] != b.strides[:shared] or isinstance(a.words, np.ndarray):
        raise NotFoldable
    if isinstance(b.words, np.ndarray):
        raise NotFoldable
    spans = [
        Access(x.block, x.words, x.strides[shared:], x.extents[shared:], x.element).span()
        for x in (a, b)
    ]
    low = min(a.words + spans[0][0], b.words + spans[1][0])
    high = max(a.words + spans[0][1], b.words + spans[1][1])
    reach = high - low - 1
    steps = sorted(
        (abs(stride), extent)
        for stride, extent in zip(a.strides[:shared], a.extents[:shared], strict=True)
        if extent > 1
    )
    for stride, extent in steps:
        if stride <= reach:
            raise NotFoldable
        reach += stride * (extent - 1)
