"""Both engines on programs with DSRs: the same memory, the same cycles, the same verdict."""

from __future__ import annotations

from hypothesis import given
from tests.runtime.agreement.samples import SLOW, Sample, assert_alike
from tests.runtime.agreement.strategies_registers import register_programs


@SLOW
@given(register_programs())
def test_registers_run_alike(sample: Sample) -> None:
    assert_alike(sample)
