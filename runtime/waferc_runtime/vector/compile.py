"""Functions as lists of instructions, so that a group can be split and held at any of them.

Every instruction does its work for a group and returns the next program counter. Jumps go to
labels; a branch on a condition that differs between PEs splits the group, and the parts meet
where the statement ends (or, if a part may leave it by return or break, where that leads).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins.scalar import wrap
from waferc_runtime.builtins.timing import expression_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.assemble import Label, Loop, Wafer
from waferc_runtime.vector.compile_map import Maps
from waferc_runtime.vector.effects import MAX_CALL_DEPTH
from waferc_runtime.vector.expression import Closure, Compiled, Expressions
from waferc_runtime.vector.flow import assigned_slots, leaves, trip_count
from waferc_runtime.vector.fold import Folder
from waferc_runtime.vector.group import Code, Frame, Group
from waferc_runtime.vector.lanes import is_array
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.values import RunValue, wide


class Compiler:
    """Compiles the functions of one class, each once."""

    def __init__(self, state: ClassState, machine: Machine, wafer: Wafer) -> None:
        self.state = state
        self.machine = machine
        self.wafer = wafer
        self._codes: dict[core.Function, Code] = {}
        self.assigned = assigned_slots(state.program)

    def code(self, function: core.Function) -> Code:
        """The code of a function."""
        if function not in self._codes:
            self._codes[function] = Code(function.name, len(function.locals))
            _FunctionCompiler(self, function, self._codes[function]).run()
        return self._codes[function]


class _FunctionCompiler(Maps):
    def __init__(self, owner: Compiler, function: core.Function, code: Code) -> None:
        super().__init__(owner, code, function.at)
        self._assigned = owner.assigned
        self._function = function
        self._loops: list[Loop] = []
        self._end = Label()
        self._result = self._hidden()
        self._expressions = Expressions(
            owner.state,
            owner.machine,
            self._call,
            self._branch_value,
            self._reads,
            self._get_config,
        )

    def run(self) -> None:
        self._body(self._function.body)
        self._place(self._end)
        self._code.epilogue = self._end.pc
        self._meet(self._end)
        result = self._result
        wafer = self._wafer

        def leave(g: Group) -> int:
            frame = g.frames.pop()
            if frame.entry is not None:
                wafer.watch.left(g, frame)
            if not g.frames:
                return wafer.finish(g)
            caller = g.frames[-1]
            if frame.result is not None:
                caller.locals[frame.result] = frame.locals[result]
            return caller.pc

        self._emit(leave)

    def _reads(self, slot: core.Slot) -> None:
        if slot in self._assigned:
            self._slots.append(slot)

    # ---- expressions that need control flow ------------------------------------------------------

    def _call(self, node: core.Call) -> Closure:
        arguments = [self._expression(argument) for argument in node.arguments]
        closures = [closure for closure, _ in arguments]
        cost = sum(cost for _, cost in arguments) + expression_cycles(node, self._machine)
        target = self._owner.code(node.function)
        name = node.function.name
        result = None if isinstance(node.function.result, core.Void) else self._hidden()
        self._separate()
        following = self._here + 1

        def call(g: Group) -> int:
            values = [closure(g) for closure in closures]
            g.extra += cost
            if len(g.frames) >= MAX_CALL_DEPTH:
                raise Misuse(f"calls of {name} are nested more than {MAX_CALL_DEPTH} deep")
            g.frames[-1].pc = following
            values += [None] * (target.locals - len(values))
            entry = None if g.frames[-1].entry is None else g.account()
            g.frames.append(Frame(target, values, 0, result, entry))
            return 0

        self._emit(call)
        return lambda g: None if result is None else g.frames[-1].locals[result]

    def _branch_value(self, node: core.LogicExpr | core.SelectExpr) -> Closure:
        """A value of which only one part may be evaluated, by jumps."""
        index = self._hidden()
        own = expression_cycles(node, self._machine)
        other, end = Label(), Label()
        if isinstance(node, core.SelectExpr):
            condition, cost = self._expression(node.condition)
            self._branch((condition, cost + own), other, end)
            self._assign(index, self._expression(node.lhs))
            self._jump(end)
            self._place(other)
            self._assign(index, self._expression(node.rhs))
        else:
            lhs, cost = self._expression(node.lhs)
            self._assign(index, (lhs, cost + own))
            is_or = node.op == "or"
            chosen: Closure = lambda g: g.frames[-1].locals[index]  # noqa: E731
            if is_or:
                chosen = lambda g: _negated(g.frames[-1].locals[index])  # noqa: E731
            self._branch((chosen, 0), end, end)
            self._assign(index, self._expression(node.rhs))
        self._place(end)
        self._meet(end)
        return lambda g: g.frames[-1].locals[index]

    def _assign(self, index: int, value: Compiled) -> None:
        closure, cost = value
        self._separate()
        following = self._here + 1

        def assign(g: Group) -> int:
            g.frames[-1].locals[index] = closure(g)
            g.extra += cost
            return following

        self._emit(assign)

    # ---- statements ------------------------------------------------------------------------------

    def _body(self, body: Sequence[core.Stmt]) -> None:
        for statement in body:
            outer = self._at
            self._at = statement.at or outer
            self._statement(statement)
            self._at = outer

    def _statement(self, statement: core.Stmt) -> None:
        match statement:
            case core.SetLocal():
                self._assign(statement.local.index, self._expression(statement.value))
            case core.SetSlot():
                self._set_slot(statement)
            case core.Store():
                self._store(statement)
            case core.Evaluate():
                self._evaluate(statement)
            case core.If():
                self._if(statement)
            case core.While():
                self._while(statement)
            case core.For():
                self._for(statement)
            case core.Return():
                if statement.value is not None:
                    self._assign(self._result, self._expression(statement.value))
                self._jump(self._end)
            case core.Break():
                self._jump(self._loops[-1].end)
            case core.Continue():
                self._jump(self._loops[-1].proceed)
            case core.DsdOperation():
                self._operation(statement)
            case core.MapOperation():
                self._map(statement)
            case core.TaskControl():
                self._task_control(statement)
            case core.Assert():
                self._assert(statement)
            case core.Print():
                self._print(statement)
            case core.LoadDsr():
                self._load_dsr(statement)
            case core.SetFifoLength():
                self._set_fifo_length(statement)
            case core.SetConfig():
                self._set_config(statement)
            case core.FlushQueue():
                self._flush_queue(statement)

    def _if(self, statement: core.If) -> None:
        other, end = Label(), Label()
        meet = self._meeting_place((*statement.then, *statement.otherwise), end)
        self._branch(self._expression(statement.condition), other, meet)
        self._body(statement.then)
        if statement.otherwise:
            self._jump(end)
        self._place(other)
        self._body(statement.otherwise)
        self._place(end)
        self._meet(end)

    def _meeting_place(self, body: Sequence[core.Stmt], end: Label) -> Label:
        ways = leaves(body)
        if core.Return in ways:
            return self._end
        if core.Break in ways:
            return self._loops[-1].end
        if core.Continue in ways:
            return self._loops[-1].proceed
        return end

    def _while(self, statement: core.While) -> None:
        loop, start = Loop(Label(), Label()), Label()
        returns = core.Return in leaves(statement.body)
        self._place(start)
        condition = self._expression(statement.condition)
        self._branch(condition, loop.end, self._end if returns else loop.end)
        self._spend(self._machine.loop_cycles)
        self._loops.append(loop)
        self._body(statement.body)
        self._loops.pop()
        self._place(loop.proceed)
        self._meet(loop.proceed)
        self._body(statement.step)
        self._jump(start)
        self._place(loop.end)
        self._meet(loop.end)

    def _spend(self, cycles: int) -> None:
        following = self._here + 1

        def spend(g: Group) -> int:
            g.extra += cycles
            return following

        self._emit(spend)

    def _for(self, statement: core.For) -> None:
        loop, start = Loop(Label(), Label()), Label()
        bounds = [self._expression(e) for e in (statement.start, statement.stop, statement.step)]
        closures = [closure for closure, _ in bounds]
        cost = sum(cost for _, cost in bounds)
        count, trips, first, step = (self._hidden() for _ in range(4))
        folder = Folder(statement, self._state, self._machine)
        self._separate()
        following = self._here + 1

        def begin(g: Group) -> int:
            values = g.frames[-1].locals
            low, high, by = (wide(closure(g)) for closure in closures)
            if np.any(np.asarray(by) == 0):
                raise Misuse("a loop has step 0")
            g.extra += cost
            total = trip_count(low, high, by)
            if isinstance(total, int) and folder.run(g, total, low, by):
                return loop.end.pc
            values[count], values[trips], values[first], values[step] = 0, total, low, by
            return following

        self._emit(begin)
        self._place(start)
        returns = core.Return in leaves(statement.body)
        condition: Closure = lambda g: g.frames[-1].locals[count] < g.frames[-1].locals[trips]  # noqa: E731
        self._branch((condition, 0), loop.end, self._end if returns else loop.end)
        variable, index = statement.variable, statement.index
        kind = variable.type
        assert isinstance(kind, core.Scalar)
        loop_cycles = self._machine.loop_cycles
        dtype = np.dtype(kind.numpy)
        into_body = self._here + 1

        def enter(g: Group) -> int:
            values = g.frames[-1].locals
            value = values[first] + values[count] * values[step]
            values[variable.index] = value.astype(dtype) if is_array(value) else wrap(value, kind)
            if index is not None:
                assert isinstance(index.type, core.Scalar)
                values[index.index] = wrap(values[count], index.type)
            g.extra += loop_cycles
            return into_body

        self._emit(enter)
        self._loops.append(loop)
        self._body(statement.body)
        self._loops.pop()
        self._place(loop.proceed)
        self._meet(loop.proceed)

        def proceed(g: Group) -> int:
            g.frames[-1].locals[count] += 1
            return start.pc

        self._emit(proceed)
        self._place(loop.end)
        self._meet(loop.end)


def _negated(value: RunValue) -> RunValue:
    return ~value if is_array(value) else not value
