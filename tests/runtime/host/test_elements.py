from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.csl.core import Scalar
from waferc_runtime.host import elements, sdk_utils
from waferc_runtime.host.elements import MemcpyOrder
from waferc_runtime.host.errors import HostError

sizes = st.integers(1, 5)
orders = st.sampled_from(list(MemcpyOrder))


@given(sizes, sizes, sizes, orders)
def test_tiles_are_the_host_tensor_in_c_or_fortran_order(
    h: int, w: int, n: int, order: MemcpyOrder
) -> None:
    tensor = np.arange(h * w * n, dtype=np.uint32).reshape(h, w, n)
    flat = tensor.ravel(order="C" if order is MemcpyOrder.ROW_MAJOR else "F")
    np.testing.assert_array_equal(elements.to_tiles(flat, h, w, n, order), tensor)
    np.testing.assert_array_equal(elements.from_tiles(tensor, order), flat)


def test_sizes_are_integers_of_all_kinds() -> None:
    found = [elements.whole(size) for size in (True, np.uint16(3), 4)]
    assert found == [1, 3, 4]
    assert {type(size) for size in found} == {int}
    assert elements.whole(2.0) is None


@given(st.sampled_from([s for s in Scalar if s.words <= 2]), sizes, st.integers(0, 2**32 - 1))
def test_memory_holds_values_bit_for_bit(element: Scalar, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if element is Scalar.BOOL:
        values = rng.integers(0, 2, (2, 3, n)).astype(bool)
    else:
        raw = rng.integers(0, 256, (2, 3, n * element.bits // 8), np.uint8)
        values = raw.view(element.numpy)
    memory = elements.values_to_memory(values, element)
    assert memory.shape == (2, 3, n * element.words)
    back = elements.memory_to_values(memory, element)
    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=12), st.integers(1, 5))
def test_sixteen_bit_elements_stand_in_low_halves_and_indices_in_high_ones(
    values: list[int], fast: int
) -> None:
    array = np.array(values, np.uint16)
    plain = sdk_utils.input_array_to_u32(array, None, fast)
    np.testing.assert_array_equal(sdk_utils.memcpy_view(plain, np.uint16), array)
    assert (plain < 2**16).all()
    indexed = sdk_utils.input_array_to_u32(array, 1, fast)
    np.testing.assert_array_equal(indexed & 0xFFFF, array)
    np.testing.assert_array_equal(indexed >> 16, np.arange(len(values)) % fast)


def test_a_view_writes_through_and_takes_any_shape() -> None:
    container = np.zeros((2, 3), np.uint32)
    sdk_utils.memcpy_view(container, np.float16)[:] = 1.0
    np.testing.assert_array_equal(container, np.full((2, 3), 0x3C00))
    with pytest.raises(HostError, match="no view of float64"):
        sdk_utils.memcpy_view(container, np.float64)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_cycles_are_the_difference_of_two_time_stamps(start: int, end: int) -> None:
    halves = [(stamp >> shift) & 0xFFFF for stamp in (start, end) for shift in (0, 16, 32)]
    packed = np.array(halves, np.uint16).view(np.float32)
    assert sdk_utils.calculate_cycles(packed) == end - start


@pytest.mark.parametrize(
    ("number", "bits"),
    [
        (np.float16(1), 0x3C00), (np.int16(-1), 0xFFFF), (np.float32(1), 0x3F800000),
        (np.int32(-1), 0xFFFFFFFF), (7, 7), (1.0, 0x3F800000),
    ],
)  # fmt: skip
def test_numbers_are_cast_to_their_bits(number: object, bits: int) -> None:
    assert sdk_utils.cast_uint32(number) == bits


def test_what_is_no_number_is_not_cast() -> None:
    for wrong in ("1", 2**40, None, np.float64(1).astype(np.complex64)):
        with pytest.raises(HostError, match="no number of 16 or 32 bits"):
            sdk_utils.cast_uint32(wrong)
