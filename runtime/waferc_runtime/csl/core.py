"""Core CSL: what is left of a program after compile-time evaluation.

The front end resolves names, evaluates everything that is known at compile time, takes the
taken branches and types every expression; both engines run only what stands here. A value that
is known at compile time but differs between the PEs of a class (a param such as a position or a
role) is a `Const` whose value is an array with one entry per PE of the class ("lanes").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location


class Scalar(Enum):
    """A run-time scalar type: CSL name, bits, NumPy dtype, and words of SRAM in an array."""

    F32 = ("f32", 32, "float32", 2)
    F16 = ("f16", 16, "float16", 1)
    I8 = ("i8", 8, "int8", 1)
    U8 = ("u8", 8, "uint8", 1)
    I16 = ("i16", 16, "int16", 1)
    U16 = ("u16", 16, "uint16", 1)
    I32 = ("i32", 32, "int32", 2)
    U32 = ("u32", 32, "uint32", 2)
    I64 = ("i64", 64, "int64", 4)
    U64 = ("u64", 64, "uint64", 4)
    BOOL = ("bool", 16, "bool", 1)

    def __init__(self, label: str, bits: int, numpy: str, words: int) -> None:
        self.label = label
        self.bits = bits
        self.numpy = numpy
        self.words = words

    @property
    def is_float(self) -> bool:
        """Whether this is f16 or f32."""
        return self in (Scalar.F16, Scalar.F32)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Type of a pointer. `many` is `[*]T`; else `*T`, where T may be an array of `count`."""

    target: Scalar
    many: bool
    count: int = 1
    const: bool = False


@dataclass(frozen=True, slots=True)
class Dsd:
    """Type of a DSD value: mem1d, mem4d, fabin or fabout."""

    kind: Literal["mem1d", "mem4d", "fabin", "fabout"]


class Handle(Enum):
    """Types of identifiers that are small integers at run time."""

    COLOR = "color"
    INPUT_QUEUE = "input_queue"
    OUTPUT_QUEUE = "output_queue"
    LOCAL_TASK = "local_task_id"
    DATA_TASK = "data_task_id"
    CONTROL_TASK = "control_task_id"
    MICROTHREAD = "ut_id"
    DIRECTION = "direction"


@dataclass(frozen=True, slots=True)
class Void:
    """Type of a function that returns nothing."""


CoreType = Scalar | Pointer | Dsd | Handle | Void
Lanes = NDArray[np.generic]  # [pe of the class]


@dataclass(eq=False, slots=True)
class MemoryObject:
    """A variable in a PE's SRAM: `count` elements (1 for a scalar).

    `initial` is one value for all elements, or an array [count] or [count, pe]; None is zero.
    `address` is its first 16-bit word in the PE's memory, given by the front end.
    """

    name: str
    element: Scalar
    count: int
    initial: int | float | bool | NDArray[np.generic] | None = None
    address: int = 0
    at: Location | None = None


@dataclass(eq=False, slots=True)
class Slot:
    """A variable that holds a pointer, a DSD or a handle. `initial` is a constant expression."""

    name: str
    type: CoreType
    initial: Expr | None = None


@dataclass(eq=False, slots=True)
class Local:
    """A parameter or local variable of a function: a scalar, pointer, DSD or handle."""

    name: str
    type: CoreType
    index: int


@dataclass(eq=False, slots=True)
class Function:
    """A function or task. `locals` lists parameters first, then local variables."""

    name: str
    parameters: list[Local] = field(default_factory=lambda: [])
    locals: list[Local] = field(default_factory=lambda: [])
    result: CoreType = Void()
    body: list[Stmt] = field(default_factory=lambda: [])
    at: Location | None = None


# ---- expressions: each has a `type` ----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A constant; `value` is a Python number, or lanes. Handles are integers."""

    type: CoreType
    value: int | float | bool | Lanes


@dataclass(frozen=True, slots=True, eq=False)
class GetLocal:
    """The value of a local."""

    local: Local

    @property
    def type(self) -> CoreType:
        return self.local.type


@dataclass(frozen=True, slots=True, eq=False)
class GetSlot:
    """The value of a slot."""

    slot: Slot

    @property
    def type(self) -> CoreType:
        return self.slot.type


@dataclass(frozen=True, slots=True, eq=False)
class AddressOf:
    """Pointer to element `index` (a row-major flat index expression) of an object."""

    type: Pointer
    object: MemoryObject
    index: Expr


@dataclass(frozen=True, slots=True, eq=False)
class PointerAdd:
    """Pointer to the element `index` elements behind `pointer`."""

    type: Pointer
    pointer: Expr
    index: Expr


@dataclass(frozen=True, slots=True, eq=False)
class PointerCast:
    """The same address with another pointer type (`@ptrcast`)."""

    type: Pointer
    pointer: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """The scalar that `pointer` points to."""

    type: Scalar
    pointer: Expr
    at: Location | None = None


UnaryOp = Literal["neg", "not", "invert"]
BinaryOp = Literal["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]
CompareOp = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True, eq=False)
class UnaryExpr:
    """`-x`, `!x` or `~x`."""

    type: Scalar
    op: UnaryOp
    x: Expr


@dataclass(frozen=True, slots=True, eq=False)
class BinaryExpr:
    """Both operands have type `type` (for shifts only the left one); integers wrap."""

    type: Scalar
    op: BinaryOp
    lhs: Expr
    rhs: Expr


@dataclass(frozen=True, slots=True, eq=False)
class CompareExpr:
    """A comparison of operands of one type; the result is bool."""

    op: CompareOp
    lhs: Expr
    rhs: Expr
    type: Scalar = Scalar.BOOL


@dataclass(frozen=True, slots=True, eq=False)
class LogicExpr:
    """Short-circuit `and`, `or`."""

    op: Literal["and", "or"]
    lhs: Expr
    rhs: Expr
    type: Scalar = Scalar.BOOL


@dataclass(frozen=True, slots=True, eq=False)
class SelectExpr:
    """`if (condition) lhs else rhs` as a value; only one side is evaluated."""

    type: CoreType
    condition: Expr
    lhs: Expr
    rhs: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Convert:
    """`@as(type, x)`."""

    type: Scalar
    x: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Bitcast:
    """`@bitcast(type, x)`: the same bits."""

    type: Scalar
    x: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a CSL function."""

    function: Function
    arguments: tuple[Expr, ...]
    at: Location | None = None

    @property
    def type(self) -> CoreType:
        return self.function.result


@dataclass(frozen=True, slots=True, eq=False)
class LibraryCall:
    """A call of a function of a library that engines implement, e.g. `math.exp`.

    Names are `library.function` without type suffix (`math.exp`, `memcpy.unblock_cmd_stream`,
    `layout.get_x_coord`, `time.get_timestamp`, ...).
    """

    type: CoreType
    name: str
    arguments: tuple[Expr, ...]
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MakeMemDsd:
    """A memory DSD: base pointer, then element strides and extents, outermost first.

    Strides count elements of the operation that uses the DSD; extents are u16 expressions.
    A mem1d DSD has one of each. A mem4d DSD here has one stride per dimension (the coefficient
    of that index), not the hardware's address deltas.
    """

    type: Dsd
    base: Expr
    strides: tuple[Expr, ...]
    extents: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MakeFabDsd:
    """A fabin or fabout DSD. `queue` and `color` are constants (lanes allowed)."""

    type: Dsd
    queue: Expr | None
    color: Expr | None
    extent: Expr
    control: bool = False
    advance_switch: bool = False
    simd: Literal["off", "simd_32", "simd_64"] = "off"


@dataclass(frozen=True, slots=True, eq=False)
class UpdateDsd:
    """A DSD like `dsd` with one property changed (`@set_dsd_base_addr` and relatives).

    `base` takes a pointer and resets the offset; `offset` adds `value` elements of `element`.
    """

    type: Dsd
    dsd: Expr
    property: Literal["base", "offset", "length", "stride"]
    value: Expr
    element: Scalar | None = None


Expr = (
    Const
    | GetLocal
    | GetSlot
    | AddressOf
    | PointerAdd
    | PointerCast
    | Load
    | UnaryExpr
    | BinaryExpr
    | CompareExpr
    | LogicExpr
    | SelectExpr
    | Convert
    | Bitcast
    | Call
    | LibraryCall
    | MakeMemDsd
    | MakeFabDsd
    | UpdateDsd
)


# ---- statements: each has a place --------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class SetLocal:
    """`local = value;`."""

    local: Local
    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SetSlot:
    """`slot = value;`."""

    slot: Slot
    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Write a scalar through a pointer."""

    pointer: Expr
    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluate:
    """An expression statement (a call)."""

    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """`if (condition) { then } else { otherwise }`."""

    condition: Expr
    then: list[Stmt]
    otherwise: list[Stmt]
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """`while (condition) : (step) { body }`; `continue` goes to `step`."""

    condition: Expr
    step: list[Stmt]
    body: list[Stmt]
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """`for (@range(T, start, stop, step)) |variable|`; the optional index counts from 0."""

    variable: Local
    index: Local | None
    start: Expr
    stop: Expr
    step: Expr
    body: list[Stmt]
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """`return value;`."""

    value: Expr | None
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Break:
    """Leave the innermost loop."""

    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Continue:
    """Go on with the innermost loop."""

    at: Location | None = None


@dataclass(frozen=True, slots=True)
class DsdConfig:
    """What happens with and after a DSD operation."""

    is_async: bool = False
    activate: int | None = None  # local task id
    unblock: int | None = None  # task id (color on wse2 and queue on wse3 share the id space)
    microthread: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DsdOperation:
    """`@fmacs(dest, a, b, scalar)` and the like; operands are DSDs, scalars or pointers."""

    op: str  # "@fmacs"
    dest: Expr
    sources: tuple[Expr, ...]
    config: DsdConfig = DsdConfig()
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MapOperation:
    """`@map(function, inputs..., output)`; `output` is None when the function returns nothing.

    `function` is a CSL function or the name of a library function such as `math.exp`.
    """

    function: Function | str
    element: Scalar
    inputs: tuple[Expr, ...]
    output: Expr | None
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TaskControl:
    """`@activate`, `@block`, `@unblock` of a task id at run time."""

    action: Literal["activate", "block", "unblock"]
    task: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Assert:
    """`@assert(condition);`."""

    condition: Expr
    at: Location | None = None


Stmt = (
    SetLocal
    | SetSlot
    | Store
    | Evaluate
    | If
    | While
    | For
    | Return
    | Break
    | Continue
    | DsdOperation
    | MapOperation
    | TaskControl
    | Assert
)


# ---- a whole elaborated program ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TaskBinding:
    """A task bound to an id. Data tasks are found by color (wse2) or input queue (wse3)."""

    kind: Literal["local", "data", "control"]
    id: int
    function: Function


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol the host can see: a pointer variable, a scalar variable, or a function."""

    name: str
    target: Slot | MemoryObject | Function | Const | AddressOf


@dataclass(eq=False, slots=True)
class PEClass:
    """PEs that run the same core program.

    `x`, `y` are the coordinates of its PEs, relative to the program rectangle; lanes are in this
    order. `input_queues`, `output_queues` map queue ids to their color (lanes allowed).
    """

    file: str
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    objects: list[MemoryObject]
    slots: list[Slot]
    functions: list[Function]
    tasks: list[TaskBinding]
    activated: frozenset[int]
    blocked: frozenset[int]
    input_queues: Mapping[int, int | Lanes]
    output_queues: Mapping[int, int | Lanes]
    exports: Mapping[str, Export]
    code_bytes: int = 0


# Directions in route masks: bit 0 EAST, 1 WEST, 2 NORTH, 3 SOUTH, 4 RAMP.
EAST, WEST, NORTH, SOUTH, RAMP = 1, 2, 4, 8, 16


@dataclass(eq=False, slots=True)
class Routes:
    """Static routes of one color: masks of directions accepted (rx) and sent to (tx)."""

    rx: NDArray[np.uint8]  # [y, x]
    tx: NDArray[np.uint8]  # [y, x]


@dataclass(eq=False, slots=True)
class Elaborated:
    """A program on its rectangle of PEs, ready for an engine."""

    arch: Literal["wse2", "wse3"]
    width: int
    height: int
    classes: list[PEClass]
    routes: Mapping[int, Routes]  # by color
    export_types: Mapping[str, str]  # layout's @export_name: name -> type as written
