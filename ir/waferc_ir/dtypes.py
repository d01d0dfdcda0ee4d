"""Element types: their names in the IR, in NumPy and in CSL, and their size in a PE's memory."""

from __future__ import annotations

from enum import Enum


class DType(Enum):
    """An element type of a tensor. `bytes` is the size of an element in a PE's SRAM."""

    F32 = ("f32", 4, "float32", "f32")
    F16 = ("f16", 2, "float16", "f16")
    I32 = ("i32", 4, "int32", "i32")
    I16 = ("i16", 2, "int16", "i16")
    BOOL = ("bool", 2, "bool", "i16")

    def __init__(self, label: str, size_bytes: int, numpy: str, csl: str) -> None:
        self.label = label
        self.size_bytes = size_bytes
        self.numpy = numpy
        self.csl = csl

    @property
    def is_float(self) -> bool:
        """Whether elements are floating-point numbers."""
        return self in (DType.F32, DType.F16)

    @property
    def words(self) -> int:
        """16-bit words of SRAM per element."""
        return self.size_bytes // 2

    def __str__(self) -> str:
        return self.label


DTYPES: dict[str, DType] = {dtype.label: dtype for dtype in DType}
