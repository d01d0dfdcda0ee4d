"""Statements that act: stores, DSD operations, `@map`, tasks, assertions, prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.timing import operand_cycles, statement_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.assemble import Assembler, Wafer
from waferc_runtime.vector.dsr import (
    Operand,
    index_of,
    load_register,
    operand,
    register,
)
from waferc_runtime.vector.expression import Closure, Compiled, Expressions
from waferc_runtime.vector.group import Code, Group, Instruction
from waferc_runtime.vector.lanes import is_array
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import Loaded, PointerValue, RunValue

MAX_CALL_DEPTH = 1000


class Owner(Protocol):
    """The compiler of a class, as its functions' compilers see it."""

    state: ClassState
    machine: Machine
    wafer: Wafer

    def code(self, function: core.Function) -> Code: ...


class AssertionFault(Exception):  # noqa: N818 (an event that the engine turns into a RunError)
    """An assertion does not hold on the PE at `position` of the group."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position


class Effects(Assembler):
    """Compiles statements without control flow. `_expressions` compiles their parts."""

    _expressions: Expressions

    def __init__(self, owner: Owner, code: Code, at: Location | None) -> None:
        super().__init__(owner.state, owner.machine, owner.wafer, code, at)
        self._owner = owner
        self._registers: list[tuple[core.Dsr, Closure]] = []  # read by the statement

    def _expression(self, node: core.Expr) -> Compiled:
        return self._expressions.compile(node)

    def _refuse(self, what: str) -> None:
        """Emit an error for what is not supported, if it is reached."""

        def refuse(g: Group) -> int:
            raise Misuse(f"{what} is not supported")

        self._emit(refuse)

    def _set_slot(self, statement: core.SetSlot) -> None:
        closure, cost = self._expression(statement.value)
        self._separate()
        following, state = self._here + 1, self._state
        variable = state.variables[statement.slot]

        def assign(g: Group) -> int:
            variable.set(g.lanes, closure(g), state.count)
            g.extra += cost
            return following

        self._emit(assign)

    def _store(self, statement: core.Store) -> None:
        pointer, cost = self._expression(statement.pointer)
        value, value_cost = self._expression(statement.value)
        element = statement.value.type
        assert isinstance(element, core.Scalar)
        cost += value_cost + statement_cycles(statement, self._machine)
        self._separate()
        following = self._here + 1

        def store(g: Group) -> int:
            target: PointerValue = pointer(g)
            target.block.store(target.words, element, g.lanes, value(g))
            g.extra += cost
            return following

        self._emit(store)

    def _evaluate(self, statement: core.Evaluate) -> None:
        closure, cost = self._expression(statement.value)
        if isinstance(statement.value, core.Call):
            return  # the call has been emitted
        self._separate()
        following = self._here + 1

        def evaluate(g: Group) -> int:
            closure(g)
            g.extra += cost
            return following

        self._emit(evaluate)

    def _operation(self, statement: core.DsdOperation) -> None:
        op = DSD_OPS.get(statement.op)
        wafer, config = self._wafer, statement.config
        if op is None:
            self._refuse(statement.op)
            return
        elements = op.source_elements
        last = len(elements) - 1
        dest, cost = self._operand(statement.dest, op.element)
        operands = [dest]
        for place, source in enumerate(statement.sources):
            made, part = self._operand(source, elements[min(place, last)])
            operands.append(made)
            cost += part
        index: Closure | None = None
        if config.index is not None:
            index, part = self._expression(config.index)
            cost += part
        cost += operand_cycles(statement, self._machine)
        result = None if statement.result is None else statement.result.index
        self._separate()
        self._separate_registers()
        following = self._here + 1

        def operate(g: Group) -> int:
            items = [operand(g) for operand in operands]
            g.extra += cost
            loaded = [item.loaded.config for item in items if item.loaded is not None]
            full = config.with_registers(loaded)
            number = index_of(None if index is None else index(g), items)
            return wafer.issue(g, op, items, full, number, result, following)

        self._emit(operate)

    def _operand(
        self, node: core.Expr, element: core.Scalar | None
    ) -> tuple[Callable[[Group], Operand], int]:
        """The closure of an operand of a DSD operation on `element`, or of `@map`; its cycles."""
        if element is None:
            closure, cost = self._expression(node)
        else:
            closure, cost = self._expressions.operand(node, element)
        kind, state = node.type, self._state
        if not isinstance(kind, core.Dsr):
            return lambda g: Operand(state.queues.with_color(closure(g), g.lanes)), cost
        self._registers.append((kind, closure))
        return lambda g: operand(state, kind, closure(g), g.lanes), cost

    def _separate_registers(self) -> None:
        """Emit splits of the group by DSRs that hold different kinds of DSDs on its PEs."""
        registers, self._registers = self._registers, []
        for kind, closure in registers:
            self._emit(self._register_separation(kind, closure, self._here))

    def _register_separation(self, kind: core.Dsr, closure: Closure, here: int) -> Instruction:
        code, state, wafer = self._code, self._state, self._wafer

        def separate(g: Group) -> int:
            numbers = closure(g)
            target = here + 1
            if is_array(numbers) and (numbers != numbers[0]).any():
                kinds, target = numbers, here
            else:
                first = int(numbers[0]) if is_array(numbers) else int(numbers)
                kinds = register(state, kind.file, first).kinds(g.lanes)
            if kinds is None:
                return target
            parts = [(np.flatnonzero(kinds == kind), target) for kind in np.unique(kinds)]
            return wafer.split(g, parts, code.epilogue)

        return separate

    def _load_dsr(self, statement: core.LoadDsr) -> None:
        number, cost = self._expression(statement.dsr)
        dsd, part = self._expression(statement.dsd)
        kind, state, config = statement.dsr.type, self._state, statement.config
        assert isinstance(kind, core.Dsr)
        index: Closure | None = None
        cost += part + statement_cycles(statement, self._machine)
        if config.index is not None:
            index, part = self._expression(config.index)
            cost += part
        self._separate()
        following = self._here + 1

        def load(g: Group) -> int:
            value = Loaded(
                dsd(g),
                config,
                statement.save_address,
                statement.single_step,
                None if index is None else index(g),
            )
            load_register(state, kind, number(g), value, g.lanes)
            g.extra += cost
            return following

        self._emit(load)

    def _task_control(self, statement: core.TaskControl) -> None:
        task, cost = self._expression(statement.task)
        own = statement_cycles(statement, self._machine)
        self._separate()
        following, wafer, action = self._here + 1, self._wafer, statement.action
        is_microthread = statement.task.type is core.Handle.MICROTHREAD

        def control(g: Group) -> int:
            number = task(g)
            g.extra += cost
            if is_microthread:
                wafer.block_microthread(g, action, number)
            else:
                wafer.control(g, action, number)
            g.extra += own
            return following

        self._emit(control)

    def _set_config(self, statement: core.SetConfig) -> None:
        address, cost = self._expression(statement.address)
        value, part = self._expression(statement.value)
        cost += part + statement_cycles(statement, self._machine)
        self._separate()
        following, wafer = self._here + 1, self._wafer

        def configure(g: Group) -> int:
            where, what = address(g), value(g)
            g.extra += cost
            wafer.registers.set_config(g, where, what)
            return following

        self._emit(configure)

    def _flush_queue(self, statement: core.FlushQueue) -> None:
        queue, cost = self._expression(statement.queue)
        self._separate()
        following, state = self._here + 1, self._state

        def flush(g: Group) -> int:
            g.extra += cost
            g.settle()
            numbers = np.broadcast_to(np.asarray(queue(g)), g.lanes.count)
            for number in np.unique(numbers):
                if int(number) not in state.program.empty_queue_handlers:
                    raise Misuse(f"output queue {number} is flushed, which has no handler,")
                here = np.flatnonzero(numbers == number)
                state.queues.flush(int(number), g.lanes.at(here), g.clock[here])
            return following

        self._emit(flush)

    def _get_config(self, g: Group, address: RunValue) -> RunValue:
        return self._wafer.registers.get_config(g, address)

    def _assert(self, statement: core.Assert) -> None:
        closure, _ = self._expression(statement.condition)
        self._separate()
        following = self._here + 1

        def check(g: Group) -> int:
            g.settle()
            clock, busy = g.clock, g.busy
            holds = closure(g)
            g.clock, g.busy, g.extra = clock, busy, 0  # an assertion takes no time
            if holds is UNKNOWN:
                return following  # nobody can say, and clocks do not depend on it
            if not np.all(holds):
                raise AssertionFault(int(np.flatnonzero(~np.atleast_1d(holds))[0]))
            return following

        self._emit(check)

    def _set_fifo_length(self, statement: core.SetFifoLength) -> None:
        length, cost = self._expression(statement.value)
        cost += statement_cycles(statement, self._machine)
        self._separate()
        following, wafer = self._here + 1, self._wafer

        def set_length(g: Group) -> int:
            wafer.set_fifo_length(g, statement.fifo, statement.side, length(g))
            g.extra += cost
            return following

        self._emit(set_length)

    def _print(self, statement: core.Print) -> None:
        shown = [part for part in statement.parts if not isinstance(part, str)]
        closures = [self._expression(part.value)[0] for part in shown]
        self._separate()
        following, watch = self._here + 1, self._wafer.watch

        def show(g: Group) -> int:
            values = [closure(g) for closure in closures]
            watch.print(g, statement.parts, values, statement.with_coordinates)
            return following

        self._emit(show)
