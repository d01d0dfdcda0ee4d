"""What the core language costs in cycles, from the constants of a machine.

Costs are of a node alone; those of its operands come on top. Of `and`, `or` and `if` as values
only the evaluated operands cost. Constants, locals, descriptors at rest and address arithmetic
are free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from waferc_ir.machine import Machine
from waferc_runtime.builtins.banks import Int, Walk, memory_cycles
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl.core import (
    AddressOf,
    BinaryExpr,
    Call,
    CompareExpr,
    Const,
    Convert,
    Dsd,
    DsdOperation,
    Expr,
    FifoValue,
    LibraryCall,
    Load,
    LoadDsr,
    LogicExpr,
    MakeFabDsd,
    MakeMemDsd,
    PointerAdd,
    PointerCast,
    SelectExpr,
    Stmt,
    Store,
    TaskControl,
    UnaryExpr,
    UpdateDsd,
)


def expression_cycles(node: Expr, machine: Machine) -> int:
    """Cycles of one expression node without its operands; of a call without the body."""
    match node:
        case Load() | UnaryExpr() | CompareExpr() | LogicExpr() | SelectExpr() | Convert():
            return machine.scalar_cycles
        case BinaryExpr():
            is_divide = node.op in ("/", "%") and node.type.is_float
            return machine.divide_cycles if is_divide else machine.scalar_cycles
        case UpdateDsd():
            return machine.dsd_update_cycles
        case MakeMemDsd() | MakeFabDsd():
            return 0 if is_constant(node) else machine.dsd_update_cycles
        case Call():
            return machine.call_cycles
        case LibraryCall():
            return library_cycles(node.name, machine)
        case _:
            return 0


def statement_cycles(node: Stmt, machine: Machine) -> int:
    """Cycles of one statement without its expressions, its body and what a DSD operation does.

    Loops cost `loop_cycles` per iteration, see `Machine`; an assertion and its condition are free.
    """
    match node:
        case Store() | TaskControl():
            return machine.scalar_cycles
        case LoadDsr():
            return machine.dsr_load_cycles
        case _:
            return 0


def library_cycles(name: str, machine: Machine) -> int:
    """Cycles of a call of a library function."""
    function = MATH_FUNCTIONS.get(name)
    if function is not None:
        return function.cycles(machine)
    return machine.call_cycles


def operand_cycles(statement: DsdOperation, machine: Machine) -> int:
    """Cycles to bring an operation's descriptors from memory into registers.

    DSRs and FIFOs are there. Of descriptors that are known at compile time the compiler is taken
    to move the loads out of loops, where they are not counted.
    """
    nodes = (statement.dest, *statement.sources)
    loads = sum(
        isinstance(node.type, Dsd)
        and node.type.kind != "fifo"
        and not (statement.repeats and is_constant(node))
        for node in nodes
    )
    return loads * machine.dsr_load_cycles


def memory_operation_cycles(
    op: DsdOp,
    elements: int,
    machine: Machine,
    reads: Sequence[Walk],
    write: Walk | None,
    loops: tuple[int, ...] = (),
) -> Int:
    """Cycles of a DSD operation whose operands are all in memory, or are scalars and pointers.

    `reads` are the sources in memory, `write` the destination if it is there. With `loops`, the
    trips of loops around the operation, the sum over all iterations. [pe] if some base is.
    """
    times = math.prod(loops)
    if elements == 0:
        return machine.dsd_setup_cycles * times
    width = op.elements_per_cycle(machine)
    moving = memory_cycles(width, elements, machine, reads, write, loops)
    return machine.dsd_setup_cycles * times + moving


def unhindered_cycles(
    op: DsdOp, elements: int, machine: Machine, loops: tuple[int, ...] = ()
) -> int:
    """What `memory_operation_cycles` were if the memory always kept up with the operation.

    The difference are cycles in which it waits for banks, or for results to be written.
    """
    moving = -(-elements // op.elements_per_cycle(machine))
    return (machine.dsd_setup_cycles + moving) * math.prod(loops)


def task_start_cycles(
    kind: Literal["local", "data", "control", "host", "handler"], machine: Machine
) -> int:
    """Cycles from the choice of a task to its first statement; none for a command of the host."""
    match kind:
        case "host":
            return 0
        case "data":
            return machine.data_task_cycles
        case _:
            return machine.task_switch_cycles


def flight_cycles(hops: int, machine: Machine) -> int:
    """Cycles from processing a word at its sender until it can be processed `hops` away."""
    return 1 + 2 * machine.ramp_cycles + hops * machine.hop_cycles


def path_capacity_wavelets(
    output_queue: int | None, input_queue: int | None, hops: int, machine: Machine
) -> int:
    """Unconsumed words that a sender may have on the way to one receiver.

    Its output queue, the buffers of all routers on the path (both ends included) and the
    receiver's input queue. Word j is sent no earlier than one cycle after word
    `j - capacity` was processed by every receiver. An unknown queue counts as the deepest.
    """
    outs, ins = machine.output_queue_depths, machine.input_queue_depths
    out_depth = max(outs) if output_queue is None else outs[output_queue]
    in_depth = max(ins) if input_queue is None else ins[input_queue]
    return out_depth + in_depth + machine.router_buffer_wavelets * (hops + 1)


def is_constant(node: Expr) -> bool:
    """Whether the node is known at compile time (it may differ between PEs)."""
    match node:
        case Const() | FifoValue():
            return True
        case AddressOf():
            return is_constant(node.index)
        case PointerAdd():
            return is_constant(node.pointer) and is_constant(node.index)
        case PointerCast():
            return is_constant(node.pointer)
        case MakeMemDsd():
            return all(map(is_constant, (node.base, *node.strides, *node.extents)))
        case MakeFabDsd():
            parts = (node.queue, node.color, node.extent)
            return all(is_constant(part) for part in parts if part is not None)
        case _:
            return False
