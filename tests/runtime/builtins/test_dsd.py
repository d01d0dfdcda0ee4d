"""DSD operations: types, rounding, and the elements of a cycle."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_ir.machine import MACHINES, WSE2
from waferc_runtime.builtins.dsd import DSD_OPS, DsdOp

FLOATS = st.floats(-1e6, 1e6, width=32)
ALL_OPS = pytest.mark.parametrize("op", DSD_OPS.values(), ids=list(DSD_OPS))


@ALL_OPS
def test_results_have_the_type_of_the_operation(op: DsdOp) -> None:
    sources = [np.array([1, 2, 3], element.numpy) for element in op.source_elements]
    result = op.computation(WSE2)(*sources)
    assert result.dtype == np.dtype(op.element.numpy)


@ALL_OPS
def test_writing_in_place_gives_what_is_returned(op: DsdOp) -> None:
    sources = [np.array([5, 2, 1], element.numpy) for element in op.source_elements]
    out = np.zeros(3, op.element.numpy)
    op.computation(WSE2)(*sources, out=out)
    np.testing.assert_array_equal(out, op.computation(WSE2)(*sources))


@ALL_OPS
@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 8])
def test_lanes_of_a_larger_array_are_worked_on_like_arrays_of_their_own(
    op: DsdOp, lanes: int
) -> None:
    rows = np.arange(1, 10)[:, np.newaxis]
    wide = [np.tile(rows, lanes).astype(element.numpy) for element in op.source_elements]
    out = np.zeros((9, lanes), op.element.numpy)
    op.computation(WSE2)(*(source[:, :1] for source in wide), out=out[:, :1])
    expected = op.computation(WSE2)(*(source[:, 0].copy() for source in wide))
    np.testing.assert_array_equal(out[:, 0], expected)
    assert not out[:, 1:].any()


@given(FLOATS, FLOATS, FLOATS)
def test_fused_multiply_add_rounds_once(addend: float, x: float, factor: float) -> None:
    arrays = [np.array([value], np.float32) for value in (addend, x, factor)]
    (found,) = DSD_OPS["@fmacs"].computation(WSE2)(*arrays)
    exact = Fraction(addend) + Fraction(x) * Fraction(factor)
    half_ulp = Fraction(float(np.spacing(np.abs(found)))) / 2
    assert abs(Fraction(float(found)) - exact) <= half_ulp * Fraction(1000001, 1000000)


def test_separate_multiply_add_rounds_twice() -> None:
    arrays = [np.array([value], np.float32) for value in (-1.0, 1 + 2**-13, 1 - 2**-13)]
    (fused,) = DSD_OPS["@fmacs"].computation(WSE2)(*arrays)
    (separate,) = DSD_OPS["@fmacs"].compute(*arrays)
    assert fused == -(2.0**-26)
    assert separate == 0.0


def test_integers_wrap() -> None:
    a, b = np.array([65535], np.uint16), np.array([2], np.uint16)
    assert DSD_OPS["@add16"].compute(a, b)[0] == 1
    assert DSD_OPS["@sub16"].compute(b, a)[0] == 3


def test_moves_keep_the_bits_of_a_signalling_nan() -> None:
    bits = np.array([0x7F800001], np.uint32)
    moved = DSD_OPS["@fmovs"].compute(bits.view(np.float32))
    assert moved.view(np.uint32)[0] == bits[0]


@given(st.integers(0, 65535))
def test_bit_counts(x: int) -> None:
    array = np.array([x], np.uint16)
    assert DSD_OPS["@clz"].compute(array)[0] == 16 - x.bit_length()
    assert DSD_OPS["@popcnt"].compute(array)[0] == x.bit_count()
    trailing = 16 if x == 0 else (x & -x).bit_length() - 1
    assert DSD_OPS["@ctz"].compute(array)[0] == trailing


@given(st.integers(0, 65535), st.integers(0, 40))
def test_shifts_beyond_the_width_leave_nothing(x: int, amount: int) -> None:
    value, by = np.array([x], np.uint16), np.array([amount], np.uint16)
    assert DSD_OPS["@sll16"].compute(value, by)[0] == (x << amount) & 0xFFFF
    assert DSD_OPS["@slr16"].compute(value, by)[0] == x >> amount
    signed = value.view(np.int16)
    found = DSD_OPS["@sar16"].compute(signed, by.view(np.int16))[0]
    assert found == math.floor(int(signed[0]) / 2**amount)


def test_speed_depends_on_the_width_of_elements() -> None:
    assert DSD_OPS["@fmach"].elements_per_cycle(MACHINES["wse3"]) == 8
    assert DSD_OPS["@fmacs"].elements_per_cycle(MACHINES["wse3"]) == 1
