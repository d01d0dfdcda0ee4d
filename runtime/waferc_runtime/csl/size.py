"""Where objects lie in a PE's memory, and about how large the code of a class is.

Code: 16 bytes for entering and leaving a function; 4 for each statement and each operation of an
expression (an instruction of 32 bits); 8 more for a call, a branch, a loop; for a DSD operation 8,
and 12 to load each descriptor among its operands.
"""

from __future__ import annotations

from collections.abc import Iterable

from waferc_runtime.csl import core
from waferc_runtime.csl.context import Context

FUNCTION_BYTES = 16
INSTRUCTION_BYTES = 4
CONTROL_BYTES = 8
OPERATION_BYTES = 8
DESCRIPTOR_BYTES = 12


def place_objects(context: Context) -> None:
    """Give the objects of a class addresses one behind the other, 32-bit elements on even words."""
    address = 0
    for object in context.objects:
        words = max(object.element.words, context.alignments.get(id(object), 2) // 2)
        alignment = words if words & (words - 1) == 0 else 1
        address = -(-address // alignment) * alignment
        object.address = address
        address += object.element.words * object.count


def code_bytes(functions: Iterable[core.Function]) -> int:
    """An estimate of the code of some functions, see the head of this file."""
    return sum(FUNCTION_BYTES + _body(function.body) for function in functions)


def _body(body: list[core.Stmt]) -> int:
    total = 0
    stack = list(body)
    while stack:
        node = stack.pop()
        total += INSTRUCTION_BYTES
        match node:
            case core.If():
                total += CONTROL_BYTES + _expressions(node.condition)
                stack += [*node.then, *node.otherwise]
            case core.While():
                total += CONTROL_BYTES + _expressions(node.condition)
                stack += [*node.body, *node.step]
            case core.For():
                total += CONTROL_BYTES + _expressions(node.start, node.stop, node.step)
                stack += node.body
            case core.SetLocal() | core.SetSlot() | core.Evaluate():
                total += _expressions(node.value)
            case core.Store():
                total += _expressions(node.pointer, node.value)
            case core.Return():
                total += 0 if node.value is None else _expressions(node.value)
            case core.DsdOperation():
                total += OPERATION_BYTES + _expressions(node.dest, *node.sources)
            case core.MapOperation():
                outputs = () if node.output is None else (node.output,)
                total += CONTROL_BYTES + OPERATION_BYTES + _expressions(*node.inputs, *outputs)
            case core.LoadDsr():
                total += DESCRIPTOR_BYTES + _expressions(node.dsd)
            case core.SetFifoLength():
                total += _expressions(node.value)
            case core.SetConfig():
                total += _expressions(node.address, node.value)
            case core.Print():
                total += sum(CONTROL_BYTES for _ in node.parts)
            case (
                core.TaskControl()
                | core.Assert()
                | core.Break()
                | core.Continue()
                | core.FlushQueue()
            ):
                pass
    return total


def _expressions(*nodes: core.Expr) -> int:
    total = 0
    stack = list(nodes)
    while stack:
        node = stack.pop()
        parts = operands(node)
        stack += parts
        match node:
            case (
                core.MakeMemDsd()
                | core.MakeFabDsd()
                | core.FifoValue()
                | core.GetSlot(type=core.Dsd())
            ):
                total += DESCRIPTOR_BYTES
            case core.Call() | core.LibraryCall():
                total += INSTRUCTION_BYTES + CONTROL_BYTES
            case core.GetLocal() | core.GetSlot() | core.Const() | core.PointerCast():
                pass
            case _:
                total += INSTRUCTION_BYTES
    return total


def operands(node: core.Expr) -> list[core.Expr]:
    """The expressions directly inside of one."""
    match node:
        case core.AddressOf():
            return [node.index]
        case core.PointerAdd():
            return [node.pointer, node.index]
        case core.PointerCast() | core.Load():
            return [node.pointer]
        case core.UnaryExpr() | core.Convert() | core.Bitcast():
            return [node.x]
        case core.BinaryExpr() | core.CompareExpr() | core.LogicExpr():
            return [node.lhs, node.rhs]
        case core.SelectExpr():
            return [node.condition, node.lhs, node.rhs]
        case core.Call() | core.LibraryCall():
            return list(node.arguments)
        case core.UpdateDsd():
            return [node.dsd, node.value]
        case core.MakeMemDsd():
            parts = [node.base, *node.strides, *node.extents]
            return [part for part in parts if not isinstance(part, core.Const)]
        case core.MakeFabDsd():
            return [node.extent]
        case core.GetConfig():
            return [node.address]
        case core.Const() | core.GetLocal() | core.GetSlot() | core.FifoValue():
            return []
