"""A drawn program on both engines: memory, cycles, words over links and the verdict compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from tests.runtime.agreement.describe import describe

from waferc_ir.machine import MACHINES
from waferc_runtime.csl import core
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Sample:
    """A program that exports `main` and arrays; `arrays` says how many elements each has."""

    def __init__(self, program: core.Elaborated, arrays: Mapping[str, int]) -> None:
        self.program = program
        self.arrays = arrays

    def __repr__(self) -> str:
        return describe(self.program)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run came to. `late` are cycles that words waited for each other on links."""

    memory: Mapping[str, NDArray[np.generic]]  # [y, x, n]
    cycles: int
    busy: NDArray[np.int64]  # [y, x]
    load: NDArray[np.int64]
    error: str | None
    late: int = 0


def outcomes(sample: Sample) -> tuple[Outcome, Outcome]:
    """What the reference engine says, and the vector engine."""
    machine = MACHINES[sample.program.arch]
    reference = ReferenceEngine(sample.program, machine)
    expected = _run(reference, sample)
    late = reference.traffic.contended + reference.traffic.multicast_wait
    found = _run(VectorEngine(sample.program, machine), sample)
    return Outcome(
        expected.memory, expected.cycles, expected.busy, expected.load, expected.error, late
    ), found


def _run(engine: ReferenceEngine | VectorEngine, sample: Sample) -> Outcome:
    error: str | None = None
    try:
        engine.launch("main")
    except RunError as caught:
        error = caught.message
    size = sample.program.width, sample.program.height
    memory = {name: engine.read(name, 0, 0, *size, n) for name, n in sample.arrays.items()}
    found = engine.statistics()
    return Outcome(memory, found.cycles, found.busy_cycles, found.link_load, error)


def assert_alike(sample: Sample) -> None:
    """The same verdict and memory, and the same cycles but for words that met on the way."""
    expected, found = outcomes(sample)
    if _kind(expected.error) == "at rest" and _forks(sample.program):
        return  # the vector engine lets words for several PEs go on to those who take them
    assert _kind(expected.error) == _kind(found.error), (expected.error, found.error)
    if _kind(expected.error) == "misuse":
        return
    for name, array in expected.memory.items():
        np.testing.assert_array_equal(array, found.memory[name], err_msg=name)
    if expected.error is None:
        np.testing.assert_array_equal(expected.busy, found.busy)
        assert abs(expected.cycles - found.cycles) <= expected.late, (
            expected.cycles,
            found.cycles,
        )


def _forks(program: core.Elaborated) -> bool:
    """Whether some router sends words to several directions."""
    masks = [int(mask) for routes in program.routes.values() for mask in np.unique(routes.tx)]
    return any(mask & (mask - 1) for mask in masks)


def _kind(error: str | None) -> str | None:
    """None without an error; whether PEs still wait at rest, or did what they may not do."""
    return None if error is None else "at rest" if "at rest" in error else "misuse"
