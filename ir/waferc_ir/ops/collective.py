"""Communication of all PEs of a region along one of its axes."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis


class AllReduce(Op, name="collective.all_reduce"):
    """Every PE of a line along `axis` gets the reduction (sum, max or min) of the line's tiles.

    The operand is partial along `axis` with that function; the result is not. The order of the
    additions is from PE 0 upward.
    """

    x: Value
    axis: Axis


class AllGather(Op, name="collective.all_gather"):
    """Every PE of a line along `axis` gets the whole dimension `dim` that was split along it."""

    x: Value
    axis: Axis
