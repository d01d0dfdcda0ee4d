"""Both engines on dynamic colors: the same words in the same order, the same cycles and verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from tests.runtime.agreement.strategies_routers import ARRAYS, Routed, routed_programs

from waferc_ir.machine import MACHINES
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine


@dataclass(frozen=True, eq=False)
class Outcome:
    """What PEs wrote down, cycles, words over links, and the headline of an error."""

    memory: list[NDArray[np.generic]]
    cycles: int
    load: NDArray[np.int64]
    error: str | None


def run(engine: ReferenceEngine | VectorEngine, drawn: Routed) -> Outcome:
    error: str | None = None
    try:
        engine.launch("main")
    except RunError as caught:
        error = str(caught)
    width = drawn.program.width
    memory = [engine.read(name, 0, 0, width, 1, count) for name, count in ARRAYS.items()]
    found = engine.statistics()
    return Outcome(memory, found.cycles, found.link_load, error)


def assert_agreement(drawn: Routed) -> None:
    machine = MACHINES[drawn.program.arch]
    expected = run(ReferenceEngine(drawn.program, machine), drawn)
    found = run(VectorEngine(drawn.program, machine), drawn)
    assert (expected.error is None) == (found.error is None), (expected.error, found.error)
    if expected.error is not None and "at rest" not in expected.error:
        assert found.error is not None
        assert "at rest" not in found.error
        return
    for before, after in zip(expected.memory, found.memory, strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(expected.load, found.load)
    assert abs(expected.cycles - found.cycles) <= expected.cycles // 50


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(routed_programs())
def test_dynamic_colors_run_alike(drawn: Routed) -> None:
    assert_agreement(drawn)
