"""Scalar functions in the element type that they are given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from waferc.evaluate.scalar import BINARY, UNARY, binary, binary_scalar, cast, erf, unary
from waferc_ir.ops import functions


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_every_function_of_the_ir_has_a_meaning() -> None:
    assert set(UNARY) == set(functions.UNARY)
    assert set(BINARY) == set(functions.BINARY)


@given(st.floats(-30, 30) | st.sampled_from([math.inf, -math.inf]))
def test_erf_is_accurate_to_double_precision(x: float) -> None:
    assert float(erf(np.array([x]))[0]) == pytest.approx(math.erf(x), rel=2e-14, abs=1e-300)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("fn", sorted(set(functions.UNARY) - {"logical_not"}))
def test_functions_keep_the_element_type_and_are_accurate(fn: str, dtype: str) -> None:
    x = np.linspace(0.1, 4, 50).astype(dtype)
    found = unary(fn, x)
    assert found.dtype == x.dtype
    exact = np.array([_exact(fn, float(v)) for v in x])
    np.testing.assert_allclose(found, exact, rtol=2 * float(np.finfo(dtype).eps), atol=1e-6)


def _exact(fn: str, x: float) -> float:
    tanh_gelu = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return {
        "neg": -x, "abs": abs(x), "exp": math.exp(x), "log": math.log(x), "sqrt": math.sqrt(x),
        "rsqrt": x**-0.5, "reciprocal": 1 / x, "tanh": math.tanh(x),
        "sigmoid": 1 / (1 + math.exp(-x)), "relu": x, "erf": math.erf(x), "sin": math.sin(x),
        "gelu": x * 0.5 * (1 + math.erf(x / math.sqrt(2))), "gelu_tanh": 0.5 * x * (1 + tanh_gelu),
        "silu": x / (1 + math.exp(-x)), "cos": math.cos(x), "floor": math.floor(x),
        "ceil": math.ceil(x), "sign": 1.0, "softplus": math.log1p(math.exp(x)),
    }[fn]  # fmt: skip


def test_large_arguments_do_not_overflow() -> None:
    x = f32(-1000, 1000)
    assert unary("sigmoid", x).tolist() == [0, 1]
    assert unary("softplus", x).tolist() == [0, 1000]
    assert unary("silu", x).tolist() == [0, 1000]
    assert unary("gelu", x).tolist() == [0, 1000]
    assert unary("tanh", x).tolist() == [-1, 1]


def test_half_precision_rounds_once() -> None:
    x, y = np.array([2048.0], np.float16), np.array([1.5], np.float16)
    assert binary("add", x, y).dtype == np.float16
    assert float(binary("add", x, y)[0]) == 2050


def test_integers_wrap() -> None:
    x = np.array([2**31 - 1], np.int32)
    assert binary_scalar("add", x, 1.0, reverse=False).tolist() == [-(2**31)]
    assert unary("floor", x).tolist() == x.tolist()


def test_comparisons_yield_truth_values() -> None:
    x = f32(1, np.nan)
    assert binary("ne", x, x).dtype == np.bool_
    assert binary("ne", x, x).tolist() == [False, True]


def test_scalars_come_first_when_reversed() -> None:
    assert binary_scalar("div", f32(4), 1.0, reverse=True).tolist() == [0.25]
    assert binary_scalar("sub", f32(4), 1.0, reverse=True).tolist() == [-3]


def test_casts_truncate_toward_zero() -> None:
    assert cast(f32(-1.7, 1.7), "int32").tolist() == [-1, 1]
    assert cast(f32(-0.3, 0.0), "bool").tolist() == [True, False]
