"""Walking core CSL: the parts of expressions, the statements of bodies, all code of a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waferc_runtime.csl import core


def walk(node: core.Expr) -> list[core.Expr]:
    """An expression and all its parts."""
    found: list[core.Expr] = [node]
    for part in operands_of(node):
        found += walk(part)
    return found


def contains_call(node: core.Expr) -> bool:
    """Whether a CSL function is called in an expression."""
    return any(isinstance(part, core.Call) for part in walk(node))


def operands_of(node: core.Expr) -> tuple[core.Expr, ...]:
    """The direct parts of an expression."""
    match node:
        case core.Const() | core.GetLocal() | core.GetSlot() | core.FifoValue():
            return ()
        case core.AddressOf():
            return (node.index,)
        case core.PointerAdd():
            return (node.pointer, node.index)
        case core.PointerCast() | core.Load():
            return (node.pointer,)
        case core.UnaryExpr() | core.Convert() | core.Bitcast():
            return (node.x,)
        case core.BinaryExpr() | core.CompareExpr() | core.LogicExpr():
            return (node.lhs, node.rhs)
        case core.SelectExpr():
            return (node.condition, node.lhs, node.rhs)
        case core.Call() | core.LibraryCall():
            return node.arguments
        case core.MakeMemDsd():
            return (node.base, *node.strides, *node.extents)
        case core.MakeFabDsd():
            return tuple(p for p in (node.queue, node.color, node.extent) if p is not None)
        case core.UpdateDsd():
            return (node.dsd, node.value)
        case core.GetConfig():
            return (node.address,)


def statements(body: Sequence[core.Stmt]) -> Iterator[core.Stmt]:
    """All statements of a body, those inside others included."""
    for statement in body:
        yield statement
        match statement:
            case core.If():
                yield from statements(statement.then)
                yield from statements(statement.otherwise)
            case core.While():
                yield from statements(statement.body)
                yield from statements(statement.step)
            case core.For():
                yield from statements(statement.body)
            case _:
                pass


def expressions_of(statement: core.Stmt) -> list[core.Expr]:
    """The expressions that stand directly in a statement."""
    match statement:
        case core.SetLocal() | core.SetSlot() | core.Evaluate() | core.SetFifoLength():
            return [statement.value]
        case core.Store():
            return [statement.pointer, statement.value]
        case core.If() | core.While() | core.Assert():
            return [statement.condition]
        case core.For():
            return [statement.start, statement.stop, statement.step]
        case core.Return():
            return [] if statement.value is None else [statement.value]
        case core.Break() | core.Continue():
            return []
        case core.DsdOperation():
            index = statement.config.index
            return [statement.dest, *statement.sources, *([] if index is None else [index])]
        case core.LoadDsr():
            return [statement.dsr, statement.dsd]
        case core.SetConfig():
            return [statement.address, statement.value]
        case core.FlushQueue():
            return [statement.queue]
        case core.Print():
            return [part.value for part in statement.parts if not isinstance(part, str)]
        case core.MapOperation():
            output = statement.output
            return [*statement.inputs, *([] if output is None else [output])]
        case core.TaskControl():
            return [statement.task]


def functions_of(program: core.PEClass) -> list[core.Function]:
    """All functions of a class: those of tasks, handlers and exports, and what they call."""
    found: dict[core.Function, None] = dict.fromkeys(program.functions)
    found |= dict.fromkeys(task.function for task in program.tasks)
    found |= dict.fromkeys(program.teardown_handlers.values())
    found |= dict.fromkeys(program.empty_queue_handlers.values())
    for export in program.exports.values():
        if isinstance(export.target, core.Function):
            found[export.target] = None
    rest = list(found)
    while rest:
        for called in _called(rest.pop()):
            if called not in found:
                found[called] = None
                rest.append(called)
    return list(found)


def _called(function: core.Function) -> Iterator[core.Function]:
    for statement in statements(function.body):
        match statement:
            case core.MapOperation(core.Function() as function):
                yield function
            case _:
                pass
        for expression in expressions_of(statement):
            for part in walk(expression):
                if isinstance(part, core.Call):
                    yield part.function


def calls_library(program: core.PEClass, name: str) -> bool:
    """Whether some code of a class calls a function of a library."""
    return any(
        isinstance(part, core.LibraryCall) and part.name == name
        for function in functions_of(program)
        for statement in statements(function.body)
        for expression in expressions_of(statement)
        for part in walk(expression)
    )
