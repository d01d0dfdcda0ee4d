"""Memory that an operation needs while it is at work, beside its operands and its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from waferc.layouts.contraction import contract_block
from waferc.layouts.cost import CostModel
from waferc.layouts.products import product_elements
from waferc.layouts.vector_functions import VectorFunction, vector_parts
from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.ops import tile_compute
from waferc_ir.ops.declare import Op
from waferc_ir.program import Statement, Value
from waferc_ir.types import TiledType

_BANKS_APART = 4  # words by which a vector may be moved so that it meets others in other banks


def scratch_elements(op: Op, machine: Machine) -> int:
    """Elements of the result's type that the kernel of an operation needs besides."""
    match op:
        case tile_compute.Contract():
            block = products_of(op, machine)
            extents = zip(op.lhs_dims, _tiled(op.lhs).local_shape, strict=True)
            sums = any(extent > 1 for letter, extent in extents if letter not in op.out_dims)
            if block is None or not sums:
                return 0
            return product_elements(op.out_dims, block, _tiled(op.lhs).dtype)
        case tile_compute.Unary(fn=fn, x=x):
            parts = vector_parts(fn, _tiled(x).local_elements) if has_vectors(op, machine) else ()
            return max((function.scratch_elements for function, _ in parts), default=0)
        case tile_compute.Select():
            is_needed = selects_bits(op, machine)
            return _tiled(op.condition).local_elements + _BANKS_APART if is_needed else 0
        case _:
            return 0


def selects_bits(op: tile_compute.Select, machine: Machine) -> bool:
    """Whether a selection is done by the bits of the elements."""
    result, condition = op.result_type(), _tiled(op.condition)
    cost = CostModel(machine, 1, 1)
    return cost.selects_bits(result.local_elements, condition.local_elements, result.dtype)


def has_vectors(op: tile_compute.Unary, machine: Machine) -> bool:
    """Whether a function of a tile is done by operations on vectors."""
    x = _tiled(op.x)
    return CostModel(machine, 1, 1).has_vectors(op.fn, x.local_elements, x.dtype)


def region_vector_functions(
    statements: Iterable[Statement], region: str, machine: Machine
) -> set[VectorFunction]:
    """The functions on vectors that the operations of a region share."""
    return {
        function
        for statement in statements
        if isinstance(statement.op, tile_compute.Unary)
        and _tiled(statement.op.x).region == region
        and has_vectors(statement.op, machine)
        for function, _ in vector_parts(statement.op.fn, _tiled(statement.op.x).local_elements)
    }


def products_of(op: tile_compute.Contract, machine: Machine) -> Mapping[str, int] | None:
    """The block of products of a contraction of tiles that is done by products."""
    local = {
        letter: extent
        for dims, operand in ((op.lhs_dims, op.lhs), (op.rhs_dims, op.rhs))
        for letter, extent in zip(dims, _tiled(operand).local_shape, strict=True)
    }
    return contract_block(op, local, _tiled(op.lhs).dtype, CostModel(machine, 1, 1))


def region_scratch(
    statements: Iterable[Statement], region: str, machine: Machine
) -> dict[DType, int]:
    """Elements of scratch memory, by their type, that serve all operations of a region in turn."""
    found: dict[DType, int] = {}
    for statement in statements:
        given = None if statement.result is None else statement.result.type
        if isinstance(given, TiledType) and given.region == region:
            elements = scratch_elements(statement.op, machine)
            if elements:
                found[given.dtype] = max(found.get(given.dtype, 0), elements)
    return found


def _tiled(value: Value) -> TiledType:
    assert isinstance(value.type, TiledType)
    return value.type
