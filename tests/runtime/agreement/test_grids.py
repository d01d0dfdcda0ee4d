"""Both engines on grids with several colors: the same words, the same cycles, the same verdict."""

from __future__ import annotations

from hypothesis import given
from tests.runtime.agreement.samples import SLOW, Sample, assert_alike
from tests.runtime.agreement.strategies_grids import grid_programs


@SLOW
@given(grid_programs())
def test_messages_on_grids_run_alike(sample: Sample) -> None:
    assert_alike(sample)
