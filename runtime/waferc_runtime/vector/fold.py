"""Loops over memory operations, carried out as few NumPy operations over all iterations.

A loop nest is evaluated once with its variables as symbols: places in memory become affine in
them, so that an operation in the nest is one operation with a dimension more for each loop. That
is done only where nothing but the order of independent elements changes: every rounding takes
place in the order that the loops give it. Everything else runs iteration by iteration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.timing import (
    expression_cycles,
    operand_cycles,
    statement_cycles,
)
from waferc_runtime.builtins.walk import walk
from waferc_runtime.csl import core
from waferc_runtime.vector.affine import (
    Affine,
    AffinePointer,
    Cell,
    NotFoldable,
    Symbol,
    difference,
    plus,
    value_at,
)
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.map import PureFunction, pure_function
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.recorded import Recorder
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.symbolic import SymbolicExpressions
from waferc_runtime.vector.values import RunValue

_PATIENCE = 3  # attempts that may fail before a loop is no longer tried


class _Facts:
    """What is known of the parts of a loop nest whatever the values, worked out once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._cycles: dict[core.Expr, int] = {}
        self._carried: dict[core.For, set[int]] = {}
        self._assigned: dict[core.For, set[int]] = {}
        self._pure: dict[core.MapOperation, PureFunction | None] = {}

    def cycles(self, node: core.Expr) -> int:
        """Cycles of an expression."""
        if node not in self._cycles:
            parts = walk(node)
            self._cycles[node] = sum(expression_cycles(part, self._machine) for part in parts)
        return self._cycles[node]

    def carried(self, loop: core.For) -> set[int]:
        """Locals that an iteration takes over from the one before."""
        if loop not in self._carried:
            self._carried[loop] = _read_before_set(loop)
        return self._carried[loop]

    def assigned(self, loop: core.For) -> set[int]:
        """Locals that an iteration sets, the loop's own variables included."""
        if loop not in self._assigned:
            names = {loop.variable.index} | _set_locals(loop.body)
            if loop.index is not None:
                names.add(loop.index.index)
            self._assigned[loop] = names
        return self._assigned[loop]

    def pure(
        self, statement: core.MapOperation, types: Sequence[core.Scalar], result: core.Scalar
    ) -> PureFunction | None:
        """The function of a `@map` as a function of arrays."""
        if statement not in self._pure:
            made = pure_function(statement.function, types, result, self._machine)
            self._pure[statement] = made
        return self._pure[statement]


class Folder:
    """Runs one loop of a program at once where that is possible."""

    def __init__(self, loop: core.For, state: ClassState, machine: Machine) -> None:
        self._facts = _Facts(machine)
        self._loop = loop
        self._state = state
        self._machine = machine
        self._failures = 0 if _is_candidate(loop) else _PATIENCE

    def run(self, group: Group, trips: int, low: RunValue, by: RunValue) -> bool:
        """Run all iterations, clocks included; False if nothing was done."""
        if self._failures >= _PATIENCE or trips == 0:
            return False
        nest = _Nest(group, self._state, self._machine, self._facts)
        try:
            nest.loop(self._loop, trips, low, by)
            nest.recorder.prepare()
        except (NotFoldable, OutOfBounds, Misuse):
            # a fault is found again, with its PE and place, when the loop runs step by step
            self._failures += 1
            return False
        self._failures = 0
        finals = [
            (index, value_at(value, [], group.lanes))
            for index, value in nest.values.items()
            if index in nest.assigned
        ]
        nest.recorder.execute()
        for index, value in finals:
            group.locals[index] = value
        group.spend(nest.cycles, nest.recorder.conflicts)
        return True


class _Nest:
    """The symbolic evaluation of a loop nest for one group."""

    def __init__(self, group: Group, state: ClassState, machine: Machine, facts: _Facts) -> None:
        self._facts = facts
        self._group = group
        self._state = state
        self._machine = machine
        self._extents: list[int] = []
        self.values: dict[int, Symbol] = dict(enumerate(group.locals))
        self.assigned: set[int] = set()
        self.cycles: int | np.ndarray[Any, np.dtype[np.int64]] = 0
        self.recorder = Recorder(group, machine)
        self._expressions = SymbolicExpressions(state, group.lanes, self.values, self._extents)

    def loop(self, loop: core.For, trips: int, low: RunValue, by: RunValue) -> None:
        """Evaluate a loop whose bounds are known."""
        if isinstance(by, np.ndarray) or isinstance(low, np.ndarray):
            raise NotFoldable
        carried = self._facts.carried(loop)
        entry = {index: self.values.get(index) for index in carried}
        steps: dict[int, int] = {}
        if carried:
            steps = self._probe(loop, entry, low, by)
        depth = len(self._extents)
        self._extents.append(trips)
        self.recorder.path.append(loop)
        for index, step in steps.items():
            self.values[index] = plus(entry[index], Affine(0, (0,) * depth + (step,)))
        self._variables(loop, low, by)
        self._spend(self._machine.loop_cycles)
        before = {index: self.values[index] for index in steps}
        self._body(loop.body)
        for index, step in steps.items():
            if difference(self.values[index], before[index]) != step:
                raise NotFoldable
        self._extents.pop()
        self.recorder.path.pop()
        last = [None] * depth + [trips - 1]
        for index in self._facts.assigned(loop):
            self.assigned.add(index)
            if index in steps:
                self.values[index] = plus(entry[index], trips * steps[index])
            else:
                self.values[index] = value_at(self.values.get(index), last, self._group.lanes)

    def _probe(
        self, loop: core.For, entry: dict[int, Symbol], low: RunValue, by: RunValue
    ) -> dict[int, int]:
        """By how much an iteration moves the variables that it hands on to the next."""
        saved, cycles = dict(self.values), self.cycles
        recorder, self.recorder = self.recorder, Recorder(self._group, self._machine)
        self.recorder.path = [*recorder.path, loop]
        self._extents.append(1)
        self._variables(loop, low, by)
        self._body(loop.body)
        self._extents.pop()
        steps = {index: difference(self.values[index], entry[index]) for index in entry}
        self.values.clear()
        self.values.update(saved)
        self.cycles, self.recorder = cycles, recorder
        return steps

    def _variables(self, loop: core.For, low: RunValue, by: RunValue) -> None:
        depth = len(self._extents) - 1
        zeros = (0,) * depth
        self.values[loop.variable.index] = Affine(int(low), (*zeros, int(by)))
        if loop.index is not None:
            self.values[loop.index.index] = Affine(0, (*zeros, 1))

    def _spend(self, cycles: int) -> None:
        self.cycles = self.cycles + cycles * math.prod(self._extents)

    def _value(self, node: core.Expr) -> Symbol:
        self._spend(self._facts.cycles(node))
        return self._expressions.value(node)

    def _body(self, body: Sequence[core.Stmt]) -> None:
        for statement in body:
            self._statement(statement)
            self._spend(statement_cycles(statement, self._machine))

    def _statement(self, statement: core.Stmt) -> None:
        match statement:
            case core.SetLocal():
                value = self._value(statement.value)
                if isinstance(value, Cell):
                    self.recorder.read(self._extents, value)
                self.values[statement.local.index] = value
                self.assigned.add(statement.local.index)
            case core.For():
                self._inner(statement)
            case core.If():
                chosen = self._value(statement.condition)
                if isinstance(chosen, bool | np.bool_):
                    self._body(statement.then if chosen else statement.otherwise)
                else:
                    raise NotFoldable
            case core.Store():
                pointer = self._value(statement.pointer)
                value = self._value(statement.value)
                element = statement.value.type
                if not isinstance(pointer, AffinePointer) or not isinstance(element, core.Scalar):
                    raise NotFoldable
                self.recorder.store(self._extents, pointer, element, value)
            case core.DsdOperation():
                self._operation(statement)
            case core.MapOperation():
                self._map(statement)
            case _:
                raise NotFoldable

    def _inner(self, loop: core.For) -> None:
        bounds = [self._value(bound) for bound in (loop.start, loop.stop, loop.step)]
        low, high, by = bounds
        if not (isinstance(low, int) and isinstance(high, int) and isinstance(by, int) and by):
            raise NotFoldable
        trips = len(range(low, high, by))
        if trips:
            self.loop(loop, trips, low, by)

    def _operation(self, statement: core.DsdOperation) -> None:
        op = DSD_OPS[statement.op]
        dest = self._value(statement.dest)
        sources: list[Symbol] = []
        for source, element in zip(statement.sources, op.source_elements, strict=True):
            value = self._value(source)
            if isinstance(source.type, core.Scalar):
                value = self._expressions.cast(value, source.type, element)
            sources.append(value)
        self._spend(operand_cycles(statement, self._machine))
        self.cycles = self.cycles + self.recorder.operation(self._extents, op, dest, sources)

    def _map(self, statement: core.MapOperation) -> None:
        function = statement.function
        types = [statement.element] * len(statement.inputs)
        result = statement.element
        if isinstance(function, core.Function):
            types = [p.type for p in function.parameters if isinstance(p.type, core.Scalar)]
            if isinstance(function.result, core.Scalar):
                result = function.result
        pure = self._facts.pure(statement, types, result)
        if pure is None or pure.cycles is None or len(types) != len(statement.inputs):
            raise NotFoldable
        if statement.output is None:
            raise NotFoldable
        output = self._value(statement.output)
        inputs = [self._value(source) for source in statement.inputs]
        count = self.recorder.map(self._extents, pure.compute, result, output, types, inputs)
        machine = self._machine
        self._spend(machine.dsd_setup_cycles + count * (pure.cycles + machine.loop_cycles))


def _is_candidate(statement: core.Stmt) -> bool:
    """Whether a loop has only statements and expressions that can be folded."""
    match statement:
        case core.For():
            bounds = (statement.start, statement.stop, statement.step)
            return all(map(_is_plain, bounds)) and all(map(_is_candidate, statement.body))
        case core.If():
            bodies = (*statement.then, *statement.otherwise)
            return _is_plain(statement.condition) and all(map(_is_candidate, bodies))
        case core.SetLocal():
            return _is_plain(statement.value)
        case core.Store():
            return _is_plain(statement.pointer) and _is_plain(statement.value)
        case core.DsdOperation():
            is_known = statement.op in DSD_OPS and statement.config == core.DsdConfig()
            operands = (statement.dest, *statement.sources)
            right = is_known and len(statement.sources) == len(
                DSD_OPS[statement.op].source_elements
            )
            return right and all(map(_is_operand, operands))
        case core.MapOperation(_, _, inputs, output):
            return output is not None and all(map(_is_operand, (*inputs, output)))
        case _:
            return False


def _is_operand(node: core.Expr) -> bool:
    """Whether an operand is no register, whose address may go on by itself."""
    return not isinstance(node.type, core.Dsr) and _is_plain(node)


def _is_plain(node: core.Expr) -> bool:
    refused = (core.Call, core.LogicExpr, core.SelectExpr, core.MakeFabDsd)
    return not any(
        isinstance(part, refused)
        or (isinstance(part, core.LibraryCall) and not part.name.startswith("math."))
        for part in walk(node)
    )


def _set_locals(body: Sequence[core.Stmt]) -> set[int]:
    found: set[int] = set()
    for statement in body:
        match statement:
            case core.SetLocal():
                found.add(statement.local.index)
            case core.For():
                found |= _set_locals(statement.body) | {statement.variable.index}
            case core.If():
                found |= _set_locals(statement.then) | _set_locals(statement.otherwise)
            case _:
                pass
    return found


def _read_before_set(loop: core.For) -> set[int]:
    """Locals that an iteration takes over from the one before."""
    assigned = _set_locals(loop.body)
    found: set[int] = set()
    known = {loop.variable.index}
    if loop.index is not None:
        known.add(loop.index.index)
    _scan(loop.body, assigned, known, found)
    return found


def _scan(body: Sequence[core.Stmt], assigned: set[int], known: set[int], found: set[int]) -> None:
    def read(*nodes: core.Expr) -> None:
        for node in nodes:
            for part in walk(node):
                if isinstance(part, core.GetLocal) and part.local.index in assigned - known:
                    found.add(part.local.index)

    for statement in body:
        match statement:
            case core.SetLocal():
                read(statement.value)
                known.add(statement.local.index)
            case core.Store():
                read(statement.pointer, statement.value)
            case core.DsdOperation():
                read(statement.dest, *statement.sources)
            case core.MapOperation():
                read(*statement.inputs)
                if statement.output is not None:
                    read(statement.output)
            case core.For():
                read(statement.start, statement.stop, statement.step)
                inner = known | {statement.variable.index}
                if statement.index is not None:
                    inner.add(statement.index.index)
                _scan(statement.body, assigned, inner, found)
            case core.If():
                read(statement.condition)
                sides = [set(known), set(known)]
                _scan(statement.then, assigned, sides[0], found)
                _scan(statement.otherwise, assigned, sides[1], found)
                known |= sides[0] & sides[1]
            case _:
                pass
