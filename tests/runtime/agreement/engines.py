"""Running a drawn program on an engine, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.runtime.agreement.strategies_core import ARRAYS, ELEMENTS, Drawn

from waferc_ir.machine import MACHINES
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.statistics import Statistics
from waferc_runtime.vector import VectorEngine


@dataclass(frozen=True, eq=False)
class Outcome:
    """Memory [array, y, x, element] and statistics of a run, or the error it ended with."""

    memory: NDArray[np.generic]
    statistics: Statistics
    error: RunError | None
    contended: int = 0
    multicast_wait: int = 0
    words_left: int = 0


def on_reference(drawn: Drawn, launches: int = 1) -> Outcome:
    engine = ReferenceEngine(drawn.program, MACHINES[drawn.program.arch])
    memory, error = _run(engine, drawn, launches)
    traffic = engine.traffic
    return Outcome(
        memory,
        engine.statistics(),
        error,
        traffic.contended,
        traffic.multicast_wait,
        engine.words_under_way,
    )


def on_vector(drawn: Drawn, launches: int = 1) -> Outcome:
    engine = VectorEngine(drawn.program, MACHINES[drawn.program.arch])
    memory, error = _run(engine, drawn, launches)
    return Outcome(memory, engine.statistics(), error)


def _run(
    engine: ReferenceEngine | VectorEngine, drawn: Drawn, launches: int
) -> tuple[NDArray[np.generic], RunError | None]:
    for name, array in zip(ARRAYS, drawn.values, strict=True):
        engine.write(name, 0, 0, array)
    error: RunError | None = None
    try:
        for _ in range(launches):
            engine.launch("main")
    except RunError as caught:
        error = caught
    size = drawn.program.width, drawn.program.height, ELEMENTS
    return np.stack([engine.read(name, 0, 0, *size) for name in ARRAYS]), error
