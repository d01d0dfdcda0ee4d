"""The elements of a DSD operation: their arithmetic, and their bits in wavelets.

A pointer as destination of two operands of which the first is a scalar folds: `@faddh(p, s, d)`
leaves `s + d[0] + d[1] + ...` in `p.*`; otherwise it keeps the last result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.scalar import Uniform, from_item
from waferc_runtime.csl.core import Scalar
from waferc_runtime.reference.memory import (
    Address,
    FabricDsd,
    FifoOperand,
    MemoryDsd,
    OutsideObjectError,
    decode,
    encode,
)
from waferc_runtime.reference.operands import Operation
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Thread

Element = NDArray[Any]  # [1]


def bits_of(element: Element, scalar: Scalar) -> int:
    """The bits of an element, as they travel in a wavelet."""
    return int.from_bytes(encode(element, scalar).tobytes(), "little")


def element_of(bits: int, scalar: Scalar) -> Element:
    """The element whose bits stand in the low end of a wavelet."""
    low = bits & ((1 << (16 * scalar.words)) - 1)
    words = np.frombuffer(low.to_bytes(2 * scalar.words, "little"), np.uint16)
    return decode(words, scalar)


def to_bits(value: Uniform, scalar: Scalar) -> int:
    """The bits of a scalar, as they travel in a wavelet."""
    return bits_of(np.asarray([value], scalar.numpy), scalar)


def from_bits(bits: int, scalar: Scalar) -> Uniform:
    """The scalar whose bits stand in the low end of a wavelet."""
    return from_item(element_of(bits, scalar)[0])


class Arithmetic:
    """The elements of an operation, in order."""

    def __init__(self, state: State, thread: Thread, operation: Operation) -> None:
        self._state = state
        self._thread = thread
        self._op = operation.op
        self._at = operation.at
        self._dest, *sources = operation.values
        self._computation = operation.op.computation(state.machine)
        pairs = zip(sources, operation.op.source_elements, strict=True)
        self._sources = [(place, *pair) for place, pair in enumerate(pairs, start=1)]
        self._standing: dict[int, Element] = {
            place: np.asarray([source], element.numpy)
            for place, source, element in self._sources
            if not isinstance(source, MemoryDsd | FabricDsd | FifoOperand)
        }  # operands that are the same for all elements
        self._folds = isinstance(self._dest, Address) and operation.op.accumulates

    def element(self, index: int, arrived: Mapping[int, int]) -> Element:
        """Process one element; `arrived` holds the bits of operands not in memory, by place."""
        op = self._op
        values: list[Element] = []
        try:
            for place, source, element in self._sources:
                if place in arrived:
                    values.append(element_of(arrived[place], element))
                elif isinstance(source, MemoryDsd):
                    values.append(source.address(index, element).load_array(element))
                else:
                    values.append(self._standing[place])
            result = self._computation(*values).astype(op.element.numpy, copy=False)
            if isinstance(self._dest, MemoryDsd):
                self._dest.address(index, op.element).store_array(result, op.element)
            elif isinstance(self._dest, Address):
                self._dest.store_array(result, op.element)
                if self._folds and 1 in self._standing:
                    self._standing[1] = result
        except OutsideObjectError as fault:
            raise self._state.error(str(fault), self._thread, self._at) from fault
        work = self._state.work
        work.macs += op.macs
        work.flops += op.flops
        work.f16_flops += op.f16_flops
        return result
