"""Selection: by the bits of f16 elements where that takes fewer cycles, else one by one.

With m all ones where the condition does not hold and zero where it does,
`lhs ^ ((lhs ^ rhs) & m)` is `rhs` there and `lhs` here, bit for bit: infinities too.
"""

from __future__ import annotations

from waferc.analysis.scratch import selects_bits
from waferc.emit.cost import cycles
from waferc.emit.kernels.context import KernelContext, Tile, immediate, mapped, operation
from waferc.emit.kernels.elementwise import broadcast
from waferc.emit.pe_program import Affine, Array, Statement
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import tile_compute

_SIGN_BIT = 15


def select(op: tile_compute.Select, result: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """`lhs` where the condition is not zero, else `rhs`."""
    condition, lhs, rhs = (context.tile(value) for value in (op.condition, op.lhs, op.rhs))
    if selects_bits(op, context.machine) and lhs.array != rhs.array:
        plans = [
            _by_bits(condition, lhs, rhs, result, context.scratch[result.element], start)
            for start in (0, 4)
        ]
        return min(plans, key=lambda plan: cycles(plan, context.machine))
    if result.element == condition.element:
        function = context.float_function("select", result.element)
    else:
        function = context.functions.integer_function("select", result.element, condition.element)
    views = [
        View("out", result.array, row_major(result.shape)),
        broadcast("condition", condition, result),
        broadcast("lhs", lhs, result),
        broadcast("rhs", rhs, result),
    ]
    return nest(result.shape, views, lambda o: mapped(function, o[0], *o[1:]))


def _by_bits(
    condition: Tile, lhs: Tile, rhs: Tile, result: Tile, scratch: Array, start: int
) -> tuple[Statement, ...]:
    """The selection of f16 elements, with the bits of the condition in scratch memory at `start`.

    The result may lie in the array of one of the operands: that one is read first.
    """
    count = (condition.elements,)
    mask = View("mask", scratch, (1,), Affine(start))
    held = View("condition", condition.array, (1,))
    ones, place = immediate(-1, "i16"), immediate(_SIGN_BIT, "i16")
    statements: list[Statement] = []
    if condition.element == "f32":
        statements += nest(count, [mask, held], lambda o: operation("fs2h", *o))
        held = mask
    # 0 - 1 has the sign bit, the bits of 1.0 less 1 have not; the shift copies it to all others
    statements += nest(count, [mask, held, ones], lambda o: operation("add16", *o))
    statements += nest(count, [mask, mask, place], lambda o: operation("sar16", *o))
    kept, other = lhs, rhs
    if result.array == lhs.array:
        kept, other = rhs, lhs
        statements += nest(count, [mask, mask, ones], lambda o: operation("xor16", *o))
    out = View("out", result.array, row_major(result.shape))
    where = broadcast("mask", Tile(scratch, condition.shape, condition.type), result)
    where = where.moved(Affine(start))
    kept_view, other_view = broadcast("kept", kept, result), broadcast("other", other, result)
    for name, one, two in (
        ("xor16", other_view, kept_view), ("and16", out, where), ("xor16", out, kept_view),
    ):  # fmt: skip
        statements += nest(result.shape, [out, one, two], lambda o, name=name: operation(name, *o))
    return tuple(statements)
