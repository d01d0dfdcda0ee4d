"""What a tiled operation takes at least, whatever kernel carries it out.

Three limits, in cycles of the PE that has most to do, padding not counted:

* *arithmetic*: its multiply-adds, additions or other results, as many per cycle as the machine's
  widest instruction of that element type makes;
* *memory*: each operand element is read once and each result written once; `sram_banks` words of
  16 bits are read per cycle, `sram_write_words` written;
* *bisection*: the words that must pass one link, or come up one ramp, at one 32-bit word per cycle,
  and their flight from where they are made to where they are needed.

No PE needs fewer cycles from the begin of the operation to its end on that PE, for the first two;
for the third that is true of the PE that takes longest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.ops import collective, stream, tile_compute, tile_move
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis, Region, Split, TiledType
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.timing import flight_cycles

_SUMS: Mapping[DType, str] = MappingProxyType(
    {
        DType.F16: "@faddh",
        DType.F32: "@fadds",
        DType.BOOL: "@faddh",
        DType.I16: "@add16",
        DType.I32: "@mov32",
    }
)
_PRODUCTS: Mapping[DType, str] = MappingProxyType(
    {**_SUMS, DType.F16: "@fmach", DType.F32: "@fmacs"}
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Cycles that an operation takes at least."""

    arithmetic: int = 0
    memory: int = 0
    bisection: int = 0

    @property
    def most(self) -> int:
        """The one that counts."""
        return max(self.arithmetic, self.memory, self.bisection)


def bounds(op: Op, result: TiledType | None, region: Region, machine: Machine) -> Bounds:
    """The limits of an operation in a region; of a stream in that which sends or receives."""
    match op:
        case collective.AllReduce(axis=axis):
            return Bounds(bisection=_all_reduce(_tiled(op.x), axis, region, machine))
        case collective.AllGather(axis=axis):
            assert result is not None
            return Bounds(bisection=_all_gather(_tiled(op.x), result, axis, region, machine))
        case collective.Multiply():
            assert result is not None
            return _multiply(op, result, machine)
        case stream.Transfer():
            return Bounds(bisection=_words(_real_elements(_tiled(op.x)), _tiled(op.x).dtype))
        case tile_compute.MaskPadding() | tile_compute.CausalMask() | tile_move.Reshape():
            return Bounds()  # these may leave most of the tile as it is
        case _ if result is None:
            return Bounds()
        case _:
            return Bounds(_arithmetic(op, result, machine), _memory(op, result, machine))


def sums_bounds(found: Sequence[collective.AllReduce], region: Region, machine: Machine) -> Bounds:
    """The limits of sums that go along a line together: the words of all, and one flight."""
    first, *others = found
    words = sum(_words(_real_elements(_tiled(op.x)), _tiled(op.x).dtype) for op in others)
    alone = _all_reduce(_tiled(first.x), first.axis, region, machine)
    return Bounds(bisection=alone + words if alone else 0)


def _arithmetic(op: Op, result: TiledType, machine: Machine) -> int:
    products = DSD_OPS[_PRODUCTS[result.dtype]].elements_per_cycle(machine)
    sums = DSD_OPS[_SUMS[result.dtype]].elements_per_cycle(machine)
    match op:
        case tile_compute.Contract():
            extents = {
                letter: extent
                for dims, operand in ((op.lhs_dims, op.lhs), (op.rhs_dims, op.rhs))
                for letter, extent in zip(dims, _real_shape(_tiled(operand)), strict=True)
            }
            wide = DSD_OPS["@fmachs"].elements_per_cycle(machine)
            return _ceil(math.prod(extents.values()), wide if op.wide else products)
        case tile_compute.Conv2d():
            taps = math.prod(_real_shape(_tiled(op.weight))[1:])
            return _ceil(_real_elements(result) * taps, products)
        case tile_compute.Pool2d():
            return 0  # a window may share what it adds with its neighbours
        case tile_compute.Reduce():
            return _ceil(_real_elements(_tiled(op.x)), sums)
        case tile_compute.Unary() | tile_compute.Binary() | tile_compute.BinaryScalar():
            return _ceil(_real_elements(result), sums)
        case _:
            return 0


def _memory(op: Op, result: TiledType, machine: Machine) -> int:
    read = 0
    match op:
        case (
            tile_compute.GatherRows() | tile_compute.Conv2d() | tile_compute.Pool2d()
            | tile_move.Slice() | tile_move.Shard()
        ):  # fmt: skip
            pass  # some of the operand may be left unread
        case _:
            read = sum(_halves(_tiled(operand)) for operand in dict.fromkeys(op.operands()))
    written = _ceil(_halves(result), machine.sram_write_words)
    return max(_ceil(read, machine.sram_banks), written)


def _all_reduce(x: TiledType, axis: Axis, region: Region, machine: Machine) -> int:
    """The words of an end must come to the other end."""
    pes = _pes(region, axis)
    if pes == 1:
        return 0
    return _words(_real_elements(x), x.dtype) - 1 + flight_cycles(pes - 1, machine)


def _all_gather(
    x: TiledType, result: TiledType, axis: Axis, region: Region, machine: Machine
) -> int:
    """PE 0 takes in all but its own words; those must come to the other end."""
    pes = _pes(region, axis)
    own, whole = _real_elements(x), _real_elements(result)
    if pes == 1:
        return 0
    far = _words(own, x.dtype) - 1 + flight_cycles(pes - 1, machine)
    if whole == own:
        return far
    return max(far, _words(whole - own, x.dtype) - 1 + flight_cycles(1, machine))


def _multiply(op: collective.Multiply, result: TiledType, machine: Machine) -> Bounds:
    """Every PE with a part of the matrix multiplies all rows by it, and takes them in."""
    m, k, n = op.letters()
    rows = _tiled(op.rows).shape[op.rows_dims.index(m)]
    matrix = dict(zip(op.matrix_dims, _real_shape(_tiled(op.matrix)), strict=True))
    products = DSD_OPS["@fmachs" if op.wide else _PRODUCTS[result.dtype]]
    arithmetic = _ceil(rows * matrix[k] * matrix[n], products.elements_per_cycle(machine))
    return Bounds(arithmetic, bisection=_words(rows * matrix[k], _tiled(op.rows).dtype))


def _pes(region: Region, axis: Axis) -> int:
    return region.width if axis == "x" else region.height


def _real_shape(given: TiledType) -> tuple[int, ...]:
    """Extents of the first PE's tile without padding."""
    return tuple(map(_real, given.shape, given.layout.splits))


def _real(extent: int, split: Split | None) -> int:
    return extent if split is None else min(extent, split.block)


def _real_elements(given: TiledType) -> int:
    return math.prod(_real_shape(given))


def _halves(given: TiledType) -> int:
    """Words of 16 bits of the first PE's tile without padding."""
    size = 2 if given.dtype is DType.BOOL else given.dtype.size_bytes  # bool is held as a float
    return _ceil(_real_elements(given) * size, 2)


def _words(elements: int, dtype: DType) -> int:
    return _ceil(elements * dtype.size_bytes, 4)


def _tiled(value: Value) -> TiledType:
    assert isinstance(value.type, TiledType)
    return value.type


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
