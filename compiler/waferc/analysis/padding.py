"""What the padding lanes of tiled values hold, and what operations need them to hold.

A padding lane is a place in a tile that lies beyond the tensor's extent. Host-written tiles have
zeros there; elementwise operations compute padding like the rest. A contraction, a sum, a maximum
over a padded dimension must not see it, so that its lanes must be neutral there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, stream, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.types import Region, TiledType

_ZERO_AT_ZERO = frozenset(
    {
        "neg", "abs", "sqrt", "tanh", "relu", "gelu", "gelu_tanh", "silu", "erf", "sin", "floor",
        "ceil", "sign",
    }
)  # fmt: skip
_LOWEST = {DType.I32: -(2.0**31), DType.I16: -(2.0**15)}
_HIGHEST = {DType.I32: 2.0**31 - 1, DType.I16: 2.0**15 - 1}


def padded_dims(given: TiledType, regions: Mapping[str, Region]) -> frozenset[int]:
    """Dimensions whose blocks reach beyond the extent on some PE."""
    region = regions[given.region]
    return frozenset(
        dim
        for dim, (extent, split) in enumerate(zip(given.shape, given.layout.splits, strict=True))
        if split is not None and split.block * region.extent(split.axis) != extent
    )


class Padding:
    """The content of padding lanes, statement by statement.

    A value is known if all its padding lanes hold one number, which is zero or infinite or was
    put there on purpose; where it has no padding, zero stands for that.
    """

    def __init__(self, regions: Mapping[str, Region]) -> None:
        self.regions = regions
        self.known: dict[Value, float] = {}

    @staticmethod
    def of(program: Program) -> Padding:
        """The padding of all values of a tiled program."""
        padding = Padding({region.name: region for region in program.regions})
        for statement in program.statements:
            if statement.result is not None:
                padding.add(statement.op, statement.result)
        return padding

    def add(self, op: Op, result: Value) -> None:
        """Enter the result of the next operation."""
        if not padded_dims(tiled(result), self.regions):
            self.known[result] = 0.0
            return
        found = self._result(op, tiled(result))
        if found is not None:
            self.known[result] = found

    def needs(self, op: Op) -> dict[Value, float]:
        """What the padding of operands must hold, where it is not known to hold that already."""
        return {
            value: wanted
            for value, wanted in self._wanted(op).items()
            if self.known.get(value) != wanted
        }

    def _wanted(self, op: Op) -> dict[Value, float]:
        match op:
            case tile_compute.Contract():
                summed = set(op.lhs_dims) - set(op.out_dims)
                return {
                    value: 0.0
                    for value, letters in ((op.lhs, op.lhs_dims), (op.rhs, op.rhs_dims))
                    if self._pads(value, [letters.index(c) for c in summed if c in letters])
                }
            case collective.Multiply():
                _, k, _ = op.letters()
                return {
                    value: 0.0
                    for value, letters in ((op.rows, op.rows_dims), (op.matrix, op.matrix_dims))
                    if self._pads(value, [letters.index(k)])
                }
            case tile_compute.Conv2d():
                return {v: 0.0 for v in (op.x, op.weight) if self._pads(v, [1])}
            case tile_compute.Reduce() if self._pads(op.x, op.dims):
                return {op.x: neutral(op.fn, tiled(op.x).dtype)}
            case tile_compute.GatherRows() if padded_dims(tiled(op.ids), self.regions):
                return {op.ids: 0.0}  # a row that exists
            case tile_structure.Store() if padded_dims(tiled(op.x), self.regions):
                return {op.x: 0.0}  # so that the state's is zero at the next call
            case _:
                return {}

    def _pads(self, value: Value, dims: Sequence[int]) -> bool:
        return not padded_dims(tiled(value), self.regions).isdisjoint(dims)

    def _result(self, op: Op, result: TiledType) -> float | None:
        match op:
            case tile_structure.Input() | tile_structure.State():
                return 0.0
            case tile_structure.Fill() | tile_compute.MaskPadding():
                return op.value
            case tile_compute.Unary():
                zero = op.fn in _ZERO_AT_ZERO and self.known.get(op.x) == 0.0
                return 0.0 if zero else None
            case tile_compute.Binary():
                return _combined(op.fn, self._seen(op.lhs, result), self._seen(op.rhs, result))
            case tile_compute.BinaryScalar():
                x = self.known.get(op.x)
                pair = (op.value, x) if op.reverse else (x, op.value)
                return _combined(op.fn, *pair)
            case tile_compute.Select():
                lhs, rhs = self._seen(op.lhs, result), self._seen(op.rhs, result)
                return lhs if lhs == rhs else None
            case tile_compute.Cast():
                return 0.0 if self.known.get(op.x) == 0.0 else None
            case tile_compute.Reduce():
                x = self.known.get(op.x)
                return x if op.fn != "sum" or x == 0.0 else None
            case tile_compute.GatherRows():
                # a padded id reads row 0, so only padding of the table's columns stays known
                rows = padded_dims(tiled(op.ids), self.regions)
                return None if rows else self.known.get(op.table)
            case tile_compute.Pool2d():
                x = self.known.get(op.x)
                return x if op.fn == "max" or x == 0.0 else None
            case tile_move.Concat():
                known = {self.known.get(part) for part in op.parts}
                return known.pop() if len(known) == 1 else None
            case tile_move.Pad():
                x = self.known.get(op.x)
                return x if x == op.value else None
            case tile_move.Shard():
                return 0.0 if self.known.get(op.x) == 0.0 else None
            case tile_move.Reshape() | tile_move.Permute() | tile_move.Slice() | tile_move.Expand():
                return self.known.get(op.x)
            case collective.AllGather() | collective.AllReduce() | stream.Transfer():
                return self.known.get(op.x)
            case _:
                # contractions and convolutions multiply a zero lane with data, maybe infinite
                return None

    def _seen(self, operand: Value, result: TiledType) -> float | None:
        """What an operand of an elementwise operation gives to the padding lanes of the result."""
        given = tiled(operand)
        front = result.rank - given.rank
        covered = frozenset(front + dim for dim in padded_dims(given, self.regions))
        if covered != padded_dims(result, self.regions):
            return None  # it is stretched along a padded dimension: its data reach the padding
        return self.known.get(operand)


def neutral(fn: str, dtype: DType) -> float:
    """The number that a reduction by `fn` does not notice."""
    match fn:
        case "sum":
            return 0.0
        case "max":
            return _LOWEST.get(dtype, -math.inf)
        case "min":
            return _HIGHEST.get(dtype, math.inf)
        case _:
            raise ValueError(fn)


def tiled(value: Value) -> TiledType:
    """Type of a value of a tiled program."""
    assert isinstance(value.type, TiledType)
    return value.type


def _combined(fn: str, lhs: float | None, rhs: float | None) -> float | None:
    if lhs is None or rhs is None:
        return None
    match fn:
        case "add":
            result = lhs + rhs
        case "sub":
            result = lhs - rhs
        case "mul":
            result = lhs * rhs
        case "max" | "min":
            if math.isnan(lhs) or math.isnan(rhs):
                return None
            result = max(lhs, rhs) if fn == "max" else min(lhs, rhs)
        case "div" if rhs not in (0.0, math.inf, -math.inf):
            result = lhs / rhs
        case _:
            return None
    # other results would be rounded to the element type, which this does not follow
    return result if result in (0.0, math.inf, -math.inf) else None
