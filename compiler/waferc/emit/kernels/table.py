"""Which kernel does which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waferc.emit.cost import cycles as reckon
from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels import (
    collective,
    contract,
    elementwise,
    move,
    multiply,
    position,
    reduce,
    select,
    window,
)
from waferc.emit.kernels.context import KernelContext, Tile
from waferc.emit.pe_program import Statement
from waferc_ir.ops import OPS, Op

Kernel = Callable[[Any, Tile, KernelContext], tuple[Statement, ...]]

# Operations that only name a buffer, have no result or belong to two regions are not here:
# tile.input, tile.state, tile.store, tile.output, stream.transfer.
KERNELS: dict[str, Kernel] = {
    "tile.unary": elementwise.unary,
    "tile.binary": elementwise.binary,
    "tile.binary_scalar": elementwise.binary_scalar,
    "tile.select": select.select,
    "tile.cast": elementwise.cast,
    "tile.reduce": reduce.reduce,
    "tile.contract": contract.contract,
    "tile.causal_mask": position.causal_mask,
    "tile.mask_padding": move.mask_padding,
    "tile.gather_rows": position.gather_rows,
    "tile.conv2d": window.conv2d,
    "tile.pool2d": reduce.pool2d,
    "tile.reshape": move.reshape,
    "tile.permute": move.permute,
    "tile.slice": move.slice_,
    "tile.concat": move.concat,
    "tile.expand": move.expand,
    "tile.pad": move.pad,
    "tile.shard": move.shard,
    "tile.fill": move.fill_tile,
    "collective.all_reduce": collective.all_reduce,
    "collective.all_gather": collective.all_gather,
    "collective.multiply": multiply.multiply,
}
assert set(KERNELS) <= set(OPS)


def statements(op: Op, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """What a PE does for an operation whose result is the tile `result`.

    Raises:
        EmitError: there is no kernel for it.
    """
    kernel = KERNELS.get(op.name)
    if kernel is None:
        raise EmitError(f"{op.name} has no kernel", help="a pass must have replaced it before")
    return kernel(op, result, context)


def cycles(op: Op, result: Tile, context: KernelContext) -> int:
    """Cycles that an operation is reckoned to take one PE; waiting for the fabric is not in it."""
    return reckon(statements(op, result, context), context.machine)
