"""Communication of all PEs of a region along one of its axes."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.ops.layouts import maybe_partial, result, tiled
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, TiledType


class AllReduce(Op, name="collective.all_reduce"):
    """Every PE of a line along `axis` gets the reduction (sum, max or min) of the line's tiles.

    The operand is partial along `axis` with that function; the result is not. The order of the
    additions is from PE 0 upward.
    """

    x: Value
    axis: Axis

    def result_type(self) -> TiledType:
        x = maybe_partial(self, self.x, "x")
        rest = tuple(partial for partial in x.layout.partial if partial.axis != self.axis)
        self.require(
            len(rest) < len(x.layout.partial), f"x is not partial along {self.axis}: {x.layout}"
        )
        return result(self, x.shape, x, Layout(x.layout.splits, rest))


class AllGather(Op, name="collective.all_gather"):
    """Every PE of a line along `axis` gets the whole dimension that was split along it.

    The padding beyond the extent is dropped.
    """

    x: Value
    axis: Axis

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        found = x.layout.split_of(self.axis)
        if found is None:
            self.refuse(f"axis {self.axis} splits no dimension of x: {x.layout}")
        splits = tuple(None if dim == found[0] else s for dim, s in enumerate(x.layout.splits))
        return result(self, x.shape, x, Layout(splits))
