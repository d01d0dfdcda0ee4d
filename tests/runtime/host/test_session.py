from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.runtime.host.programs import product_bundle

from waferc_runtime.host.session import InputError, Session

X = np.array([5, 6, 7], np.float32)


@pytest.mark.parametrize("engine", ["vector", "reference"])
@pytest.mark.parametrize("target", ["wse2", "wse3"])
def test_a_call_gives_what_the_program_computes(engine: str, target: str) -> None:
    session = Session(product_bundle(target=target), engine)
    np.testing.assert_array_equal(session.run({"x": X})["y"], [5, 12, 21])
    np.testing.assert_array_equal(session.run({"x": -X})["y"], [-5, -12, -21])


def test_measures_are_those_of_one_call() -> None:
    session = Session(product_bundle())
    assert session.last_call is None
    session.run({"x": X})
    first = session.last_call
    session.run({"x": X})
    second = session.last_call
    assert first is not None
    assert second is not None
    assert first.statistics.cycles == second.statistics.cycles > 0
    assert first.statistics.flops == second.statistics.flops == 4
    assert (first.statistics.busy_cycles == second.statistics.busy_cycles).all()
    assert second.wall_seconds > 0


def test_f32_is_rounded_where_the_program_is_in_f16() -> None:
    session = Session(product_bundle("f16"))
    x = np.array([1 / 3, 1e9, 7], np.float32)
    y = session.run({"x": x})["y"]
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, [np.float16(1 / 3), np.inf, 21])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": X, "z": X}, "the program has no input 'z'"),
        ({"x": X[:2]}, "input 'x' is 2 float32; the program takes 3 float32"),
        ({"x": X.astype(np.float64)}, "input 'x' is 3 float64; the program takes 3 float32"),
        ({"x": X.astype(np.int32)}, "input 'x' is 3 int32"),
        ({"x": X.astype(np.float16)}, "input 'x' is 3 float16"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Session(product_bundle()).run(inputs)
    assert message in str(caught.value)


def test_all_problems_with_inputs_come_together() -> None:
    with pytest.raises(InputError) as caught:
        Session(product_bundle()).run({"a": X})
    assert "no input 'a'" in str(caught.value)
    assert "'x' is missing" in str(caught.value)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(InputError, match="known engines: vector, reference"):
        Session(product_bundle(), "analog")
