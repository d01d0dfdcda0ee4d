"""The vendor's `sdk_utils`: views and packings of arrays that copies to and from PEs need."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from waferc_runtime.host.errors import HostError

__all__ = ["calculate_cycles", "cast_uint32", "input_array_to_u32", "memcpy_view"]

Array = NDArray[Any]


def memcpy_view(arr: Array, datatype: DTypeLike) -> Array:
    """A view on the low 32, 16 or 8 bits of each 32-bit word of `arr`; writes go through.

    Raises:
        HostError: `arr` has no 32-bit elements, or `datatype` is wider than they are.
    """
    dtype = np.dtype(datatype)
    if arr.dtype.itemsize != 4 or dtype.itemsize not in (1, 2, 4) or dtype.hasobject:
        raise HostError(f"memcpy_view: no view of {dtype} on an array of {arr.dtype}")
    if dtype.itemsize == 4:
        return arr.view(dtype)
    if arr.ndim == 0 or arr.strides[-1] != 4:
        raise HostError("memcpy_view: the array is not contiguous along its last dimension")
    return arr.view(dtype)[..., :: 4 // dtype.itemsize]


def input_array_to_u32(np_arr: Array, sentinel: int | None, fast_dim_sz: int) -> NDArray[np.uint32]:
    """Each element of `np_arr` in a 32-bit word of its own, in its shape.

    The high half of a 16-bit element's word is zero, or with a `sentinel` the element's index
    along a dimension of `fast_dim_sz` elements.

    Raises:
        HostError: elements of `np_arr` have neither 16 nor 32 bits.
    """
    array = np.ascontiguousarray(np_arr)
    if array.dtype.itemsize == 4 and not array.dtype.hasobject:
        return array.view(np.uint32)
    if array.dtype.itemsize != 2:
        raise HostError(f"input_array_to_u32: {array.dtype} has neither 16 nor 32 bits")
    words = array.view(np.uint16).astype(np.uint32)
    if sentinel is None:
        return words
    if fast_dim_sz < 1:
        raise HostError(f"input_array_to_u32: fast_dim_sz is {fast_dim_sz}")
    index = (np.arange(words.size, dtype=np.uint32) % np.uint32(fast_dim_sz)).astype(np.uint16)
    return words | (index.astype(np.uint32) << np.uint32(16)).reshape(words.shape)


def calculate_cycles(timestamp_buf: Array) -> np.int64:
    """Cycles between two time stamps of 48 bits that a PE packed into three 32-bit words.

    Raises:
        HostError: the array has not three words.
    """
    buffer = np.ascontiguousarray(timestamp_buf).reshape(-1)
    if buffer.size != 3 or buffer.dtype.itemsize != 4:
        raise HostError(f"calculate_cycles: {buffer.size} elements of {buffer.dtype}, not 3 words")
    halves = [int(half) for half in buffer.view(np.uint16)]
    start, end = (low + (mid << 16) + (high << 32) for low, mid, high in (halves[:3], halves[3:]))
    return np.int64(end - start)


def cast_uint32(x: object) -> np.uint32:
    """The bits of a number as a word; 16-bit numbers are extended with zeros.

    Raises:
        HostError: it is no number of 16 or 32 bits, or a whole number that does not fit.
    """
    if isinstance(x, (np.floating, np.integer)):
        bits: Array = np.asarray(cast("np.generic[Any]", x))
        if bits.dtype.itemsize in (2, 4):
            return np.uint32(bits.view(f"u{bits.dtype.itemsize}")[()])
    if isinstance(x, int) and not isinstance(x, bool) and -(2**31) <= x < 2**32:
        return np.uint32(x & 0xFFFF_FFFF)
    if isinstance(x, float):
        return np.uint32(np.asarray(x, np.float32).view(np.uint32)[()])
    raise HostError(f"cast_uint32: {x!r} is no number of 16 or 32 bits")
