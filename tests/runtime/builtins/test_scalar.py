"""Scalar arithmetic: uniform values and arrays agree, integers wrap, conversions truncate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.builtins import scalar
from waferc_runtime.builtins.math import MATH_FUNCTIONS, MathFunction
from waferc_runtime.csl.core import BinaryOp, Scalar

INTEGERS = [s for s in Scalar if not s.is_float and s is not Scalar.BOOL]
OPS: list[BinaryOp] = ["+", "-", "*", "/", "%", "&", "|", "^"]


@st.composite
def integers_of(draw: st.DrawFn, kind: Scalar) -> int:
    return scalar.wrap(draw(st.integers(-(2**70), 2**70)), kind)


@given(st.data(), st.sampled_from(INTEGERS), st.sampled_from(OPS))
def test_uniform_values_and_arrays_agree(data: st.DataObject, kind: Scalar, op: BinaryOp) -> None:
    a, b = data.draw(integers_of(kind)), data.draw(integers_of(kind))
    function = scalar.binary(op, kind)
    if op in ("/", "%") and (b == 0 or (b == -1 and a != 0)):
        return
    arrays = [np.array([value], kind.numpy) for value in (a, b)]
    found = function(*arrays)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.dtype(kind.numpy)
    assert found[0] == function(a, b)


@given(st.data(), st.sampled_from(INTEGERS), st.integers(0, 80))
def test_shifts_agree(data: st.DataObject, kind: Scalar, amount: int) -> None:
    x = data.draw(integers_of(kind))
    for op in ("<<", ">>"):
        function = scalar.binary(op, kind)
        found = function(np.array([x], kind.numpy), amount)
        assert isinstance(found, np.ndarray)
        assert found[0] == function(x, amount)


@pytest.mark.parametrize(("a", "b", "quotient", "rest"), [(7, 2, 3, 1), (-7, 2, -3, -1)])
def test_division_truncates(a: int, b: int, quotient: int, rest: int) -> None:
    assert scalar.binary("/", Scalar.I16)(a, b) == quotient
    assert scalar.binary("%", Scalar.I16)(a, b) == rest


def test_division_by_zero_says_where() -> None:
    divisor = np.array([1, 2, 0, 0], np.int32)
    with pytest.raises(scalar.ZeroDivisorError) as caught:
        scalar.binary("/", Scalar.I32)(1, divisor)
    assert caught.value.lane == 2


@given(st.floats(width=32), st.sampled_from(INTEGERS))
def test_float_to_integer_truncates_and_keeps_low_bits(x: float, kind: Scalar) -> None:
    value = np.float32(x)
    found = scalar.convert(value, Scalar.F32, kind)
    whole = int(value) if abs(float(value)) < 2.0**63 else 0
    assert found == scalar.wrap(whole, kind)
    array = scalar.convert(np.array([value]), Scalar.F32, kind)
    assert isinstance(array, np.ndarray)
    assert array[0] == found


@given(st.integers(0, 2**32 - 1))
def test_bitcast_there_and_back(bits: int) -> None:
    there = scalar.bitcast(bits, Scalar.U32, Scalar.F32)
    assert scalar.bitcast(there, Scalar.F32, Scalar.U32) == bits


def test_bool_of_nan_is_true() -> None:
    assert scalar.convert(np.float32("nan"), Scalar.F32, Scalar.BOOL) is True


@pytest.mark.parametrize("function", MATH_FUNCTIONS.values(), ids=list(MATH_FUNCTIONS))
@pytest.mark.parametrize("kind", [Scalar.F32, Scalar.F16])
def test_library_results_are_of_the_type(function: MathFunction, kind: Scalar) -> None:
    operands = [np.array([0.5, 2.0], kind.numpy)] * function.arity
    expected = kind if function.result is None else function.result
    assert function.compute(*operands).dtype == np.dtype(expected.numpy)


def test_library_functions_are_rounded_once() -> None:
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(MATH_FUNCTIONS["math.exp"].compute(x), exact)
