from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from waferc.tolerance import (
    LARGEST,
    Accumulation,
    Tolerance,
    Verification,
    accumulation,
    compare,
    derive,
)
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Binary, Contract, Reduce, Unary
from waferc_ir.ops.graph_structure import Input, Output
from waferc_ir.program import Builder, Program

Floats = NDArray[np.float32]


def check(got: Floats, want: Floats, weight: float = 1000.0) -> Verification:
    tolerance = derive(Accumulation(weight, 100, 10), DType.F32)
    return compare({"y": got}, {"y": want}, tolerance, DType.F32)


def drawn(seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((8, 16)).astype(np.float32)


@given(st.integers(0, 1000))
def test_outputs_that_are_zero_doubled_or_shuffled_fail_at_the_loosest_tolerance(seed: int) -> None:
    want = drawn(seed)
    shuffled = np.random.default_rng(seed).permutation(want.ravel()).reshape(want.shape)
    for got in (np.zeros_like(want), 2 * want, shuffled, -want):
        assert not check(got, want, weight=1e30).passed


@given(st.integers(0, 1000))
def test_rounding_noise_passes_and_a_hundredfold_of_it_fails(seed: int) -> None:
    want = drawn(seed)
    noise = np.random.default_rng(seed + 1).uniform(-1, 1, want.shape) * 2.0**-24
    assert check((want * (1 + 4 * noise)).astype(np.float32), want).passed
    assert not check((want * (1 + 4000 * noise)).astype(np.float32), want).passed


def test_one_wrong_element_among_many_fails() -> None:
    want = np.ones(1_000_000, np.float32)
    got = want.copy()
    got[17] += 0.01
    assert not check(got, want).passed


def test_what_is_not_finite_must_agree() -> None:
    want = np.array([1.0, -np.inf, np.nan], np.float32)
    assert check(want.copy(), want).passed
    assert not check(np.array([1.0, 0.0, np.nan], np.float32), want).passed
    assert not check(np.array([np.nan, -np.inf, np.nan], np.float32), want).passed
    assert not check(np.array([1.0, np.inf, np.nan], np.float32), want).passed


def test_a_missing_output_or_another_shape_fails() -> None:
    want = drawn(0)
    tolerance = Tolerance(0.1, "test")
    assert not compare({}, {"y": want}, tolerance, DType.F32).passed
    assert not compare({"y": want[:4]}, {"y": want}, tolerance, DType.F32).passed


def test_integers_must_be_equal() -> None:
    want = np.arange(1000)
    got = want.copy()
    assert compare({"y": got}, {"y": want}, Tolerance(0.2, "test"), DType.F32).passed
    got[3] += 1
    assert not compare({"y": got}, {"y": want}, Tolerance(0.2, "test"), DType.F32).passed


def test_an_output_of_zeros_is_compared_exactly() -> None:
    zeros = np.zeros(4, np.float32)
    assert check(zeros, zeros).passed
    assert not check(np.full(4, 1e-20, np.float32), zeros).passed


def test_ulp_is_measured_at_the_reference_element() -> None:
    want = np.array([1.0, 1024.0], np.float32)
    got = np.nextafter(want, np.float32(np.inf))
    assert check(got, want).max_ulp == 1.0


@given(st.floats(0, 1e12), st.floats(1, 100))
def test_the_tolerance_grows_with_the_weight_up_to_its_limit(weight: float, times: float) -> None:
    for dtype in (DType.F32, DType.F16):
        lower = derive(Accumulation(weight, 1, 1), dtype).relative_l2
        upper = derive(Accumulation(weight * times, 1, 1), dtype).relative_l2
        assert 0 < lower <= upper <= LARGEST


def test_a_program_weighs_its_heaviest_path() -> None:
    builder = Builder()
    x = builder.add(Input("x", (4, 100), DType.F32))
    w = builder.add(Input("w", (100, 6), DType.F32))
    product = builder.add(Contract(x, w, "mk", "kn", "mn"))
    relu = builder.add(Unary(product, "relu"))
    total = builder.add(Reduce(relu, "sum", (0, 1), True))
    light = builder.add(Binary(product, product, "add"))
    builder.effect(Output(total, "total"))
    builder.effect(Output(light, "light"))
    found = accumulation(Program("graph", "p", tuple(builder.statements)))
    assert found == Accumulation(weight=100 / 2 + 3 + 24 / 2, longest_sum=100, depth=2)


@pytest.mark.parametrize("n", [16, 256, 4096])
@pytest.mark.parametrize("dtype", [DType.F32, DType.F16])
def test_sums_in_order_stay_within_the_tolerance_and_use_a_fair_part_of_it(
    n: int, dtype: DType
) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((64, n)).astype(dtype.numpy)
    w = rng.standard_normal((n, 64)).astype(dtype.numpy)
    total = np.zeros((64, 64), dtype.numpy)
    for k in range(n):
        total += x[:, k : k + 1] * w[k : k + 1]
    exact = x.astype(np.float64) @ w.astype(np.float64)
    tolerance = derive(Accumulation(n / 2 + 3, n, 1), dtype)
    result = compare({"y": total}, {"y": exact}, tolerance, dtype)
    assert result.passed
    assert result.relative_l2 > tolerance.relative_l2 / 50
