"""How long values live, and which of them can lie in one place of a PE's memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from waferc_ir.dtypes import DType
from waferc_ir.entries import entries, single
from waferc_ir.ops import collective, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.types import TiledType

_IN_PLACE = (
    tile_compute.Unary,
    tile_compute.Binary,
    tile_compute.BinaryScalar,
    tile_compute.Select,
    tile_compute.CausalMask,
    tile_compute.MaskPadding,
    collective.AllReduce,
)


@dataclass(frozen=True, slots=True)
class Storage:
    """Values that share one array in every PE of a region, one after the other or as views.

    `first` and `last` number the statements between which it is needed, both included; before and
    after the statements of each entry there is a number that stands for "before the call" and
    "after it". A state is needed always.
    """

    region: str
    dtype: DType
    elements: int
    first: int
    last: int
    values: tuple[Value, ...]
    is_state: bool

    @property
    def size_bytes(self) -> int:
        """Bytes in a PE's SRAM, rounded up to whole 32-bit words."""
        return -(-self.elements * self.dtype.size_bytes // 4) * 4

    def meets(self, other: Storage) -> bool:
        """Whether both are needed at the same time."""
        return self.first <= other.last and other.first <= self.last


@dataclass
class _Class:
    """A storage while it grows. `last` is the last statement that reads it.

    `stored` are values that may be written over a state: what is stored to it at the end, and
    values that only become that, in place.
    """

    first: int
    last: int
    values: list[Value]
    is_state: bool
    stored: frozenset[Value] = frozenset()


def float_type(program: Program) -> DType:
    """The floating-point type that a tiled program computes in: f32 if it occurs, else f16.

    Tiles of bool values hold 0 and 1 in it.
    """
    dtypes = {s.result.type.dtype for s in program.statements if s.result is not None}
    return DType.F16 if DType.F16 in dtypes and DType.F32 not in dtypes else DType.F32


def storage_dtype(given: TiledType, float_dtype: DType) -> DType:
    """Element type of the array that holds tiles of a value."""
    return float_dtype if given.dtype is DType.BOOL else given.dtype


def reads(op: Op) -> tuple[Value, ...]:
    """The operands whose content an operation reads."""
    return (op.x,) if isinstance(op, tile_structure.Store) else op.operands()


def last_uses(program: Program) -> dict[Value, int]:
    """Number of the last statement that reads each value; that of its own if none does.

    The value of an output is read after the last statement; a store does not read its state.
    """
    last: dict[Value, int] = {}
    for number, statement in enumerate(program.statements):
        if statement.result is not None:
            last[statement.result] = number
        for operand in reads(statement.op):
            last[operand] = number
    for statement in program.statements:
        if isinstance(statement.op, tile_structure.Output):
            last[statement.op.x] = len(program.statements)
    return last


def storages(program: Program) -> list[Storage]:
    """The storages of a tiled program, in the order of their first values.

    A reshape is a view of its operand. Elementwise operations, masks and all_reduces write over an
    operand of the result's size that nobody reads afterwards, unless it is a weight; over a
    state only if what they make is what is stored to it. Values of different entries never meet,
    but in states.
    """
    found: dict[Value, Storage] = {}
    float_dtype = float_type(program)
    start = 0
    for entry in entries(program):
        mine = single(program, entry)
        for storage in _storages(mine, start, float_dtype):
            head = storage.values[0]
            known = found.get(head)
            if known is not None:  # a state that an earlier entry uses too
                values = tuple(dict.fromkeys([*known.values, *storage.values]))
                storage = replace(known, values=values)
            found[head] = storage
        start += len(mine.statements) + 2
    return [replace(s, first=-1, last=start) if s.is_state else s for s in found.values()]


def _storages(program: Program, start: int, float_dtype: DType) -> list[Storage]:
    """The storages of one entry, whose first statement has the number `start`."""
    last = last_uses(program)
    stored = _stored(program, last)
    classes: list[_Class] = []
    of: dict[Value, _Class] = {}
    for number, statement in enumerate(program.statements):
        op, result = statement.op, statement.result
        if result is None:
            continue
        home = _shared(op, result, number, of, float_dtype)
        if home is None:
            outside = isinstance(op, tile_structure.Input | tile_structure.State)
            is_state = isinstance(op, tile_structure.State)
            begin = -1 if outside else number
            home = _Class(begin, last[result], [], is_state, stored.get(result, frozenset()))
            classes.append(home)
        home.values.append(result)
        home.last = max(home.last, last[result])
        of[result] = home
    return [_storage(found, float_dtype, start) for found in classes]


def _stored(program: Program, last: Mapping[Value, int]) -> dict[Value, frozenset[Value]]:
    """For each state, what is stored to it, and what only becomes that in place."""
    makers = {s.result: (n, s.op) for n, s in enumerate(program.statements) if s.result is not None}
    found: dict[Value, frozenset[Value]] = {}
    for statement in program.statements:
        if not isinstance(statement.op, tile_structure.Store):
            continue
        values: set[Value] = set()
        front = [statement.op.x]
        while front:
            value = front.pop()
            values.add(value)
            number, op = makers[value]
            if isinstance(op, _IN_PLACE):
                front += [v for v in op.operands() if last[v] == number and v not in values]
        found[statement.op.state] = frozenset(values)
    return found


def _shared(
    op: Op, result: Value, number: int, of: Mapping[Value, _Class], float_dtype: DType
) -> _Class | None:
    """The storage of an operand that the result can have, if there is one."""
    if isinstance(op, tile_move.Reshape):
        return of[op.x]
    if not isinstance(op, _IN_PLACE):
        return None
    wanted = _tiled(result)
    for operand in op.operands():
        home, given = of[operand], _tiled(operand)
        same = given.local_elements == wanted.local_elements and storage_dtype(
            given, float_dtype
        ) is storage_dtype(wanted, float_dtype)
        may_write = not home.is_state or result in home.stored
        if same and home.last == number and may_write:
            return home
    return None


def _storage(found: _Class, float_dtype: DType, start: int) -> Storage:
    given = _tiled(found.values[0])
    return Storage(
        given.region,
        storage_dtype(given, float_dtype),
        math.prod(given.local_shape),
        start + found.first,
        start + found.last,
        tuple(found.values),
        found.is_state,
    )


def _tiled(value: Value) -> TiledType:
    assert isinstance(value.type, TiledType)
    return value.type
