"""Both engines on programs with FIFOs: the same memory, the same cycles, the same verdict."""

from __future__ import annotations

from hypothesis import given
from tests.runtime.agreement.samples import SLOW, Sample, assert_alike
from tests.runtime.agreement.strategies_fifos import fifo_programs


@SLOW
@given(fifo_programs())
def test_fifos_run_alike(sample: Sample) -> None:
    assert_alike(sample)
