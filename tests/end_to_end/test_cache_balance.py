"""Caches fill up on all PEs alike, whatever the layout, and mean what they meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.end_to_end.test_state import Cached
from torch import Tensor, nn

import waferc
from waferc_ir.spread import spread_order
from waferc_runtime.host.placement import Placement

EXTENTS = st.integers(2, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(2, min(n, 32))))


@given(EXTENTS, st.data())
def test_any_first_positions_are_shared_by_all_blocks(
    drawn: tuple[int, int], data: st.DataObject
) -> None:
    extent, block = drawn
    order = spread_order(extent)
    assert sorted(order) == list(range(extent))
    count = data.draw(st.integers(1, extent))
    blocks = [order[start : start + block] for start in range(0, extent, block)]
    for held in blocks:
        written = sum(position < count for position in held)
        assert abs(written - count * len(held) / extent) < 3


def rows_written(compiled: waferc.Compiled, label: str, context: int) -> NDArray[Any]:
    """[height, width]: places of a cache that hold something, on each PE."""
    [placement] = [p for p in compiled.bundle.manifest.state if p.label == label]
    region = placement.region
    tiles = compiled.session.engine.read(
        placement.symbol, region.x, region.y, region.width, region.height,
        placement.local_elements,
    )  # fmt: skip
    places = placement.shape.index(context)
    whole = tiles.reshape(region.height, region.width, *placement.local_shape)
    others = tuple(dim for dim in range(2, whole.ndim) if dim != places + 2)
    return np.any(whole != 0, axis=others).sum(axis=-1)


def is_split_along_places(placement: Placement, context: int) -> bool:
    return placement.splits[placement.shape.index(context)] is not None


def test_no_pe_fills_first_while_decoding() -> None:
    torch.manual_seed(5)
    context = 16
    model = Cached(1, context, width=6, heads=1).eval()
    example = torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    compiled = waferc.compile(model, example, region=(4, 1))
    caches = [p for p in compiled.bundle.manifest.state if p.is_mutable]
    split = [p.label for p in caches if is_split_along_places(p, context)]
    assert split, "no cache lies along the PEs: the test shows nothing"
    for t in range(context // 2):
        compiled(np.asarray([[t]]), np.asarray([t]))
        for label in split:
            written = rows_written(compiled, label, context)
            assert written.sum() == t + 1
            assert written.max() - written.min() <= 1
    states = compiled.session.states()
    for label in ("keys", "values"):  # the host sees positions in their order
        assert states[label][0, 0, : context // 2].any(axis=-1).all()
        assert not states[label][0, 0, context // 2 :].any()


class Listed(nn.Module):
    """A cache whose places the caller sees, in their order."""

    rows: Tensor

    def __init__(self, context: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(context, 3))

    def forward(self, row: Tensor, position: Tensor) -> Tensor:
        self.rows.index_copy_(0, position, row)
        return 2 * self.rows


def test_a_cache_that_is_an_output_keeps_its_order() -> None:
    model = Listed(16).eval()
    example = torch.zeros(1, 3), torch.zeros(1, dtype=torch.long)
    compiled = waferc.compile(Listed(16).eval(), example, region=(4, 1))
    for position in (0, 1, 5, 15):
        args = torch.full((1, 3), 1.0 + position), torch.tensor([position])
        with torch.no_grad():
            assert torch.equal(compiled(*args), model(*args))
