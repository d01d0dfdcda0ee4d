"""Both engines on programs with `@map`: the same memory, the same cycles, the same verdict."""

from __future__ import annotations

from hypothesis import given
from tests.runtime.agreement.samples import SLOW, Sample, assert_alike
from tests.runtime.agreement.strategies_maps import map_programs


@SLOW
@given(map_programs())
def test_maps_run_alike(sample: Sample) -> None:
    assert_alike(sample)
