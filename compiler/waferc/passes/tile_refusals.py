"""What is said of a program that is too large: how many wafers it needs, and what would help."""

from __future__ import annotations

from collections.abc import Iterator

from waferc.layouts.problem import TileError
from waferc.layouts.strategy import tensor
from waferc.passes.tile_parts import Tiling, kept, part_bytes
from waferc_ir.dtypes import DType
from waferc_ir.machine import MACHINES, Machine
from waferc_ir.ops import graph_structure


def too_many_weights(tiling: Tiling, wafers: int) -> TileError:
    """The refusal of a program whose weights alone are too many for so many wafers."""
    machine = tiling.machine
    room = _room(machine)
    weights = sum(map(part_bytes, tiling.parts))
    wafer = room * _pes(machine)
    least = -(-weights // wafer)
    return TileError(
        f"the weights of @{tiling.program.name} do not fit {_wafers(machine, wafers)}",
        notes=[
            f"they take {weights:,} bytes; a PE has {room:,} bytes beside its code, the"
            f" program rectangle {machine.program_width} x {machine.program_height} PEs",
            f"{weights - wafers * wafer:,} bytes are too much: {least:,} such wafers hold them,"
            " activations and code aside",
        ],
        help=_help(tiling, least),
    )


def too_many_pes(tiling: Tiling, needed: int, wafers: int) -> TileError:
    """The refusal of a program whose parts need more PEs than so many wafers have."""
    machine = tiling.machine
    pes = _pes(machine)
    least = max(wafers + 1, -(-needed // pes))
    return TileError(
        f"the {len(tiling.parts)} parts of @{tiling.program.name} do not fit"
        f" {_wafers(machine, wafers)} side by side",
        notes=[
            f"they need {needed:,} PEs at least; the program rectangle of"
            f" {machine.program_width} x {machine.program_height} has {pes:,}:"
            f" {least:,} such wafers may do",
        ],
        help=_help(tiling, least),
    )


def _help(tiling: Tiling, wafers: int) -> str:
    ways = [*_ways(tiling, wafers)]
    return f"any of these makes it fit, or comes nearer: {'; '.join(ways)}"


def _ways(tiling: Tiling, wafers: int) -> Iterator[str]:
    """What would make a program fit, the surest first."""
    machine = tiling.machine
    stages = " and stages=auto" if len(tiling.parts) == 1 else ""
    yield f"wafers={wafers}{stages}"
    values = {v: s.op for part in tiling.parts for v, s in kept(part).items()}
    if any(tensor(value).dtype is DType.F32 for value in values):
        yield "dtype f16 or mixed"
    caches = [v for v, op in values.items() if isinstance(op, graph_structure.State)]
    if caches:
        size = sum(tensor(v).elements * tensor(v).dtype.size_bytes for v in caches)
        yield f"a shorter context (caches and other states take {size:,} bytes)"
    largest = max(MACHINES.values(), key=lambda one: _pes(one) * _room(one))
    whole = MACHINES.get(machine.name)
    if whole is not None and _pes(machine) < _pes(whole):
        yield f"more of the wafer ({whole.program_width} x {whole.program_height} PEs)"
    if _pes(machine) * _room(machine) < _pes(largest) * _room(largest):
        yield f"target {largest.name}"


def _wafers(machine: Machine, wafers: int) -> str:
    return machine.name if wafers == 1 else f"{wafers:,} wafers {machine.name}"


def _room(machine: Machine) -> int:
    return machine.sram_bytes - machine.reserved_bytes


def _pes(machine: Machine) -> int:
    return machine.program_width * machine.program_height
