"""Streams: tensors that go from one region to another."""

from __future__ import annotations

from waferc_ir.ops.declare import Op
from waferc_ir.ops.layouts import tiled
from waferc_ir.program import Value
from waferc_ir.types import RegionName, TiledType


class Transfer(Op, name="stream.transfer"):
    """The tensor in another region, in the same layout.

    The layout splits nothing along x and is not partial. If it splits a dimension along y, both
    regions have the same height and row i of the source feeds row i of the target; otherwise row
    0 feeds row 0 and the target passes it down. In each row the easternmost PE of the source
    sends its tile over a route to the westernmost PE of the target, which passes it on eastward.
    """

    x: Value
    region: RegionName

    def result_type(self) -> TiledType:
        x = tiled(self, self.x, "x")
        self.require(x.region != self.region, f"x is in region @{self.region} already")
        along_x = x.layout.split_of("x")
        self.require(along_x is None, f"layout {x.layout} splits a dimension along x")
        return TiledType(x.shape, x.dtype, self.region, x.layout)
