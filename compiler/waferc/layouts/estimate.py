"""What the cost model says of a tiled program, and of its statements one by one.

The search prices strategies, which may become several statements: an operation, the collectives
that end its partial results, relayouts of its operands. These are the same formulas, for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from waferc.analysis.joined import joined
from waferc.layouts.contraction import contract_cycles
from waferc.layouts.cost import CostModel
from waferc.layouts.multiplication import multiply_cycles
from waferc_ir.entries import entries, own
from waferc_ir.machine import Machine
from waferc_ir.ops import collective, stream, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import TiledType


def program_cycles(program: Program, machine: Machine) -> dict[str, int]:
    """Cycles of a call of each entry of a tiled program: all operations, one after the other.

    What regions do at the same time is not taken off: a call waits for each of them.
    """
    found = region_cycles(program, machine)
    return {label: sum(regions.values()) for label, regions in found.items()}


def region_cycles(program: Program, machine: Machine) -> dict[str, dict[str, int]]:
    """Cycles of a call of each entry of a tiled program, by region.

    A region that receives a stream is charged for sending it too.
    """
    costs = {
        region.name: CostModel(
            machine, region.width, region.height, (region.line("x"), region.line("y"))
        )
        for region in program.regions
    }
    found: dict[str, dict[str, int]] = {}
    for entry in entries(program):
        regions = found[entry.label] = dict.fromkeys(costs, 0)
        for together in joined(own(program, entry)):
            region = _region(together[0])
            if region is not None:
                regions[region] += _cycles(together, costs[region])
    return found


def _region(statement: Statement) -> str | None:
    """The region that an operation takes time in: a stream's is where it ends."""
    if isinstance(statement.op, tile_structure.Store):
        return _tiled(statement.op.x).region
    return None if statement.result is None else _tiled(statement.result).region


def _cycles(together: Sequence[Statement], cost: CostModel) -> int:
    op, value = together[0].op, together[0].result
    if value is None:
        return estimate(op, None, cost) or 0
    if len(together) > 1:
        return sums_estimate(together, cost)
    result = _tiled(value)
    sending = cost.send(result.local_elements) if isinstance(op, stream.Transfer) else 0
    return sending + (estimate(op, result, cost) or 0)


def sums_estimate(together: Iterable[Statement], cost: CostModel) -> int:
    """Cycles of all_reduces that go along a line together."""
    ops = [s.op for s in together if isinstance(s.op, collective.AllReduce)]
    tiles = [_tiled(op.x) for op in ops]
    return cost.all_reduces([(x.local_elements, x.dtype) for x in tiles], ops[0].axis)


def estimate(op: Op, result: TiledType | None, cost: CostModel) -> int | None:
    """Cycles of an operation in the region of `cost`; of a stream, of receiving it.

    None if the cost model does not know the operation.
    """
    if isinstance(op, tile_structure.Store):
        x = _tiled(op.x)
        return cost.copied(x.local_elements, x.dtype)
    if result is None:
        return None
    elements, dtype = result.local_elements, result.dtype
    match op:
        case tile_compute.Unary(fn=fn):
            return cost.elementwise(fn, elements, dtype, 1)
        case tile_compute.Binary(fn=fn):
            return cost.elementwise(fn, elements, dtype, 2)
        case tile_compute.BinaryScalar(fn=fn):
            is_division = fn == "div" and not op.reverse  # by a constant: a multiplication
            return cost.elementwise("mul" if is_division else fn, elements, dtype, 1)
        case tile_compute.Select():
            return cost.select(elements, _tiled(op.condition).local_elements, dtype)
        case tile_compute.Cast():
            return cost.cast(elements, _tiled(op.x).dtype, dtype)
        case tile_compute.CausalMask():
            *batch, rows, columns = result.local_shape
            return cost.causal_mask(rows, math.prod(batch), columns, dtype)
        case tile_compute.Contract():
            local = {
                letter: extent
                for dims, operand in ((op.lhs_dims, op.lhs), (op.rhs_dims, op.rhs))
                for letter, extent in zip(dims, _tiled(operand).local_shape, strict=True)
            }
            return contract_cycles(op, local, _tiled(op.lhs).dtype, cost)
        case tile_compute.Reduce():
            window = _tiled(op.x).local_elements // max(1, elements)
            return cost.folded(window, elements, dtype, is_sum=op.fn == "sum")
        case tile_compute.GatherRows():
            *rows, columns = result.local_shape
            return cost.rows(math.prod(rows), columns, dtype)
        case tile_compute.Conv2d():
            taps = math.prod(_tiled(op.weight).local_shape[1:])
            images, channels, *plane = result.local_shape
            return cost.convolved(taps, channels, images * math.prod(plane), dtype)
        case tile_compute.Pool2d():
            folded = cost.folded(math.prod(op.kernel), elements, dtype, is_sum=op.fn != "max")
            scaled = 0 if op.fn == "max" else cost.vector(elements, dtype, "multiply", 1)
            return folded + scaled
        case collective.AllReduce(axis=axis):
            return cost.all_reduce(elements, axis, dtype)
        case collective.AllGather(axis=axis):
            return cost.all_gather(elements, _tiled(op.x).blocks(axis), axis, dtype)
        case collective.Multiply():
            return multiply_cycles(op, cost)
        case stream.Transfer():
            return cost.transfer(elements, down=result.layout.split_of("y") is None)
        case (
            tile_move.Permute() | tile_move.Slice() | tile_move.Concat() | tile_move.Expand()
            | tile_move.Shard()
        ):  # fmt: skip
            return cost.copied(elements, dtype)
        case tile_move.Pad():
            return cost.filled(elements, dtype) + cost.copied(_tiled(op.x).local_elements, dtype)
        case tile_structure.Fill():
            return cost.filled(elements, dtype)
        case tile_compute.MaskPadding():
            splits = [split for split in result.layout.splits if split is not None]
            pes = [cost.width if split.axis == "x" else cost.height for split in splits]
            share = 1 - math.prod(result.shape) / max(1, elements * math.prod(pes))
            return cost.padding_mask(elements, share, max(pes, default=1), dtype)
        case tile_move.Reshape():
            return 0
        case _:
            return None


def _tiled(value: Value) -> TiledType:
    assert isinstance(value.type, TiledType)
    return value.type
