"""Core CSL, statement by statement, on one PE.

Everything is a generator that yields where time has to pass: before statements whose effects
another thread of the PE could see, and inside fabric operations. Costs are those of
`waferc_runtime.builtins.timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.printing import show
from waferc_runtime.builtins.scalar import wrap
from waferc_runtime.builtins.timing import (
    expression_cycles,
    library_cycles,
    operand_cycles,
    statement_cycles,
)
from waferc_runtime.csl import core
from waferc_runtime.observer import PrintEvent
from waferc_runtime.reference.config import UnknownRegisterError, read_register, write_register
from waferc_runtime.reference.evaluate import (
    address,
    computed,
    constant,
    fabric_dsd,
    integers,
    memory_faults,
    number,
    operands_of,
    scalar_type,
    updated,
)
from waferc_runtime.reference.library import library
from waferc_runtime.reference.map import run_map
from waferc_runtime.reference.memory import FifoOperand, MemoryDsd, Value
from waferc_runtime.reference.microthreads import check_alone, check_unused
from waferc_runtime.reference.operands import (
    Operand,
    Operation,
    index_of,
    operand,
)
from waferc_runtime.reference.operate import operate
from waferc_runtime.reference.state import Register, State, span_of
from waferc_runtime.reference.thread import Enter, Steps, Thread, Wait, flattened
from waferc_runtime.run_error import past_limit

T = TypeVar("T")

MAX_CALL_DEPTH = 512


class Flow(Enum):
    """How a statement ends."""

    NEXT = auto()
    BREAK = auto()
    CONTINUE = auto()
    RETURN = auto()


@dataclass(eq=False, slots=True)
class Frame:
    """A function that runs: its locals and, in the end, its result."""

    function: core.Function
    depth: int
    locals: dict[core.Local, Value] = field(default_factory=lambda: {})
    result: Value = None


Spawn = Callable[[Operation, Thread], None]


class Interpreter:
    """Runs functions of a PE's program on one thread. `spawn` starts an asynchronous operation."""

    def __init__(self, state: State, thread: Thread, spawn: Spawn) -> None:
        self.state = state
        self.thread = thread
        self._spawn = spawn
        self._path: list[str] = []  # functions under way
        self._maps = 0  # `@map`s under way, whose calls are not told

    def call(
        self,
        function: core.Function,
        arguments: Sequence[Value],
        depth: int = 0,
        begin: int | None = None,
    ) -> Steps[Value]:
        """Run `function`; its result is the generator's value.

        `begin` is when a task whose function it is was chosen.
        """
        if depth > MAX_CALL_DEPTH:
            raise self.state.error(
                f"calls are nested more than {MAX_CALL_DEPTH} deep", self.thread, function.at
            )
        frame = Frame(function, depth, dict(zip(function.parameters, arguments, strict=True)))
        outer, self.thread.function = self.thread.function, function.name
        before = self.thread.account() if begin is None else (begin, begin, 0, 0)
        self._path.append(function.name)
        yield from self._body(function.body, frame)
        observer = self.state.shared.observer
        if observer is not None and observer.wants_spans and not self._maps:
            observer.span(span_of(self.state, self.thread, tuple(self._path), before))
        self._path.pop()
        self.thread.function = outer
        return frame.result

    def constant_value(self, node: core.Expr) -> Steps[Value]:
        """The value of an expression outside of any function."""
        return self._value(node, Frame(core.Function("initial values"), 0))

    def statement(self, node: core.Stmt) -> Steps[Flow]:
        """Run a statement outside of any function."""
        return self._statement(node, Frame(core.Function("initial values"), 0))

    # ---- statements ------------------------------------------------------------------------------

    def _body(self, body: Sequence[core.Stmt], frame: Frame) -> Steps[Flow]:
        for statement in body:
            self.thread.place = statement.at or self.thread.place
            if self.state.microthreads and self.thread.clock > self.state.now:
                yield Wait(self.thread.clock)  # others may write what this statement reads
            flow = yield from self._statement(statement, frame)
            if flow is not Flow.NEXT:
                return flow
        return Flow.NEXT

    def _statement(self, statement: core.Stmt, frame: Frame) -> Steps[Flow]:
        match statement:
            case core.SetLocal(local, expression):
                frame.locals[local] = yield from self._evaluate(expression, frame)
            case core.SetSlot(slot, expression):
                self.state.slots[slot] = yield from self._evaluate(expression, frame)
            case core.Store(pointer, expression, at):
                target = yield from self._evaluate(pointer, frame)
                value = yield from self._evaluate(expression, frame)
                with memory_faults(self.state, self.thread, at):
                    address(target).store(number(value), scalar_type(expression.type))
            case core.Evaluate(expression):
                yield from self._evaluate(expression, frame)
            case core.If(condition, then, otherwise):
                chosen = yield from self._evaluate(condition, frame)
                return (yield from self._body(then if chosen else otherwise, frame))
            case core.While() | core.For():
                return (yield from self._loop(statement, frame))
            case core.Return(expression):
                if expression is not None:
                    frame.result = yield from self._evaluate(expression, frame)
                return Flow.RETURN
            case core.Break():
                return Flow.BREAK
            case core.Continue():
                return Flow.CONTINUE
            case core.DsdOperation():
                yield from self._operation(statement, frame)
            case core.MapOperation():
                yield from self._map(statement, frame)
            case core.TaskControl():
                yield from self._task_control(statement, frame)
            case core.LoadDsr():
                yield from self._load_register(statement, frame)
            case core.SetFifoLength():
                yield from self._set_fifo_length(statement, frame)
            case core.SetConfig():
                yield from self._set_config(statement, frame)
            case core.FlushQueue():
                yield from self._flush(statement, frame)
            case core.Print():
                yield from self._print(statement, frame)
            case core.Assert(condition, at):
                before = self.thread.clock
                holds = yield from self._evaluate(condition, frame)
                self.thread.clock = before
                if not holds:
                    raise self.state.error("an assertion does not hold", self.thread, at)
        self.thread.clock += statement_cycles(statement, self.state.machine)
        return Flow.NEXT

    def _loop(self, loop: core.While | core.For, frame: Frame) -> Steps[Flow]:
        values: range | None = None
        if isinstance(loop, core.For):
            bounds: list[int] = []
            for expression in (loop.start, loop.stop, loop.step):
                bounds.append(int(number((yield from self._evaluate(expression, frame)))))
            if bounds[2] == 0:
                raise self.state.error("a loop has step 0", self.thread, loop.at)
            values = range(*bounds)
        count = 0
        while True:
            if isinstance(loop, core.For):
                if values is None or count >= len(values):
                    return Flow.NEXT
                frame.locals[loop.variable] = values[count]
                if loop.index is not None:
                    frame.locals[loop.index] = wrap(count, scalar_type(loop.index.type))
            else:
                holds = yield from self._evaluate(loop.condition, frame)
                if not holds:
                    return Flow.NEXT
            count += 1
            self.thread.clock += self.state.machine.loop_cycles
            limit = self.state.shared.max_cycles
            if limit is not None and self.thread.clock > limit:
                raise self.state.error(past_limit(limit), self.thread, loop.at)
            flow = yield from self._body(loop.body, frame)
            if flow is Flow.BREAK:
                return Flow.NEXT
            if flow is Flow.RETURN:
                return flow
            if isinstance(loop, core.While):
                yield from self._body(loop.step, frame)

    # ---- operations ------------------------------------------------------------------------------

    def _operation(self, statement: core.DsdOperation, frame: Frame) -> Steps[None]:
        op = DSD_OPS.get(statement.op)
        if op is None:
            raise self.state.error(f"{statement.op} is not supported", self.thread, statement.at)
        operands: list[Operand] = []
        for node in (statement.dest, *statement.sources):
            operands.append((yield from self._operand(node, frame)))
        index = yield from self._index(statement.config, frame)
        self.thread.clock += operand_cycles(statement, self.state.machine)
        registers = [item.register for item in operands if item.register is not None]
        config = statement.config.with_registers(register.config for register in registers)
        index = index_of(statement.config, index, tuple(operands))
        operation = Operation(op, tuple(operands), config, index, statement.at)
        misuse = operation.misuse()
        if misuse is not None:
            raise self.state.error(misuse, self.thread, statement.at)
        completed = True
        if config.is_async:
            if not operation.streams:
                raise self.state.error(
                    f"{op.name} is asynchronous without a fabric operand", self.thread, statement.at
                )
            yield Wait(self.thread.clock)
            self._spawn(operation, self.thread)
        else:
            if self.state.microthreads:
                yield Wait(self.thread.clock)
                check_alone(self.state, self.thread, operation)
            completed = yield from operate(
                self.state, self.thread, operation, operation.length(self.state)
            )
            finish(self.state, self.thread, config)
        if statement.result is not None:
            frame.locals[statement.result] = completed

    def _operand(self, node: core.Expr, frame: Frame) -> Steps[Operand]:
        value = yield from self._evaluate(node, frame)
        return operand(self.state, self.thread, node.type, value)

    def _index(self, config: core.DsdConfig, frame: Frame) -> Steps[int]:
        if config.index is None:
            return 0
        return int(number((yield from self._evaluate(config.index, frame))))

    def _load_register(self, statement: core.LoadDsr, frame: Frame) -> Steps[None]:
        place = yield from self._evaluate(statement.dsr, frame)
        value = yield from self._evaluate(statement.dsd, frame)
        index = yield from self._index(statement.config, frame)
        assert isinstance(statement.dsr.type, core.Dsr)
        if self.state.microthreads:
            yield Wait(self.thread.clock)
        name = f"{statement.dsr.type.file} {place}"
        check_unused(self.state, self.thread, name, statement.at)
        self.state.registers[name] = Register(
            value, statement.config, index, statement.save_address, statement.single_step
        )

    def _map(self, statement: core.MapOperation, frame: Frame) -> Steps[None]:
        inputs: list[Operand] = []
        for expression in statement.inputs:
            inputs.append((yield from self._operand(expression, frame)))
        output = Operand(None)
        if statement.output is not None:
            output = yield from self._operand(statement.output, frame)
        function = statement.function

        def apply(arguments: Sequence[Value]) -> Steps[Value]:
            if isinstance(function, core.Function):
                self._maps += 1
                value = yield Enter(self.call(function, arguments, frame.depth + 1))
                self._maps -= 1
                return value
            self.thread.clock += library_cycles(function, self.state.machine)
            types = [statement.element] * len(arguments)
            return library(self.state, self.thread, function, arguments, types, statement.at)

        yield from run_map(self.state, self.thread, statement, inputs, output, apply)

    # ---- tasks, queues, configuration ------------------------------------------------------------

    def _task_control(self, statement: core.TaskControl, frame: Frame) -> Steps[None]:
        state, thread = self.state, self.thread
        task = int(number((yield from self._evaluate(statement.task, frame))))
        yield Wait(thread.clock)
        is_microthread = statement.task.type is core.Handle.MICROTHREAD
        match statement.action:
            case "activate":
                state.activate(task, thread.clock, thread)
            case "block" if is_microthread:
                state.blocked_microthreads.add(task)
            case "block":
                state.blocked.add(task)
            case "unblock" if is_microthread:
                state.blocked_microthreads.discard(task)
                state.wake(thread.clock)
            case "unblock":
                state.unblock(task, thread.clock)

    def _set_fifo_length(self, statement: core.SetFifoLength, frame: Frame) -> Steps[None]:
        length = int(number((yield from self._evaluate(statement.value, frame))))
        yield Wait(self.thread.clock)
        ring = self.state.rings[statement.fifo]
        if statement.side == "read":
            ring.read_length = length
        else:
            ring.write_length = length

    def _flush(self, statement: core.FlushQueue, frame: Frame) -> Steps[None]:
        queue = int(number((yield from self._evaluate(statement.queue, frame))))
        yield Wait(self.thread.clock)
        if queue not in self.state.program.empty_queue_handlers:
            raise self.state.error(
                f"output queue {queue} is flushed, which has no handler,",
                self.thread,
                statement.at,
            )
        self.state.flushing[queue] = self.thread.clock
        self.state.wake(self.thread.clock)

    def _set_config(self, statement: core.SetConfig, frame: Frame) -> Steps[None]:
        place = int(number((yield from self._evaluate(statement.address, frame))))
        value = int(number((yield from self._evaluate(statement.value, frame))))
        yield Wait(self.thread.clock)
        with self._known_register(statement.at):
            write_register(self.state, place, value & 0xFFFF)
        self.state.wake(self.thread.clock)

    def _get_config(self, node: core.GetConfig, frame: Frame) -> Steps[Value]:
        place = int(number((yield from self._evaluate(node.address, frame))))
        yield Wait(self.thread.clock)
        with self._known_register(node.at):
            return read_register(self.state, place)

    @contextmanager
    def _known_register(self, at: Location | None) -> Generator[None, Any, None]:
        try:
            yield
        except UnknownRegisterError as fault:
            raise self.state.error(str(fault), self.thread, at) from fault

    def _print(self, statement: core.Print, frame: Frame) -> Steps[None]:
        before = self.thread.clock
        x, y = self.state.x, self.state.y
        text = f"PE({x},{y}): " if statement.with_coordinates else ""
        for part in statement.parts:
            if isinstance(part, str):
                text += part
            else:
                value = number((yield from self._evaluate(part.value, frame)))
                text += show(value, scalar_type(part.value.type), part.form)
        self.thread.clock = before
        for line in self.state.printed.add(text):
            self.state.tell(PrintEvent(x, y, line, before))

    # ---- expressions -----------------------------------------------------------------------------

    def _evaluate(self, node: core.Expr, frame: Frame) -> Steps[Value]:
        own = expression_cycles(node, self.state.machine)
        before = own if isinstance(node, core.Call) else 0  # a call leads to what it calls
        self.thread.clock += before
        value = yield from self._value(node, frame)
        self.thread.clock += own - before
        return value

    def _value(self, node: core.Expr, frame: Frame) -> Steps[Value]:
        match node:
            case core.Const():
                return constant(self.state, node)
            case core.GetLocal(local):
                return frame.locals.get(local)
            case core.GetSlot(slot):
                if slot not in self.state.slots and slot.initial is not None:
                    self.state.slots[slot] = yield from self._value(slot.initial, frame)
                return self.state.slots.get(slot)
            case core.LogicExpr(op, lhs, rhs):
                left = yield from self._evaluate(lhs, frame)
                if bool(left) == (op == "or"):
                    return left
                return (yield from self._evaluate(rhs, frame))
            case core.SelectExpr(_, condition, lhs, rhs):
                chosen = yield from self._evaluate(condition, frame)
                return (yield from self._evaluate(lhs if chosen else rhs, frame))
            case core.Call(function, arguments):
                values = yield from self._all(arguments, frame)
                return (yield Enter(self.call(function, values, frame.depth + 1)))
            case core.LibraryCall(_, name, arguments, at):
                values = yield from self._all(arguments, frame)
                types = [argument.type for argument in arguments]
                return library(self.state, self.thread, name, values, types, at)
            case core.MakeMemDsd(kind, base, strides, extents, takes_index):
                start = yield from self._evaluate(base, frame)
                steps = integers((yield from self._all(strides, frame)))
                counts = integers((yield from self._all(extents, frame)))
                return MemoryDsd(kind, address(start), steps, counts, takes_index)
            case core.FifoValue(fifo):
                return FifoOperand(fifo)
            case core.GetConfig():
                return (yield from self._get_config(node, frame))
            case core.MakeFabDsd(_, _, _, extent):
                length = yield from self._evaluate(extent, frame)
                return fabric_dsd(self.state, self.thread, node, int(number(length)))
            case core.UpdateDsd(_, inner, _, expression):
                dsd = yield from self._evaluate(inner, frame)
                value = yield from self._evaluate(expression, frame)
                return updated(self.state, self.thread, node, dsd, value)
            case _:
                operands = yield from self._all(operands_of(node), frame)
                return computed(self.state, self.thread, node, operands)

    def _all(self, nodes: Sequence[core.Expr], frame: Frame) -> Steps[list[Value]]:
        values: list[Value] = []
        for node in nodes:
            values.append((yield from self._evaluate(node, frame)))
        return values


def finish(state: State, thread: Thread, config: core.DsdConfig) -> None:
    """What a DSD operation does with tasks when it ends."""
    if config.activate is not None:
        state.activate(config.activate, thread.clock, thread)
    if config.unblock is not None:
        state.unblock(config.unblock, thread.clock)


def set_up(state: State) -> None:
    """Give the slots and DSRs of a PE their initial values, which are constant expressions."""
    thread = Thread("initial values", 0)

    def refuse(operation: Operation, issuer: Thread) -> None:
        raise state.error("an initial value starts an operation", issuer, operation.at)

    interpreter = Interpreter(state, thread, refuse)
    for slot in state.program.slots:
        if slot.initial is not None and slot not in state.slots:
            state.slots[slot] = _at_once(interpreter.constant_value(slot.initial))
    for statement in (*state.program.dsrs, *state.program.configs):
        _at_once(interpreter.statement(statement))


def _at_once(steps: Steps[T]) -> T:
    """The value of steps that nobody else can see."""
    run = flattened(steps)
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value
