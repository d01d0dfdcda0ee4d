"""Which layouts a tensor may have in a region: every choice of split dimensions and block sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from waferc_ir.ops import graph_move
from waferc_ir.program import Program
from waferc_ir.types import AXES, Axis, Layout, Split, TensorType

_BANKS = 8
_LONG = 2 * _BANKS  # from here on some more elements per row cost less than unequal banks

Factors = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class Grid:
    """A region's extents, and the block sizes that the program's reshapes ask for."""

    width: int
    height: int
    factors: Factors

    def pes(self, axis: Axis) -> int:
        """PEs along an axis."""
        return self.width if axis == "x" else self.height

    def splits(self, extent: int, axis: Axis) -> tuple[Split, ...]:
        """Ways to cut a dimension along an axis; none where that would cut nothing.

        The first is the even cut into blocks of ceil(extent / PEs). The others have blocks that
        are multiples of a factor of the extent that a reshape keeps together, or of the banks of
        the memory: rows of 24 elements are read faster than those of 22.
        """
        pes = self.pes(axis)
        if pes == 1 or extent == 1:
            return ()
        blocks = [-(-extent // pes)]
        if blocks[0] > _LONG and blocks[0] % _BANKS:
            blocks.append(-(-blocks[0] // _BANKS) * _BANKS)
        for factor in self.factors.get(extent, ()):
            block = factor * -(-(extent // factor) // pes)
            if block < extent and block not in blocks:
                blocks.append(block)
        return tuple(Split(axis, block) for block in blocks)

    def layouts(self, shape: tuple[int, ...]) -> tuple[Layout, ...]:
        """All layouts of a tensor that is not partial, the fully replicated one first."""
        whole: tuple[Split | None, ...] = (None,) * len(shape)
        found = [whole]
        for axis in AXES:
            found += [
                _with(splits, dim, split)
                for splits in found
                for dim, extent in enumerate(shape)
                if splits[dim] is None
                for split in self.splits(extent, axis)
            ]
        return tuple(Layout(splits) for splits in found)

    def assignments(self, extents: Mapping[str, int]) -> Iterator[dict[str, Split]]:
        """All choices of at most one letter per axis, with the block size of its split."""
        for x in self._letter_choices(extents, "x"):
            for y in self._letter_choices(extents, "y"):
                if not x.keys() & y.keys():
                    yield {**x, **y}

    def _letter_choices(self, extents: Mapping[str, int], axis: Axis) -> list[dict[str, Split]]:
        choices: list[dict[str, Split]] = [{}]
        for letter, extent in extents.items():
            choices += [{letter: split} for split in self.splits(extent, axis)]
        return choices


def inner_factors(program: Program) -> Factors:
    """For each extent, the factors that reshapes of the program keep together, ascending.

    Where 128 becomes 8 x 16, blocks of the 128 must be multiples of 16 for the reshape to move
    nothing between PEs: 16 is a factor of 128.
    """
    factors: dict[int, set[int]] = {}
    for statement in program.statements:
        if not isinstance(statement.op, graph_move.Reshape):
            continue
        source = statement.op.x.type
        assert isinstance(source, TensorType)
        for before, after in dimension_groups(source.shape, statement.op.shape):
            if not before or not after:
                continue
            inner_before, inner_after = math.prod(before[1:]), math.prod(after[1:])
            common = math.gcd(inner_before, inner_after)
            factors.setdefault(before[0], set()).add(inner_after // common)
            factors.setdefault(after[0], set()).add(inner_before // common)
    return {extent: tuple(sorted(found - {1})) for extent, found in factors.items()}


def dimension_groups(
    before: Iterable[int], after: Iterable[int]
) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of dimensions of two shapes that hold the same elements, extents of 1 left out."""
    left = [extent for extent in before if extent != 1]
    right = [extent for extent in after if extent != 1]
    while left and right:
        a, b = [left.pop(0)], [right.pop(0)]
        while math.prod(a) != math.prod(b):
            if math.prod(a) < math.prod(b):
                a.append(left.pop(0))
            else:
                b.append(right.pop(0))
        yield a, b


def _with(splits: tuple[Split | None, ...], dim: int, split: Split) -> tuple[Split | None, ...]:
    return (*splits[:dim], split, *splits[dim + 1 :])
