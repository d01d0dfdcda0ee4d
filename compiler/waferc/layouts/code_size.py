"""How much code an operation of a tiled program takes in every PE of its region.

One function per operation. The bytes are those that emission reckons (40 per DSD operation with
its descriptors, 12 per scalar or descriptor statement, 16 per loop or branch, 24 per function);
a collective has a branch for each role of a PE in its line. No vendor figure is published, so
these are assumptions (confidence A).
"""

from __future__ import annotations

from waferc.layouts.vector_functions import VectorFunction
from waferc_ir.ops import collective, stream, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op

BASE_BYTES = 2_048  # host command loop, entry point, queues
STACK_BYTES = 512
ALL_REDUCE_BYTES = 296
ALL_GATHER_BYTES = 432
MULTIPLY_BYTES = 900
SHARD_BYTES = 92
_TRANSFER_BYTES = 300
_LOOP_BYTES = 184
_MAP_BYTES = 80
_VECTOR_BYTES = 68
_STEP_BYTES = 12  # operands are in registers


def vector_function_bytes(function: VectorFunction) -> int:
    """Bytes of code of a function on vectors, which operations share."""
    return 24 + 12 * len(function.registers()) + _STEP_BYTES * len(function.steps)


def code_bytes(op: Op) -> int:
    """Bytes of code of an operation."""
    match op:
        case (
            tile_structure.Input()
            | tile_structure.State()
            | tile_structure.Output()
            | tile_move.Reshape()
        ):
            return 0
        case collective.AllReduce():
            return ALL_REDUCE_BYTES
        case collective.AllGather():
            return ALL_GATHER_BYTES
        case collective.Multiply():
            return MULTIPLY_BYTES
        case stream.Transfer():
            return _TRANSFER_BYTES
        case tile_move.Shard():
            return SHARD_BYTES
        case tile_structure.Store():
            return _VECTOR_BYTES
        case (
            tile_compute.Contract()
            | tile_compute.Conv2d()
            | tile_compute.Pool2d()
            | tile_compute.Reduce()
            | tile_compute.GatherRows()
            | tile_compute.CausalMask()
            | tile_compute.MaskPadding()
        ):
            return _LOOP_BYTES
        case tile_compute.Unary():
            return _MAP_BYTES
        case _:
            return _VECTOR_BYTES
