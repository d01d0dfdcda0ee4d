"""Two-dimensional convolution: a multiply-accumulate nest with one weight as the scalar."""

from __future__ import annotations

from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels.context import KernelContext, Tile, fill
from waferc.emit.kernels.contract import Loop, Nest, multiply_accumulate
from waferc.emit.pe_program import Statement
from waferc.emit.views import View, row_major
from waferc_ir.ops import tile_compute


def conv2d(op: tile_compute.Conv2d, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """`[n, ci, h, w]` with `[co, ci/groups, kh, kw]`: images and their rows in one vector.

    Raises:
        EmitError: there is padding (the program must pad before), or elements are integers.
    """
    if any(op.padding):
        raise EmitError(
            "tile.conv2d with padding has no kernel", help="decompose writes padding as an own step"
        )
    x, weight = context.tile(op.x), context.tile(op.weight)
    if not x.is_float:
        raise EmitError(f"tile.conv2d has no kernel for {x.element} elements")
    images, channels, _, _ = x.shape
    out_channels, group_channels, kernel_height, kernel_width = weight.shape
    groups = 1 if op.groups == 1 else channels // group_channels
    group_out = out_channels // groups
    x_steps, w_steps = row_major(x.shape), row_major(weight.shape)
    out_steps = row_major(result.shape)
    extents = (images, *result.shape[2:])
    down, right = op.stride
    loops = [
        Loop("c", group_channels, 0, x_steps[1], w_steps[1]),
        Loop("h", kernel_height, 0, op.dilation[0] * x_steps[2], w_steps[2]),
        Loop("w", kernel_width, 0, op.dilation[1] * x_steps[3], w_steps[3]),
        Loop("g", groups, group_out * out_steps[1], group_channels * x_steps[1],
             group_out * w_steps[0]),
        Loop("m", group_out, out_steps[1], 0, w_steps[0]),
    ]  # fmt: skip
    kept = [loop for loop in loops if loop.extent != 1]
    nest = Nest(
        out=View("map", result.array, (out_steps[0], *out_steps[2:])),
        vector=View("image", x.array, (x_steps[0], down * x_steps[2], right * x_steps[3])),
        extents=extents,
        scalar=weight,
        scalar_offset=0,
        loops=tuple(kept),
    )
    if result.elements == 0:
        return ()
    return (*fill(result, 0.0), *multiply_accumulate(nest))
