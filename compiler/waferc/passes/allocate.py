"""Values into arrays in the SRAM of the PEs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from waferc.analysis.footprint import Footprint, Placed, arrays, footprints
from waferc.analysis.liveness import Storage, storages
from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.diagnostics import Location, WaferError, collect
from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.ops import tile_structure
from waferc_ir.printer import value_numbers
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Buffer, Region, TiledType

_SHOWN = 5  # largest arrays in an error


class AllocateError(WaferError):
    """A PE's SRAM is too small for its part of the program."""

    code = "allocate"


@dataclass(frozen=True)
class Allocate(Pass):
    """Give every value an array in its PEs, shared by values that are not needed together.

    A reshape has its operand's array; elementwise operations, masks and all_reduces may write
    over an operand that nobody reads afterwards. Refuses regions whose weights, activations, code
    and stack exceed the SRAM of a PE.
    """

    name = "allocate"

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        if program.kind != "tiled":
            raise AllocateError(f"program @{program.name} has no tiles yet", help="run tile first")
        packed = arrays(storages(program))
        problems = [
            _overflow(program, footprint, packed, machine)
            for footprint in footprints(program, machine)
            if footprint.over_bytes > 0
        ]
        error = collect(problems)
        if error is not None:
            raise error
        return unit.with_program(replace(program, buffers=_buffers(program, packed)))


def _buffers(program: Program, packed: Sequence[Placed]) -> tuple[Buffer, ...]:
    numbers = value_numbers(program)

    def values(array: Placed) -> tuple[int, ...]:
        return tuple(sorted(numbers[v] for storage in array.storages for v in storage.values))

    ordered = sorted(packed, key=lambda array: values(array)[0])
    return tuple(
        Buffer(
            f"b{number}",
            array.storages[0].region,
            array.storages[0].dtype,
            array.elements,
            values(array),
        )
        for number, array in enumerate(ordered)
    )


def _overflow(
    program: Program, footprint: Footprint, packed: Sequence[Placed], machine: Machine
) -> AllocateError:
    region = program.region(footprint.region)
    mine = [a for a in packed if a.storages[0].region == region.name]
    mine.sort(key=lambda array: -array.size_bytes)
    makers = {s.result: s for s in program.statements if s.result is not None}
    rows = [
        ("weights", footprint.state_bytes),
        ("activations", footprint.activation_bytes),
        ("code and stack", footprint.overhead_bytes),
        ("together", footprint.total_bytes),
        ("SRAM of a PE", footprint.limit_bytes),
    ]
    notes = [f"{name:<14} {size:>11,} bytes" for name, size in rows]
    notes += [f"largest: {_item(array, makers)}" for array in mine[:_SHOWN]]
    return AllocateError(
        f"a PE of region @{region.name} ({region.width} x {region.height} PEs) needs"
        f" {footprint.total_bytes:,} bytes of SRAM and has {footprint.limit_bytes:,}",
        _place(mine[0].storages[0], makers) if mine else None,
        notes=notes,
        help=_remedy(program, region, footprint, machine),
    )


def _item(array: Placed, makers: dict[Value, Statement]) -> str:
    """An array in words: its bytes, what it holds, where that comes from."""
    head = array.storages[0]
    value = head.values[0]
    given = value.type
    assert isinstance(given, TiledType)
    op = makers[value].op
    labelled = isinstance(op, tile_structure.State | tile_structure.Input)
    what = f"{op.name} {op.label!r}" if labelled else op.name
    at = _place(head, makers)
    place = "" if at is None else f", {at.file}:{at.line}"
    return f"{array.size_bytes:,} bytes for {what}, {given}{place}"


def _place(storage: Storage, makers: dict[Value, Statement]) -> Location | None:
    places = (makers[value].at for value in storage.values)
    return next((at for at in places if at is not None), None)


def _remedy(program: Program, region: Region, footprint: Footprint, machine: Machine) -> str:
    """A region size that has room for all tiles, if they shrink as it grows; or f16."""
    room = footprint.limit_bytes - footprint.overhead_bytes
    count = len(program.regions)
    narrower = "" if _is_half(program) else ", or compile for f16"
    if room <= 0:
        return f"the code alone fills the SRAM: cut the program into more than {count} stages"
    growth = math.sqrt((footprint.state_bytes + footprint.activation_bytes) / room)
    width, height = (math.ceil(extent * growth) for extent in (region.width, region.height))
    across = machine.program_width // width
    if across and across * (machine.program_height // height) >= count:
        return f"give regions of {width} x {height} PEs or more{narrower}"
    return f"cut the program into more than {count} stages{narrower}"


def _is_half(program: Program) -> bool:
    dtypes = {s.result.type.dtype for s in program.statements if s.result is not None}
    return DType.F32 not in dtypes
