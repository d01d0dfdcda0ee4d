"""The program of a region's PEs: arrays, descriptors, statements, functions.

Index expressions have type i16, which reaches every element of a PE's 48 KiB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from waferc_ir.dtypes import DType

# Registers that kernels name: the file and the number of each. The destination of an operation and
# its first source have equal numbers: no other pairs are known to be allowed.
VECTOR = "vector_dsr"
AHEAD = tuple(
    (f"dest{number}_dsr", f"first{number}_dsr", f"second{number}_dsr") for number in range(2, 8)
)
SUM, ADDEND = "sum_dsr", "addend_dsr"
REGISTERS = {VECTOR: ("dsr_src1", 1), SUM: ("dsr_dest", 1), ADDEND: ("dsr_src0", 1)} | {
    name: (file, number)
    for number, names in enumerate(AHEAD, 2)
    for name, file in zip(names, ("dsr_dest", "dsr_src0", "dsr_src1"), strict=True)
}

Element = Literal["f32", "f16", "i32", "i16"]
BITS: dict[Element, int] = {"f32": 32, "f16": 16, "i32": 32, "i16": 16}


def element_of(dtype: DType, float_dtype: DType) -> Element:
    """The CSL element type of a tile: booleans are 0 and 1 in the program's float type."""
    match dtype:
        case DType.F32:
            return "f32"
        case DType.F16:
            return "f16"
        case DType.I32:
            return "i32"
        case DType.I16:
            return "i16"
        case DType.BOOL:
            return "f16" if float_dtype is DType.F16 else "f32"


@dataclass(frozen=True, slots=True)
class Affine:
    """`constant` plus variables times coefficients."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def plus(self, other: Affine) -> Affine:
        """The sum of both; coefficients of one variable are added up."""
        coefficients = dict(self.terms)
        for name, coefficient in other.terms:
            coefficients[name] = coefficients.get(name, 0) + coefficient
        terms = tuple((name, value) for name, value in coefficients.items() if value != 0)
        return Affine(self.constant + other.constant, terms)

    def operations(self) -> int:
        """Scalar operations that it takes at run time."""
        products = sum(abs(coefficient) != 1 for _, coefficient in self.terms)
        return products + max(0, len(self.terms) - 1 + (self.constant != 0))


def variable(name: str, coefficient: int = 1) -> Affine:
    """`name * coefficient`."""
    return Affine(0, ((name, coefficient),) if coefficient else ())


@dataclass(frozen=True, slots=True)
class Array:
    """A global array in a PE's SRAM: `count` elements, behind `lead` that nobody uses.

    Larger arrays begin in the first bank.
    """

    name: str
    element: Element
    count: int
    lead: int = 0

    @property
    def is_aligned(self) -> bool:
        """Whether the array begins in the first of eight banks of 16-bit words."""
        return self.count * BITS[self.element] >= 256


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory DSD known at compile time: `extents` and `strides` outermost first, in elements."""

    role: str
    array: Array
    extents: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def elements(self) -> int:
        """How many elements an operation on it visits."""
        return math.prod(self.extents)

    @property
    def element(self) -> Element:
        """Type of its elements."""
        return self.array.element

    @property
    def is_vector(self) -> bool:
        """Whether it is a mem1d DSD: one dimension, a stride that fits i8."""
        return len(self.extents) == 1 and -128 <= self.strides[0] <= 127


@dataclass(frozen=True, slots=True)
class Moved:
    """A memory DSD whose start is moved by a run-time number of elements."""

    base: Memory | Named
    by: Affine

    @property
    def elements(self) -> int:
        """How many elements an operation on it visits."""
        return self.base.elements

    @property
    def element(self) -> Element:
        """Type of its elements."""
        return self.base.element


@dataclass(frozen=True, slots=True)
class Named:
    """A DSD that a `Let` statement has given a name."""

    name: str
    elements: int
    element: Element


@dataclass(frozen=True, slots=True)
class Port:
    """A link that the PE sends or receives on: a color and its queue, under the link's name."""

    name: str
    direction: Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Fabric:
    """A fabric DSD of `elements` elements on a port.

    `extent` is its length in CSL where that differs between PEs; `elements` then is the length to
    reckon with. `is_packed`: two 16-bit elements in a wavelet.
    """

    port: Port
    elements: int
    element: Element
    extent: str | None = None
    is_packed: bool = False


@dataclass(frozen=True, slots=True)
class Immediate:
    """A scalar constant of an element type."""

    value: float
    element: Element


@dataclass(frozen=True, slots=True)
class Loaded:
    """The scalar at `index` of an array."""

    array: Array
    index: Affine


@dataclass(frozen=True, slots=True)
class Pointer:
    """The address of the scalar at `index` of an array."""

    array: Array
    index: Affine


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar variable or expression as written in CSL."""

    text: str


@dataclass(frozen=True, slots=True)
class Register:
    """A register that a `LoadRegister` statement has given a DSD."""

    name: str
    value: Memory | Moved | Named | Fabric

    @property
    def elements(self) -> int:
        """How many elements one operation takes."""
        return self.value.elements

    @property
    def element(self) -> Element:
        """Type of its elements."""
        return self.value.element


Descriptor = Memory | Moved | Named | Fabric | Register
Operand = Descriptor | Immediate | Loaded | Pointer | Scalar


@dataclass(frozen=True, slots=True)
class DsdOperation:
    """`@fmacs(dest, sources...)`; `name` is without the at sign."""

    name: str
    dest: Descriptor | Pointer
    sources: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class MapOperation:
    """`@map(function, inputs..., output)`; `cycles` is what one call of the function costs."""

    function: str
    inputs: tuple[Operand, ...]
    output: Descriptor
    cycles: int


@dataclass(frozen=True, slots=True)
class CallVectors:
    """`function(operands...)` on DSDs; `cycles` is what it costs."""

    function: str
    operands: tuple[Operand, ...]
    cycles: int


@dataclass(frozen=True, slots=True)
class LetDsd:
    """`const name = <moved DSD>`."""

    name: str
    value: Moved

    def named(self) -> Named:
        """The DSD under its name."""
        return Named(self.name, self.value.elements, self.value.element)


@dataclass(frozen=True, slots=True)
class LoadRegister:
    """`@load_to_dsr(name, value, ...)`: operations on the register work on this DSD.

    If it `saves` its address, each operation goes on where the last one on it ended.
    """

    name: str
    value: Memory | Moved | Named | Fabric
    saves: bool = False

    def register(self) -> Register:
        """The register as an operand."""
        return Register(self.name, self.value)


@dataclass(frozen=True, slots=True)
class LetScalar:
    """`const name: type = expression` (or `var`)."""

    name: str
    type: str
    expression: str
    operations: int = 1
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class SetLength:
    """`const name = @set_dsd_length(base, length)`; `elements` is the length to reckon with."""

    name: str
    base: Memory | Named
    length: str
    elements: int

    def named(self) -> Named:
        """The DSD under its name."""
        return Named(self.name, self.elements, self.base.element)


@dataclass(frozen=True, slots=True)
class For:
    """`for (@range(i16, start, stop)) |variable| { body }`, bounds as CSL text or numbers."""

    variable: str
    start: int
    stop: int | str
    body: tuple[Statement, ...]
    expected: int | None = None

    @property
    def trips(self) -> int:
        """The number of iterations to reckon with."""
        if isinstance(self.stop, int):
            return self.stop - self.start
        return self.expected or 0


@dataclass(frozen=True, slots=True)
class If:
    """A chain of conditions, each with its body, and what happens otherwise."""

    branches: tuple[tuple[str, tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...] = ()


Statement = (
    DsdOperation
    | MapOperation
    | CallVectors
    | LetDsd
    | LoadRegister
    | LetScalar
    | SetLength
    | For
    | If
)


def simple_statements(statements: Iterable[Statement]) -> Iterator[Statement]:
    """All statements but loops and conditions, those inside them too."""
    for statement in statements:
        match statement:
            case For(body=body):
                yield from simple_statements(body)
            case If(branches=branches, otherwise=otherwise):
                for _, body in branches:
                    yield from simple_statements(body)
                yield from simple_statements(otherwise)
            case _:
                yield statement


@dataclass(frozen=True, slots=True)
class PeFunction:
    """One operation's code: a function of the PE file without parameters."""

    name: str
    comment: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class PeEntry:
    """A function that the host launches: it calls the functions `calls` in order."""

    name: str
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """A function on scalars that `@map` applies, or one on vectors. `text` is its CSL."""

    name: str
    text: str
    cycles: int


@dataclass(frozen=True, slots=True)
class Export:
    """An array that the host reads or writes under `symbol`."""

    symbol: str
    array: Array
    is_mutable: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """`const name: type = expression` at the top of a PE file."""

    name: str
    type: str
    expression: str


@dataclass(frozen=True, slots=True)
class Link:
    """A color used by a region's PEs: how the PE file names it and which queue serves it.

    `color` is CSL text of type color. `input_queue`, `output_queue` are ids for wse3;
    `output_queue_wse2` serves several colors there, as sends do not overlap.
    """

    name: str
    color: str
    input_queue: int | None = None
    output_queue: int | None = None
    output_queue_wse2: int | None = None


@dataclass(frozen=True, slots=True)
class PeProgram:
    """Everything that a region's PE file says."""

    region: str
    width: int
    height: int
    color_params: tuple[str, ...]
    constants: tuple[Constant, ...]
    arrays: tuple[Array, ...]
    links: tuple[Link, ...]
    exports: tuple[Export, ...]
    scalar_functions: tuple[ScalarFunction, ...]
    functions: tuple[PeFunction, ...]
    entries: tuple[PeEntry, ...]
