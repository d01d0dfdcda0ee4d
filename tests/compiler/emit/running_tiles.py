"""Small tiled programs on an engine, against what they mean."""

from __future__ import annotations

import numpy as np
from tests.compiler.emit.strategies_tiles import Case

from waferc.emit.emit import emit
from waferc.evaluate.tiled import evaluate
from waferc.unit import Unit
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.session import Session


def session_of(unit: Unit, engine: str) -> Session:
    """A program without weights, emitted and loaded."""
    emitted = emit(unit)
    return Session(make_bundle(emitted.manifest, emitted.sources, {}), engine)


def assert_means(case: Case, unit: Unit, engine: str) -> None:
    """What the engine computes is bit by bit what the program means."""
    outputs = session_of(unit, engine).run(case.inputs)
    for label, expected in evaluate(unit.program, case.inputs, {}).items():
        np.testing.assert_array_equal(outputs[label], expected, err_msg=label)
