"""Both engines: the same memory, the same cycles, the same verdict."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from tests.runtime.agreement.strategies_core import ARRAYS, ELEMENTS, Drawn, programs

from waferc_ir.machine import MACHINES
from waferc_runtime.check import check_program
from waferc_runtime.reference import ReferenceEngine

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def run_reference(drawn: Drawn) -> tuple[ReferenceEngine, NDArray[np.generic]]:
    program = drawn.program
    engine = ReferenceEngine(program, MACHINES[program.arch])
    for name, array in zip(ARRAYS, drawn.values, strict=True):
        engine.write(name, 0, 0, array)
    engine.launch("main")
    size = program.width, program.height, ELEMENTS
    return engine, np.stack([engine.read(name, 0, 0, *size) for name in ARRAYS])


@SLOW
@given(programs())
def test_the_reference_runs_what_the_checker_accepts(
    drawn: Drawn,
) -> None:
    program = drawn.program
    assert [str(problem) for problem in check_program(program, MACHINES[program.arch])] == []
    run_reference(drawn)
