"""Host arrays to elements of PEs and back: order, 16-bit elements in 32-bit words, broadcasts.

A host array is one-dimensional with one 32-bit word per element; a 16-bit element is in the low
half of its word. On a PE elements lie one behind the other in 16-bit words of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from waferc_runtime.csl.core import Scalar
from waferc_runtime.host.errors import HostError

Array = NDArray[Any]
Words = NDArray[np.uint32]
MemoryWords = NDArray[np.uint16]


class MemcpyDataType(IntEnum):
    """Size of the elements that a copy moves."""

    MEMCPY_32BIT = 0
    MEMCPY_16BIT = 1


class MemcpyOrder(IntEnum):
    """Order of host elements: [h, w, l] with l fastest, or with h fastest, then w."""

    ROW_MAJOR = 0
    COL_MAJOR = 1


def bits_of(data_type: object) -> int:
    """Bits of the elements that a copy moves. Raises HostError if it is no MemcpyDataType."""
    if data_type not in tuple(MemcpyDataType):
        raise HostError(f"data_type={data_type!r} is not one of MemcpyDataType")
    return 32 if data_type == MemcpyDataType.MEMCPY_32BIT else 16


def whole(number: object) -> int | None:
    """A Python or NumPy integer as an int, also a bool; None for everything else."""
    if isinstance(number, np.integer):
        return int(cast("np.integer[Any]", number))
    return int(number) if isinstance(number, int) else None


def listed(values: object, what: str, count: int | None = None) -> list[Any]:
    """What a sequence holds. Raises HostError if it is none, or has not `count` elements."""
    if not isinstance(values, list | tuple | np.ndarray):
        raise HostError(f"{what} are given one after the other, not as {values!r}")
    found: list[Any] = list(cast("Sequence[Any]", values))
    if count is not None and len(found) != count:
        raise HostError(f"{len(found)} {what} are given, not {count}")
    return found


def place_of(x: object, y: object) -> tuple[int, int]:
    """Column and row of a PE. Raises HostError if they are not whole numbers."""
    column, row = whole(x), whole(y)
    if column is None or row is None:
        raise HostError(f"a PE has a column and a row, not {x!r} and {y!r}")
    return column, row


def seen_as(values: Array, dtype: object, name: str) -> Array:
    """The bits of a variable in another element type.

    Raises:
        HostError: there is no such type, or the variable has not a whole number of its elements.
    """
    try:
        return np.ascontiguousarray(values).view(np.dtype(cast("DTypeLike", dtype)))
    except (TypeError, ValueError) as problem:
        raise HostError(
            f"{name} with {values.size:,} elements of {values.dtype} cannot be seen as {dtype!r}: "
            f"{problem}"
        ) from None


def order_of(order: object) -> MemcpyOrder:
    """The order that was given. Raises HostError if it is no MemcpyOrder."""
    for known in MemcpyOrder:
        if order == known:
            return known
    raise HostError(f"order={order!r} is not one of MemcpyOrder")


def host_words(array: object, count: int, what: str) -> Words:
    """The `count` words of a host array, in one dimension; a view where possible.

    Raises:
        HostError: it is no array, has another size, or elements that are not of 32 bits.
    """
    if not isinstance(array, np.ndarray):
        raise HostError(f"{what}: a NumPy array is expected, not {type(array).__name__}")
    flat = np.ravel(cast("Array", array))
    if flat.size != count or flat.dtype.itemsize != 4 or flat.dtype.hasobject:
        raise HostError(
            f"{what}: the host array has {flat.size:,} elements of {flat.dtype}, "
            f"and the PEs have {count:,} elements of 32 bits",
            help="widen 16-bit elements with sdk_utils.input_array_to_u32"
            if flat.dtype.itemsize == 2
            else None,
        )
    return np.ascontiguousarray(flat).view(np.uint32)


def check_destination(array: object, count: int, what: str) -> Array:
    """`array`, if `count` words can be written into it in place.

    Raises:
        HostError: they cannot.
    """
    if not isinstance(array, np.ndarray):
        raise HostError(f"{what}: a NumPy array is expected, not {type(array).__name__}")
    found = cast("Array", array)
    if found.size != count or found.dtype.itemsize != 4 or found.dtype.hasobject:
        raise HostError(
            f"{what}: the host array is {found.shape} of {found.dtype}, "
            f"and the PEs give {count:,} elements of 32 bits"
        )
    if not (found.flags.c_contiguous and found.flags.writeable):
        raise HostError(f"{what}: the host array is not contiguous, or cannot be written")
    return found


def wavelets(count: object, size: int, what: str) -> int:
    """A number of wavelets that an array of `size` elements holds.

    Raises:
        HostError: it is no number, or does not hold so many.
    """
    number = whole(count)
    if number is None or not 0 <= number <= size:
        raise HostError(f"{what}: {count} wavelets do not fit an array of {size:,}")
    return number


def fill(destination: Array, words: Words) -> None:
    """Write words [count] into a checked destination."""
    destination.reshape(-1).view(np.uint32)[:] = words


def to_tiles(words: Words, height: int, width: int, elements: int, order: MemcpyOrder) -> Words:
    """Host words as [h, w, l]."""
    if order is MemcpyOrder.ROW_MAJOR:
        return words.reshape(height, width, elements)
    return words.reshape(elements, width, height).transpose(2, 1, 0)


def from_tiles(tiles: Words, order: MemcpyOrder) -> Words:
    """Tiles [h, w, l] as host words."""
    ordered = tiles if order is MemcpyOrder.ROW_MAJOR else tiles.transpose(2, 1, 0)
    return np.ascontiguousarray(ordered).reshape(-1)


def to_memory(tiles: Words, bits: int) -> MemoryWords:
    """Elements [h, w, l] of `bits` bits as words of memory [h, w, l * bits / 16]."""
    if bits == 16:
        return tiles.astype(np.uint16)
    return np.ascontiguousarray(tiles).view(np.uint16)


def from_memory(words: MemoryWords, bits: int) -> Words:
    """Words of memory [h, w, l * bits / 16] as elements [h, w, l] in 32 bits."""
    if bits == 16:
        return words.astype(np.uint32)
    return np.ascontiguousarray(words).view(np.uint32)


def memory_to_values(words: MemoryWords, element: Scalar) -> Array:
    """Words of memory [h, w, n * element.words] as values [h, w, n] of a type."""
    if element.words == 1:
        narrow = {Scalar.BOOL: np.bool_, Scalar.I8: np.uint8, Scalar.U8: np.uint8}
        if element in narrow:
            return words.astype(narrow[element]).view(element.numpy)
    return np.ascontiguousarray(words).view(element.numpy)


def values_to_memory(values: Array, element: Scalar) -> MemoryWords:
    """Values [h, w, n] of a type as words of memory [h, w, n * element.words]."""
    if element in (Scalar.I8, Scalar.U8, Scalar.BOOL):
        return values.view(np.uint8).astype(np.uint16)
    return np.ascontiguousarray(values.astype(element.numpy, copy=False)).view(np.uint16)
