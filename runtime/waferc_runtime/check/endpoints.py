"""Where a program sends and receives: its fabric DSDs as a reachable operation uses them.

The PEs of a class are walked together. A condition that is known at compile time but differs
between them (a role, a position) narrows the set of PEs; a condition that is known only at run
time counts as both. DSDs that travel through variables, parameters and results are followed
without regard to order: a variable stands for everything that is ever assigned to it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.walk import expressions_of, operands_of
from waferc_runtime.csl import core

Mask = NDArray[np.bool_]  # [pe of the class]

_TEARDOWN = 29  # id of the teardown task

_COMPARE = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One place where PEs of a class receive or send.

    `mask` [pe] says which PEs reach it; `color` and `queue` [pe] hold -1 where none is named.
    A data task is ready to receive, but does not wait.
    """

    is_input: bool
    is_task: bool
    mask: Mask
    color: NDArray[np.int64]
    queue: NDArray[np.int64]
    function: str
    at: Location | None


def endpoints(program: core.PEClass, arch: str) -> list[Endpoint]:
    """All places of `program` that some PE can reach and where it receives or sends."""
    walk = _Walk(program)
    walk.run()
    return [*walk.fabric_endpoints(), *_data_tasks(program, arch)]


def _data_tasks(program: core.PEClass, arch: str) -> list[Endpoint]:
    """Data tasks receive too: by color on wse2, by input queue on wse3."""
    count = len(program.x)
    found: list[Endpoint] = []
    for task in program.tasks:
        if task.kind != "data":
            continue
        if arch == "wse2":
            color = np.full(count, task.id)
            queue = np.full(count, -1)
            for number, bound in program.input_queues.items():
                queue[np.broadcast_to(np.asarray(bound), count) == task.id] = number
        else:
            color = np.array(np.broadcast_to(program.input_queues.get(task.id, -1), count))
            queue = np.full(count, task.id)
        everywhere = np.ones(count, np.bool_)
        function = task.function
        found.append(Endpoint(True, True, everywhere, color, queue, function.name, function.at))
    return found


class _Walk:
    def __init__(self, program: core.PEClass) -> None:
        self._program = program
        self._count = len(program.x)
        self._all: Mask = np.ones(self._count, np.bool_)
        self._done: dict[core.Function, Mask] = {}
        self._activated: dict[int, Mask] = {}
        self._assigned: defaultdict[core.Slot | core.Local, list[tuple[core.Expr, Mask]]] = (
            defaultdict(list)
        )
        self._returned: defaultdict[core.Function, list[tuple[core.Expr, Mask]]] = defaultdict(list)
        self._operands: list[tuple[core.Expr, Mask, str, Location | None]] = []
        self._current = ""

    def run(self) -> None:
        for slot in self._program.slots:
            if slot.initial is not None:
                self._assigned[slot].append((slot.initial, self._all))
        for export in self._program.exports.values():
            if isinstance(export.target, core.Function):
                self._function(export.target, self._all)
        started = {*self._program.activated, _TEARDOWN}
        for fifo in self._program.fifos:
            started |= {id for id in (fifo.activate_pop, fifo.activate_push) if id is not None}
        for task in self._program.tasks:
            if task.kind != "local" or task.id in started:
                self._function(task.function, self._all)
        handlers = self._program.teardown_handlers, self._program.empty_queue_handlers
        for handler in (function for group in handlers for function in group.values()):
            self._function(handler, self._all)
        for load in self._program.dsrs:
            self._loaded(load, self._all)

    # ---- walking ---------------------------------------------------------------------------------

    def _function(self, function: core.Function, mask: Mask) -> None:
        done = self._done.get(function, np.zeros(self._count, np.bool_))
        fresh = mask & ~done
        if not fresh.any():
            return
        self._done[function] = done | fresh
        outer, self._current = self._current, function.name
        self._body(function, function.body, fresh)
        self._current = outer

    def _activate(self, task_id: int | None, mask: Mask) -> None:
        for task in self._program.tasks:
            if task.kind == "local" and (task_id is None or task.id == task_id):
                self._function(task.function, mask)

    def _body(self, function: core.Function, body: list[core.Stmt], mask: Mask) -> None:
        for statement in body:
            self._statement(function, statement, mask)

    def _statement(self, function: core.Function, statement: core.Stmt, mask: Mask) -> None:
        match statement:
            case core.SetLocal(target, value) | core.SetSlot(target, value):
                self._expression(value, mask)
                self._assigned[target].append((value, mask))
            case core.Store(pointer, value):
                self._expression(pointer, mask)
                self._expression(value, mask)
            case core.Evaluate(value) | core.Assert(value):
                self._expression(value, mask)
            case core.If(condition, then, otherwise):
                self._expression(condition, mask)
                true, false = self._branches(condition, mask)
                self._body(function, then, true)
                self._body(function, otherwise, false)
            case core.While(condition, step, body):
                self._expression(condition, mask)
                inside, _ = self._branches(condition, mask)
                self._body(function, [*body, *step], inside)
            case core.For(_, _, start, stop, step, body):
                for bound in (start, stop, step):
                    self._expression(bound, mask)
                self._body(function, body, mask)
            case core.Return(value):
                if value is not None:
                    self._expression(value, mask)
                    self._returned[function].append((value, mask))
            case core.Break() | core.Continue():
                pass
            case core.DsdOperation(_, dest, sources, config, at):
                for operand in (dest, *sources):
                    self._expression(operand, mask)
                    self._operands.append((operand, mask, self._current, at))
                self._completed(config, mask)
            case core.LoadDsr():
                self._loaded(statement, mask)
            case core.MapOperation(mapped, _, inputs, output, at):
                for operand in (*inputs, *(() if output is None else (output,))):
                    self._expression(operand, mask)
                    self._operands.append((operand, mask, self._current, at))
                if isinstance(mapped, core.Function):
                    self._function(mapped, mask)
            case core.TaskControl(action, task):
                if action == "activate":
                    number = task.value if isinstance(task, core.Const) else None
                    self._activate(int(number) if isinstance(number, int) else None, mask)
            case _:
                for expression in expressions_of(statement):
                    self._expression(expression, mask)

    def _loaded(self, load: core.LoadDsr, mask: Mask) -> None:
        """A DSD that is loaded into a DSR is used there, in an operation or many."""
        self._expression(load.dsd, mask)
        self._operands.append((load.dsd, mask, self._current, load.at))
        self._completed(load.config, mask)

    def _completed(self, config: core.DsdConfig, mask: Mask) -> None:
        """Walk the tasks that an operation with this config activates."""
        told = None if config.on_control is None else config.on_control.activate
        for task in (config.activate, told):
            if task is not None:
                self._activate(task, mask)

    def _expression(self, expression: core.Expr, mask: Mask) -> None:
        """Walk the functions that `expression` calls."""
        match expression:
            case core.Call(function, arguments):
                for parameter, argument in zip(function.parameters, arguments, strict=True):
                    self._expression(argument, mask)
                    self._assigned[parameter].append((argument, mask))
                self._function(function, mask)
            case core.SelectExpr(_, condition, lhs, rhs):
                self._expression(condition, mask)
                true, false = self._branches(condition, mask)
                self._expression(lhs, true)
                self._expression(rhs, false)
            case _:
                for part in operands_of(expression):
                    self._expression(part, mask)

    def _branches(self, condition: core.Expr, mask: Mask) -> tuple[Mask, Mask]:
        """The PEs that may go into a branch and those that may go around it."""
        known = self._known(condition)
        if known is None:
            return mask, mask
        truth = np.broadcast_to(known, self._count).astype(np.bool_)
        return mask & truth, mask & ~truth

    def _known(self, expression: core.Expr) -> NDArray[np.generic] | None:
        """The value of a compile-time expression, as lanes or a single value."""
        match expression:
            case core.Const(_, value):
                return np.asarray(value)
            case core.UnaryExpr(_, "not", x):
                inner = self._known(x)
                return None if inner is None else np.logical_not(inner)
            case core.CompareExpr(op, lhs, rhs):
                left, right = self._known(lhs), self._known(rhs)
                if left is None or right is None:
                    return None
                return np.asarray(_COMPARE[op](left, right))
            case core.LogicExpr(op, lhs, rhs):
                left, right = self._known(lhs), self._known(rhs)
                if left is None or right is None:
                    return None
                return np.asarray((np.logical_and if op == "and" else np.logical_or)(left, right))
            case _:
                return None

    # ---- following DSDs --------------------------------------------------------------------------

    def fabric_endpoints(self) -> list[Endpoint]:
        """The fabric DSDs of all operands met, with the PEs that use them."""
        found: list[Endpoint] = []
        for operand, mask, function, at in self._operands:
            if not isinstance(operand.type, core.Dsd):
                continue
            if operand.type.kind not in ("fabin", "fabout"):
                continue
            for dsd, users in self._origins(operand, mask, frozenset()):
                if users.any():
                    found.append(self._endpoint(dsd, users, function, at))
        return found

    def _origins(
        self, expression: core.Expr, mask: Mask, seen: frozenset[core.Slot | core.Local]
    ) -> list[tuple[core.MakeFabDsd, Mask]]:
        match expression:
            case core.MakeFabDsd():
                return [(expression, mask)]
            case core.GetLocal(variable) | core.GetSlot(variable):
                if variable in seen:
                    return []
                inner = seen | {variable}
                return [
                    origin
                    for value, users in self._assigned[variable]
                    for origin in self._origins(value, mask & users, inner)
                ]
            case core.SelectExpr(_, condition, lhs, rhs):
                true, false = self._branches(condition, mask)
                return self._origins(lhs, true, seen) + self._origins(rhs, false, seen)
            case core.UpdateDsd(_, dsd):
                return self._origins(dsd, mask, seen)
            case core.Call(function):
                return [
                    origin
                    for value, users in self._returned[function]
                    for origin in self._origins(value, mask & users, seen)
                ]
            case _:
                return []

    def _endpoint(
        self, dsd: core.MakeFabDsd, mask: Mask, function: str, at: Location | None
    ) -> Endpoint:
        is_input = dsd.type.kind == "fabin"
        queues = self._program.input_queues if is_input else self._program.output_queues
        queue = self._lanes(dsd.queue)
        color = self._lanes(dsd.color)
        for number, bound in queues.items():
            here = (color < 0) & (queue == number)
            color[here] = np.broadcast_to(np.asarray(bound), self._count)[here]
        for number, bound in queues.items():
            lanes = np.broadcast_to(np.asarray(bound), self._count)
            if is_input:
                queue[(queue < 0) & (lanes == color)] = number
        return Endpoint(is_input, False, mask, color, queue, function, at)

    def _lanes(self, expression: core.Expr | None) -> NDArray[np.int64]:
        known = None if expression is None else self._known(expression)
        return np.array(np.broadcast_to(-1 if known is None else known, self._count), np.int64)
