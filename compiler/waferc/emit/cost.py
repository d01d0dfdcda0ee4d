"""Cycles and code size that a PE's statements are reckoned to take.

The estimate follows the cycle model of `docs/architecture.md` on one PE. Conflicts in the banks of
the memory are in it where descriptors are known, waiting for the fabric is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from waferc.emit.pe_program import (
    BITS,
    CallVectors,
    Descriptor,
    DsdOperation,
    Fabric,
    For,
    If,
    Immediate,
    LetDsd,
    LetScalar,
    Loaded,
    LoadRegister,
    MapOperation,
    Memory,
    Moved,
    Named,
    Operand,
    PeProgram,
    Pointer,
    Register,
    Scalar,
    SetLength,
    Statement,
)
from waferc_ir.machine import Machine
from waferc_runtime.builtins.banks import Walk, memory_cycles
from waferc_runtime.builtins.dsd import DSD_OPS

# Bytes of instructions per statement: a DSD operation loads up to three descriptors of 8 to 16
# bytes; no vendor figure is published, so these are upper guesses.
_DSD_BYTES = 40
_MAP_BYTES = 56
_SCALAR_BYTES = 12
_CONTROL_BYTES = 16
_FUNCTION_BYTES = 24
_RUNTIME_BYTES = 2_048  # host command loop of <memcpy/memcpy>


def cycles(statements: Iterable[Statement], machine: Machine, repeats: bool = False) -> int:
    """Cycles of a statement list run once on one PE; `repeats`: it stands in a loop."""
    return sum(_statement(statement, machine, repeats) for statement in statements)


def _statement(statement: Statement, machine: Machine, repeats: bool) -> int:
    match statement:
        case DsdOperation(name=name, dest=dest, sources=sources):
            elements = _elements([*sources, dest])
            operands = sum(_operand(operand, machine) for operand in (dest, *sources))
            width = _fabric_width([*sources, dest]) or _width(name, machine)
            loaded = Moved | Named if repeats else Moved | Named | Memory | Fabric
            loads = sum(isinstance(operand, loaded) for operand in (dest, *sources))
            setup = machine.dsd_setup_cycles + loads * machine.dsr_load_cycles
            return setup + (_banked(statement, machine) or -(-elements // width)) + operands
        case MapOperation(inputs=inputs, output=output, cycles=each):
            elements = _elements([*inputs, output])
            operands = sum(_operand(operand, machine) for operand in (*inputs, output))
            return operands + elements * (each + machine.loop_cycles)
        case CallVectors(cycles=each):
            return each
        case LetDsd(value=value):
            return _operand(value, machine)
        case LoadRegister(value=value):
            return machine.dsr_load_cycles + _operand(value, machine)
        case SetLength():
            return machine.dsd_update_cycles
        case LetScalar(operations=operations):
            return operations * machine.scalar_cycles
        case For(body=body):
            return statement.trips * (machine.loop_cycles + cycles(body, machine, True))
        case If(branches=branches, otherwise=otherwise):
            bodies = [cycles(body, machine, repeats) for _, body in branches]
            return machine.scalar_cycles + max([*bodies, cycles(otherwise, machine, repeats)])
        case _:
            assert_never(statement)


def _banked(statement: DsdOperation, machine: Machine) -> int:
    """Cycles of the elements as the banks of the memory allow, if all places are known; else 0."""
    op = DSD_OPS[f"@{statement.name}"]
    walks: list[Walk] = []
    for operand in (*statement.sources, statement.dest):
        match operand:
            case Memory(array=array, extents=extents, strides=strides, offset=offset):
                words = BITS[array.element] // 16
                base = (array.lead + offset) * words
                walks.append(Walk(base, tuple(s * words for s in strides), extents, words))
            case Immediate() | Loaded() | Scalar():
                continue
            case _:
                return 0
    *reads, write = walks
    elements = _elements([*statement.sources, statement.dest])
    width = op.elements_per_cycle(machine)
    return int(memory_cycles(width, elements, machine, reads, write))


def _width(name: str, machine: Machine) -> int:
    return DSD_OPS[f"@{name}"].elements_per_cycle(machine)


def _operand(operand: Operand, machine: Machine) -> int:
    match operand:
        case Moved(by=by):
            return machine.dsd_update_cycles + by.operations() * machine.scalar_cycles
        case Loaded(index=index):
            return (1 + index.operations()) * machine.scalar_cycles
        case Pointer(index=index):
            return index.operations() * machine.scalar_cycles
        case _:
            return 0


def _elements(operands: Sequence[Operand]) -> int:
    sizes = [o.elements for o in operands if isinstance(o, Descriptor)]
    return max(sizes, default=1)


def _fabric_width(operands: Sequence[Operand]) -> int:
    """Elements per cycle where an operand is a fabric DSD, else 0."""
    held = [o.value if isinstance(o, Register) else o for o in operands]
    return max([1 + o.is_packed for o in held if isinstance(o, Fabric)], default=0)


def code_bytes(program: PeProgram) -> int:
    """Bytes of code that a region's PE file is reckoned to need, host command loop included."""
    functions = sum(_FUNCTION_BYTES + _code(function.body) for function in program.functions)
    scalars = sum(
        _FUNCTION_BYTES + _SCALAR_BYTES * function.text.count(";")
        for function in program.scalar_functions
    )
    return _RUNTIME_BYTES + functions + scalars


def _code(statements: Iterable[Statement]) -> int:
    total = 0
    for statement in statements:
        match statement:
            case DsdOperation():
                total += _DSD_BYTES
            case MapOperation():
                total += _MAP_BYTES
            case CallVectors() | LetDsd() | LoadRegister() | SetLength() | LetScalar():
                total += _SCALAR_BYTES
            case For(body=body):
                total += _CONTROL_BYTES + _code(body)
            case If(branches=branches, otherwise=otherwise):
                bodies = [_code(body) for _, body in branches]
                total += _CONTROL_BYTES * len(bodies) + sum(bodies) + _code(otherwise)
    return total


def array_bytes(program: PeProgram) -> int:
    """Bytes of all arrays of a region's PE."""
    return sum(array.count * BITS[array.element] // 8 for array in program.arrays)
