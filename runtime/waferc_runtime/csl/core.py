"""Core CSL: what is left of a program after compile-time evaluation.

The front end resolves names, evaluates everything that is known at compile time, takes the
taken branches and types every expression; both engines run only what stands here. A value that
is known at compile time but differs between the PEs of a class (a param such as a position or a
role) is a `Const` whose value is an array with one entry per PE of the class ("lanes").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
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
    """Type of a DSD value: mem1d, mem4d, fabin or fabout; or of a FIFO."""

    kind: Literal["mem1d", "mem4d", "fabin", "fabout", "fifo"]


DsrFile = Literal["dest", "src0", "src1"]


@dataclass(frozen=True, slots=True)
class Dsr:
    """Type of a DSR: at run time the number of a register of one file."""

    file: DsrFile


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


CoreType = Scalar | Pointer | Dsd | Dsr | Handle | Void
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
class Fifo:
    """A FIFO (`@allocate_fifo`): its capacity is all of `buffer`, in elements of the operation.

    `activate_pop`, `activate_push` are local tasks: the first is activated by a pop that makes
    room in a FIFO that was found full, the second by a push into one that was found empty.
    """

    name: str
    buffer: MemoryObject
    activate_pop: int | None = None
    activate_push: int | None = None
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
    """`@as(type, x)`; of a handle: its number."""

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
    of that index), not the hardware's address deltas. With `takes_index` the `index` of the
    operation's config, in 16-bit words, is added to the base (`.wavelet_index_offset`).
    """

    type: Dsd
    base: Expr
    strides: tuple[Expr, ...]
    extents: tuple[Expr, ...]
    takes_index: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MakeFabDsd:
    """A fabin or fabout DSD. `queue` and `color` are constants (lanes allowed).

    `control`: it sends control wavelets. `advance_switch`: behind the last wavelet the sender's
    own switch of the color advances. `takes_index`: the `index` of the operation's config becomes
    the high half of each wavelet of a 16-bit operation. `control_transform`: the control bit
    passes through a FIFO in the highest bit of the index.
    """

    type: Dsd
    queue: Expr | None
    color: Expr | None
    extent: Expr
    control: bool = False
    advance_switch: bool = False
    simd: Literal["off", "simd_32", "simd_64"] = "off"
    takes_index: bool = False
    control_transform: bool = False


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


@dataclass(frozen=True, slots=True, eq=False)
class FifoValue:
    """A FIFO as the operand of a DSD operation."""

    fifo: Fifo
    type: Dsd = Dsd("fifo")


@dataclass(frozen=True, slots=True, eq=False)
class GetConfig:
    """The u16 in a configuration register (`@get_config`); see `csl.registers`."""

    address: Expr
    type: Scalar = Scalar.U16
    at: Location | None = None


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
    | FifoValue
    | GetConfig
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


Priority = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class OnControl:
    """What a control wavelet on the operation's fabin does: it ends it, and tells a task.

    The operation tells those too that it tells at its end.
    """

    activate: int | None = None
    unblock: int | None = None


@dataclass(frozen=True, slots=True)
class DsdConfig:
    """What happens with and after a DSD operation, or with each that uses a DSR."""

    is_async: bool = False
    activate: int | None = None  # local task id
    unblock: int | None = None  # task id (color on wse2 and queue on wse3 share the id space)
    microthread: int | None = None
    on_control: OnControl | None = None
    priority: Priority | None = None
    index: Expr | None = None  # u16; for operands that take an index

    def with_registers(self, loaded: Iterable[DsdConfig]) -> DsdConfig:
        """This one together with those that an operation's DSRs were loaded with.

        An operation is asynchronous if it says so or a register does; what it does not say itself
        the registers say, the destination's before those of the sources.
        """
        config = self
        for other in loaded:
            if not other.is_async:
                continue
            is_silent = config.activate is None and config.unblock is None
            config = DsdConfig(
                is_async=True,
                activate=other.activate if is_silent else config.activate,
                unblock=other.unblock if is_silent else config.unblock,
                microthread=other.microthread if config.microthread is None else config.microthread,
                on_control=config.on_control or other.on_control,
                priority=config.priority or other.priority,
                index=config.index or other.index,
            )
        return config


@dataclass(frozen=True, slots=True, eq=False)
class DsdOperation:
    """`@fmacs(dest, a, b, scalar)` and the like; operands are DSDs, DSRs, scalars or pointers.

    An operand of type `Dsr` stands for the DSD loaded into that register. Where one of them was
    loaded with an asynchronous config and `config` is not asynchronous, the register's holds.
    `result`, a bool, is whether a synchronous operation with a FIFO went to its end. `repeats`: it
    stands in a loop of its function.
    """

    op: str  # "@fmacs"
    dest: Expr
    sources: tuple[Expr, ...]
    config: DsdConfig = DsdConfig()
    at: Location | None = None
    result: Local | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LoadDsr:
    """`@load_to_dsr(dsr, dsd, config)`.

    With `save_address` each operation leaves the base where it stopped, along the outermost
    dimension; else a register starts at its base again. `single_step`: an operation takes one
    element and leaves the base behind it.
    """

    dsr: Expr
    dsd: Expr
    config: DsdConfig = DsdConfig()
    save_address: bool = False
    single_step: bool = False
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SetFifoLength:
    """`@set_fifo_read_length` and `@set_fifo_write_length`."""

    fifo: Fifo
    side: Literal["read", "write"]
    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SetConfig:
    """Write a u16 into a configuration register (`@set_config`); see `csl.registers`."""

    address: Expr
    value: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FlushQueue:
    """`@queue_flush(queue)`: the handler of the output queue runs as soon as it is empty."""

    queue: Expr
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A value to print: as a decimal, hexadecimal, binary or floating point number."""

    value: Expr
    form: Literal["d", "X", "b", "f"]


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """Text and values for the print buffer of a PE (`<simprint>`). It costs no cycles.

    Each newline in the text ends a line, which is told to the observer; what stands behind the
    last one waits for more. `builtins.printing` says how values look and cuts lines.
    """

    parts: tuple[str | Shown, ...]
    with_coordinates: bool = False  # "PE(x,y): " stands in front
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
    """`@activate`, `@block`, `@unblock` of a task id at run time.

    A `task` of type `Handle.MICROTHREAD` is a microthread to block or unblock (wse3).
    """

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
    | LoadDsr
    | SetFifoLength
    | SetConfig
    | FlushQueue
    | Print
    | MapOperation
    | TaskControl
    | Assert
)


# ---- a whole elaborated program ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TaskBinding:
    """A task bound to an id. Data tasks are found by color (wse2) or input queue (wse3).

    A control task has no parameters, or takes the low half of the wavelet, or that and the id.
    """

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
    `dsrs` are loads and `configs` writes of configuration registers to carry out before the
    program starts, all of their operands constants; `teardown_handlers` are functions by
    color, run as the teardown task (id 29) when a color is torn down by a control wavelet;
    `empty_queue_handlers` functions by output queue. Tasks in `high_priority` are chosen first.
    `symbols` are all global variables by the names that debuggers know (`module.variable`).
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
    fifos: list[Fifo] = field(default_factory=lambda: [])
    dsrs: list[LoadDsr] = field(default_factory=lambda: [])
    configs: list[SetConfig] = field(default_factory=lambda: [])
    teardown_handlers: Mapping[int, Function] = field(default_factory=lambda: {})
    empty_queue_handlers: Mapping[int, Function] = field(default_factory=lambda: {})
    high_priority: frozenset[int] = frozenset()
    symbols: Mapping[str, MemoryObject] = field(default_factory=lambda: {})


# Directions in route masks: bit 0 EAST, 1 WEST, 2 NORTH, 3 SOUTH, 4 RAMP.
EAST, WEST, NORTH, SOUTH, RAMP = 1, 2, 4, 8, 16


class PopMode(IntEnum):
    """When a router drops the first command of a control wavelet that it sends on."""

    NO_POP = 0
    ALWAYS_POP = 1
    POP_ON_ADVANCE = 2
    POP_ON_ADVANCE_NOP = 3


@dataclass(eq=False, slots=True)
class Switches:
    """Switch positions of one color, beside position 0, which is the routes.

    `rx[k - 1]`, `tx[k - 1]` are the masks given at position k, 0 where it gives none: then those
    of the nearest position before it that does (or the routes) hold. Bit k of `valid` says that
    position k exists. `position` is where the switch stands at first.
    """

    rx: NDArray[np.uint8]  # [3, y, x]
    tx: NDArray[np.uint8]  # [3, y, x]
    valid: NDArray[np.uint8]  # [y, x]
    position: NDArray[np.uint8]  # [y, x]
    ring: NDArray[np.bool_]  # [y, x]
    pop: NDArray[np.uint8]  # [y, x] PopMode


class FilterKind(IntEnum):
    """Which wavelets a filter passes to the ramp; NONE: all of them."""

    NONE = 0
    COUNTER = 1
    SPARSE_COUNTER = 2
    RANGE = 3


@dataclass(eq=False, slots=True)
class Filters:
    """Filters of one color, between router and ramp. Other directions are not filtered.

    COUNTER: the counter begins at `init_counter`; a counted wavelet (`count_data`,
    `count_control`) passes if counter <= `max_counter`, then the counter is incremented, to 0
    behind `limit1`. With `filter_control` control wavelets pass only when the counter equals
    `max_counter`. SPARSE_COUNTER: the same; behind `limit1`, `limit2` takes its place if it is
    not -1, once, and behind that the filter passes everything. RANGE: data wavelets pass if their
    high half is in [`min_idx`, `max_idx`]; control wavelets always do.
    """

    kind: NDArray[np.uint8]  # [y, x] FilterKind
    count_data: NDArray[np.bool_]  # [y, x], as all that follow
    count_control: NDArray[np.bool_]
    filter_control: NDArray[np.bool_]
    init_counter: NDArray[np.int32]
    limit1: NDArray[np.int32]
    limit2: NDArray[np.int32]
    max_counter: NDArray[np.int32]
    min_idx: NDArray[np.int32]
    max_idx: NDArray[np.int32]


# Bits of `Routes.swap`: a wavelet that arrives over an east or west (x), or a north or south (y)
# link on the partner color (`color ^ 1`) is taken as one of this color; both: from the ramp too.
SWAP_X, SWAP_Y = 1, 2


@dataclass(eq=False, slots=True)
class Routes:
    """Routes of one color: masks of directions accepted (rx) and sent to (tx).

    A color with neither switches, filters, teardown nor swap anywhere, and whose configuration no
    program writes, has static routes. `teardown`: torn down from the start.
    """

    rx: NDArray[np.uint8]  # [y, x]
    tx: NDArray[np.uint8]  # [y, x]
    switches: Switches | None = None
    filters: Filters | None = None
    teardown: NDArray[np.bool_] | None = None  # [y, x]
    swap: NDArray[np.uint8] | None = None  # [y, x]


@dataclass(eq=False, slots=True)
class Elaborated:
    """A program on its rectangle of PEs, ready for an engine.

    `host_inputs` are colors on which the host sends words straight to ramps, `host_outputs` those
    on which words from ramps go to the host: memcpy's streaming colors. They have no routes.
    `color_names` are the colors that the layout's parameters name.
    """

    arch: Literal["wse2", "wse3"]
    width: int
    height: int
    classes: list[PEClass]
    routes: Mapping[int, Routes]  # by color
    export_types: Mapping[str, str]  # layout's @export_name: name -> type as written
    host_inputs: frozenset[int] = frozenset()
    host_outputs: frozenset[int] = frozenset()
    color_names: Mapping[str, int] = field(default_factory=lambda: {})
