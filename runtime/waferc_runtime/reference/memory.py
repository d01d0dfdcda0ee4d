"""The SRAM of one PE, and the values that point into it.

Memory is what the hardware has: 16-bit words, one array of them per object. An element of type T
takes `T.words` of them, little end first, so that `@ptrcast` between types needs no rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.banks import Walk
from waferc_runtime.builtins.scalar import Uniform, from_item
from waferc_runtime.csl.core import Dsd, Fifo, MemoryObject, Scalar

Words = NDArray[np.uint16]

_SAME_WIDTH = {"int8": "int16", "uint8": "uint16", "bool": "uint16"}


class OutsideObjectError(Exception):
    """An access outside an object; the processor knows the PE and the place."""


def encode(values: NDArray[np.generic], scalar: Scalar) -> Words:
    """The words [len(values) * scalar.words] that hold `values` [n] as elements of `scalar`."""
    typed = values.astype(scalar.numpy, copy=False)
    wide = _SAME_WIDTH.get(scalar.numpy)
    return np.ascontiguousarray(typed.astype(wide) if wide else typed).view(np.uint16)


def decode(words: Words, scalar: Scalar) -> NDArray[np.generic]:
    """The elements [n] of type `scalar` that `words` [n * scalar.words] hold."""
    if scalar is Scalar.BOOL:
        return words != 0
    wide = _SAME_WIDTH.get(scalar.numpy, scalar.numpy)
    return np.ascontiguousarray(words).view(wide).astype(scalar.numpy)


@dataclass(eq=False, slots=True)
class Block:
    """The words of one memory object."""

    object: MemoryObject
    words: Words

    @classmethod
    def of(cls, declared: MemoryObject, lane: int) -> Block:
        """The block of `declared` on the PE at `lane` of its class, with its initial values."""
        initial = declared.initial
        if isinstance(initial, np.ndarray) and initial.ndim == 2:
            initial = initial[:, lane]
        values = np.zeros(declared.count, declared.element.numpy)
        if initial is not None:
            values[:] = initial
        return cls(declared, encode(values, declared.element))


@dataclass(frozen=True, slots=True)
class Address:
    """A pointer: a word within a block. It may point outside; only an access may not."""

    block: Block
    word: int

    def moved(self, elements: int, scalar: Scalar) -> Address:
        """The address `elements` elements of `scalar` further on."""
        return Address(self.block, self.word + elements * scalar.words)

    def load(self, scalar: Scalar) -> Uniform:
        """The element of type `scalar` here.

        Raises:
            OutsideObjectError: part of the element lies outside the object.
        """
        return from_item(self.load_array(scalar)[0])

    def load_array(self, scalar: Scalar) -> NDArray[Any]:
        """The element of type `scalar` here, as an array [1].

        Raises:
            OutsideObjectError: part of the element lies outside the object.
        """
        self._check(scalar)
        return decode(self.block.words[self.word : self.word + scalar.words], scalar)

    def store(self, value: Uniform, scalar: Scalar) -> None:
        """Write `value` as an element of type `scalar`.

        Raises:
            OutsideObjectError: part of the element lies outside the object.
        """
        self.store_array(np.asarray([value], scalar.numpy), scalar)

    def store_array(self, value: NDArray[Any], scalar: Scalar) -> None:
        """Write the one element [1] of an array as an element of type `scalar`.

        Raises:
            OutsideObjectError: part of the element lies outside the object.
        """
        self._check(scalar)
        self.block.words[self.word : self.word + scalar.words] = encode(value, scalar)

    def _check(self, scalar: Scalar) -> None:
        if not 0 <= self.word <= len(self.block.words) - scalar.words:
            declared = self.block.object
            index = self.word // declared.element.words
            raise OutsideObjectError(
                f"element {index} of {declared.name} is accessed, which has {declared.count}"
            )


@dataclass(frozen=True, slots=True)
class MemoryDsd:
    """A memory DSD as a value: strides count elements of the operation that uses it.

    `first` is the element at which an operation begins, in a DSR that saves its address. With
    `takes_index` the base moves by the index of the operation, in words.
    """

    kind: Dsd
    base: Address
    strides: tuple[int, ...]
    extents: tuple[int, ...]
    takes_index: bool = False
    first: int = 0

    @property
    def length(self) -> int:
        """Number of elements."""
        return math.prod(self.extents)

    def walk(self, scalar: Scalar) -> Walk:
        """What an operation on `scalar` visits, by addresses of the PE's SRAM."""
        first = self.address(0, scalar)
        base = first.block.object.address + first.word
        strides = tuple([stride * scalar.words for stride in self.strides])
        return Walk(base, strides, self.extents, scalar.words)

    def address(self, index: int, scalar: Scalar) -> Address:
        """The address of element `index`, the last dimension running fastest.

        Beyond the last element the outermost dimension goes on.
        """
        index += self.first
        offset = 0
        for stride, extent in zip(self.strides[:0:-1], self.extents[:0:-1], strict=True):
            index, position = divmod(index, extent)
            offset += stride * position
        return self.base.moved(offset + self.strides[0] * index, scalar)

    def indexed(self, index: int) -> MemoryDsd:
        """The DSD in an operation with this index."""
        if not self.takes_index:
            return self
        return replace(self, base=replace(self.base, word=self.base.word + index))


@dataclass(frozen=True, slots=True)
class FabricDsd:
    """A fabin or fabout DSD as a value; see `core.MakeFabDsd`.

    `queue` is None where the program names none. `packed`: two 16-bit elements per wavelet.
    `is_bound`: the color is the one that the queue has when an operation begins.
    """

    kind: Dsd
    color: int
    queue: int | None
    length: int
    packed: bool = False
    is_bound: bool = False
    is_control: bool = False
    flips_switch: bool = False
    takes_index: bool = False
    carries_control: bool = False

    @property
    def is_input(self) -> bool:
        """Whether this is a fabin."""
        return self.kind.kind == "fabin"

    @property
    def queue_name(self) -> str:
        """`in 2`, `out 3`; where the program names no queue each color has one of its own."""
        side = "in" if self.is_input else "out"
        return f"{side} of color {self.color}" if self.queue is None else f"{side} {self.queue}"


@dataclass(frozen=True, slots=True)
class FifoOperand:
    """A FIFO as the operand of an operation."""

    fifo: Fifo


Value = Uniform | Address | MemoryDsd | FabricDsd | FifoOperand | None
