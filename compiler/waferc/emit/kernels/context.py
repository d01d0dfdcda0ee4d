"""What a kernel knows of its surroundings: tiles, the region, ports, scalar functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from waferc.emit.diagnostics import EmitError
from waferc.emit.pe_program import (
    BITS,
    Affine,
    Array,
    Descriptor,
    DsdOperation,
    Element,
    Fabric,
    Immediate,
    MapOperation,
    Operand,
    Pointer,
    Port,
    ScalarFunction,
    Statement,
    variable,
)
from waferc.emit.scalar_functions import ScalarFunctions
from waferc.emit.views import View, nest, row_major
from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.program import Value
from waferc_ir.types import Axis, Region, TiledType

MOVE: dict[Element, str] = {"f32": "fmovs", "f16": "fmovh", "i32": "mov32", "i16": "mov16"}


@dataclass(frozen=True, slots=True)
class Tile:
    """A value in a PE: its array, its local shape, its type."""

    array: Array
    shape: tuple[int, ...]
    type: TiledType

    @property
    def element(self) -> Element:
        """CSL element type."""
        return self.array.element

    @property
    def elements(self) -> int:
        """Elements of the tile."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether elements are held as floating-point numbers (booleans are)."""
        return self.element in ("f32", "f16")

    def view(self, role: str) -> View:
        """The whole tile, row-major."""
        return View(role, self.array, row_major(self.shape))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Where a region's received tiles come from.

    `primary` is the source region that the link `arrival` serves; it also serves what column 0
    passes down if `shares_pass_y`, else the link `pass_y` does.
    """

    primary: str | None = None
    shares_pass_y: bool = True


@dataclass(frozen=True, slots=True)
class KernelContext:
    """Tiles of one region's values, and what its PE file offers to kernels.

    `scratch` are arrays for use within one operation, by element type.
    """

    region: Region
    machine: Machine
    float_dtype: DType
    tiles: Mapping[Value, Tile]
    functions: ScalarFunctions
    arrivals: Arrivals
    scratch: Mapping[Element, Array]

    def tile(self, value: Value) -> Tile:
        """The tile of a value in this region."""
        return self.tiles[value]

    def fabric(
        self, name: str, elements: int, element: Element, *, sends: bool, is_packed: bool = False
    ) -> Fabric:
        """A fabric DSD on the link called `name`; only 16-bit elements are packed."""
        port = Port(name, "out" if sends else "in")
        return Fabric(port, elements, element, is_packed=is_packed and BITS[element] == 16)

    def float_function(self, fn: str, element: Element) -> ScalarFunction:
        """The scalar function `fn` on floats."""
        return self.functions.float_function(fn, element)


def position(axis: Axis, coefficient: int) -> Affine:
    """The PE's place along an axis, times `coefficient`."""
    return variable(f"pe_{axis}", coefficient)


def immediate(value: float, element: Element) -> Immediate:
    """A scalar constant as the element type holds it.

    Raises:
        EmitError: an integer type cannot hold it.
    """
    if element in ("i32", "i16"):
        bits = 31 if element == "i32" else 15
        if not math.isfinite(value) or not -(2**bits) <= int(value) < 2**bits:
            raise EmitError(f"{value!r} is no value of type {element}")
        return Immediate(int(value), element)
    with np.errstate(over="ignore"):
        held = np.float32(value) if element == "f32" else np.float16(value)
    return Immediate(float(held) if not math.isfinite(held) else value, element)


def move(operands: Sequence[Operand]) -> DsdOperation:
    """`dest = source` for operands [dest, source]."""
    dest, source = operands
    assert isinstance(dest, Descriptor)
    return operation(MOVE[dest.element], dest, source)


def operation(name: str, dest: Operand, *sources: Operand) -> DsdOperation:
    """The DSD operation `@name(dest, sources...)`."""
    assert isinstance(dest, Descriptor | Pointer)
    return DsdOperation(name, dest, sources)


def mapped(function: ScalarFunction, dest: Operand, *sources: Operand) -> MapOperation:
    """`@map(function, sources..., dest)`."""
    assert isinstance(dest, Descriptor)
    return MapOperation(function.name, sources, dest, function.cycles)


def suffix(element: Element) -> str:
    """The last letter of a DSD operation on floats."""
    return "s" if element == "f32" else "h"


def fill(tile: Tile, value: float) -> tuple[Statement, ...]:
    """Every element of a tile becomes `value`."""
    if tile.elements == 0:
        return ()
    return nest(tile.shape, [tile.view("all"), immediate(value, tile.element)], move)


def copy(source: Tile, dest: Tile) -> tuple[Statement, ...]:
    """The elements of a tile in another of as many elements; nothing if they share the array."""
    if source.array == dest.array:
        return ()
    count = (source.elements,)
    return nest(count, [View("out", dest.array, (1,)), View("x", source.array, (1,))], move)
