"""Strategies for placements of small tensors on small regions."""

from __future__ import annotations

from hypothesis import strategies as st

from waferc_ir.dtypes import DType
from waferc_runtime.host.placement import Placement, Rectangle, Split


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    """A tensor of up to four dimensions, split along none, one or both axes, padding included."""
    shape = tuple(draw(st.lists(st.integers(1, 7), max_size=4)))
    region = Rectangle(
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    splits: list[Split | None] = [None] * len(shape)
    free = list(range(len(shape)))
    for axis in ("x", "y"):
        if free and draw(st.booleans()):
            dim = free.pop(draw(st.integers(0, len(free) - 1)))
            fewest = -(-shape[dim] // region.extent(axis))
            splits[dim] = Split(axis, fewest + draw(st.integers(0, 2)))
    dtype = draw(st.sampled_from([DType.F32, DType.F16, DType.I32]))
    return Placement("t", "t", shape, dtype, region, tuple(splits))
