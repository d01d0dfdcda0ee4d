"""Emitted kernels on the virtual wafer give what the tiled program means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.compiler.emit.strategies_tiles import CASES, Case, cases

from waferc.emit.emit import emit
from waferc.evaluate.tiled import evaluate
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.session import Session

Array = NDArray[Any]

# Functions of <math> and products are rounded by other formulas than the evaluator's.
TOLERANCES = {DType.F32: 2e-6, DType.F16: 4e-3}


def run(unit: Unit, inputs: dict[str, Array], engine: str) -> dict[str, Array]:
    """Outputs of an emitted program on the virtual wafer."""
    emitted = emit(unit)
    made = make_bundle(emitted.manifest, emitted.sources, {})
    return Session(made, engine).run(inputs)


def check(case: Case, target: str, engine: str) -> None:
    unit = case.unit(target)
    expected = evaluate(unit.program, case.inputs, {})
    outputs = run(unit, case.inputs, engine)
    tolerance = TOLERANCES[case.dtype]
    assert set(outputs) == set(expected)
    for label, array in expected.items():
        np.testing.assert_allclose(
            outputs[label].astype(np.float64), array.astype(np.float64), tolerance, tolerance,
            err_msg=label,
        )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_kernel_computes_what_its_operation_means(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    check(case, data.draw(st.sampled_from(["wse2", "wse3"])), "vector")


@pytest.mark.parametrize("name", ["contract", "gathering", "reduce"])
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_reference_engine_agrees(name: str, data: st.DataObject) -> None:
    check(data.draw(cases(name)), "wse3", "reference")
