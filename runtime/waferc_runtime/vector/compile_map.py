"""Compiling `@map`: on whole arrays where that is possible, else a call for each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core
from waferc_runtime.vector.assemble import Label
from waferc_runtime.vector.dsr import Operand, saves_of
from waferc_runtime.vector.effects import MAX_CALL_DEPTH, Effects
from waferc_runtime.vector.group import Frame, Group, Instruction
from waferc_runtime.vector.lanes import alike
from waferc_runtime.vector.map import MapRun, pure_function, stored_at
from waferc_runtime.vector.operation import uniform_shape
from waferc_runtime.vector.unknown import Misuse
from waferc_runtime.vector.values import FabricDsd, FifoDsd, Int, MemoryDsd, RunValue

_Operands = list[Callable[[Group], Operand]]


class Maps(Effects):
    """Compiles `@map`."""

    def _map(self, statement: core.MapOperation) -> None:
        function, result = statement.function, statement.element
        types = [statement.element] * len(statement.inputs)
        if isinstance(function, core.Function):
            types = [
                p.type if isinstance(p.type, core.Scalar) else statement.element
                for p in function.parameters
            ]
            if isinstance(function.result, core.Scalar):
                result = function.result
        nodes = [*statement.inputs, *([] if statement.output is None else [statement.output])]
        operands: _Operands = []
        cost = 0
        for node in nodes:
            closure, part = self._operand(node, None)
            operands.append(closure)
            cost += part
        self._separate()
        self._separate_registers()
        end = Label()
        self._emit(self._shape_separation(operands, self._here, end))
        self._map_operands(statement, operands, cost, types, result, end)
        self._place(end)
        self._meet(end)

    def _shape_separation(self, operands: _Operands, here: int, end: Label) -> Instruction:
        """A split of the group by strides, lengths and colors."""
        wafer = self._wafer

        def separate(g: Group) -> int:
            table = _shapes([operand(g).value for operand in operands], g.lanes.count)
            if table is None:
                return here + 1
            kinds = alike(table)
            if len(kinds) == 1:
                return here + 1
            return wafer.split(g, [(positions, here + 1) for positions in kinds], end.pc)

        return separate

    def _map_operands(
        self,
        statement: core.MapOperation,
        operands: _Operands,
        cost: int,
        types: Sequence[core.Scalar],
        result: core.Scalar,
        end: Label,
    ) -> None:
        function, has_output = statement.function, statement.output is not None
        pure = pure_function(function, types, result, self._machine)
        wafer, setup = self._wafer, self._machine.dsd_setup_cycles
        places = [self._hidden() for _ in operands]
        count = self._hidden()
        following = self._here + 1
        elements = [*types, *([result] if has_output else [])]

        def start(g: Group) -> int:
            items = [operand(g) for operand in operands]
            values = [uniform_shape(item.value) for item in items]
            if any(isinstance(value, FifoDsd) for value in values):
                raise Misuse("@map takes no FIFO")
            output = values.pop() if has_output else None
            run = MapRun(values, types, output, result, pure)
            g.extra += cost
            saves = saves_of(items, elements)
            if run.is_vectorisable():
                return wafer.issue_map(g, run, saves, end.pc)
            if isinstance(function, str):
                raise Misuse(f"@map of {function} takes no such operands")
            for save in saves:
                save.settle(g.lanes, run.count, g.state.count)
            g.extra += setup
            for place, value in zip(places, [*values, output], strict=False):
                g.locals[place] = value
            g.locals[count] = run.count
            return following

        self._emit(start)
        if isinstance(function, core.Function):
            self._one_by_one(function, places, has_output, count, elements, end)

    def _one_by_one(
        self,
        function: core.Function,
        places: list[int],
        has_output: bool,
        count: int,
        elements: Sequence[core.Scalar],
        end: Label,
    ) -> None:
        """A loop that calls the function for one element after the other."""
        target, loop_cycles = self._owner.code(function), self._machine.loop_cycles
        inputs = places[: len(places) - has_output]
        taken = [self._hidden() for _ in inputs]
        result = None if isinstance(function.result, core.Void) else self._hidden()
        counter = self._hidden()
        wafer, store, loop = self._wafer, Label(), self._here + 1

        def prepare(g: Group) -> int:
            g.locals[counter] = 0
            return loop

        def check(g: Group) -> int:
            return loop + 1 if g.locals[counter] < g.locals[count] else end.pc

        self._emit(prepare)
        self._emit(check)
        for place, element, into in zip(inputs, elements, taken, strict=False):
            self._emit(self._fetch(place, element, into, counter, self._here + 1))

        def call(g: Group) -> int:
            if len(g.frames) >= MAX_CALL_DEPTH:
                raise Misuse(f"calls are nested more than {MAX_CALL_DEPTH} deep")
            arguments: list[RunValue] = [g.locals[place] for place in taken]
            g.frames[-1].pc = store.pc
            arguments += [None] * (target.locals - len(arguments))
            g.frames.append(Frame(target, arguments, 0, result))
            return 0

        self._emit(call)
        self._place(store)
        proceed = self._here + 1
        output, kind = places[-1], elements[-1]

        def put(g: Group) -> int:
            if result is None or not has_output:
                return proceed
            values, dest = g.locals, g.locals[output]
            if isinstance(dest, FabricDsd):
                is_last = values[counter] == values[count] - 1
                port = replace(dest, advances_switch=dest.advances_switch and is_last)
                return wafer.send_one(g, port, kind, values[result], proceed)
            stored_at(dest, values[counter], kind, values[result], g.lanes)
            return proceed

        def next_one(g: Group) -> int:
            g.locals[counter] += 1
            g.extra += loop_cycles
            return loop

        self._emit(put)
        self._emit(next_one)

    def _fetch(
        self, place: int, element: core.Scalar, into: int, counter: int, following: int
    ) -> Instruction:
        """The next element of an input; what is no DSD is the same each time."""
        wafer = self._wafer

        def fetch(g: Group) -> int:
            value: Any = g.locals[place]
            match value:
                case FabricDsd():
                    return wafer.receive_one(g, value, element, into, following)
                case MemoryDsd():
                    words = value.words + value.offset(g.locals[counter]) * element.words
                    g.locals[into] = value.block.load(words, element, g.lanes)
                case _:
                    g.locals[into] = value
            return following

        return fetch


def _shapes(values: Sequence[RunValue], pes: int) -> NDArray[np.int64] | None:
    """Whatever of the shapes of DSDs differs between PEs: [part, pe]; None if nothing."""
    parts: list[Int] = []
    for value in values:
        match value:
            case MemoryDsd():
                parts += [value.first, *value.strides, *value.extents]
            case FabricDsd():
                parts += [value.color, value.extent]
            case _:
                pass
    varying: list[NDArray[Any]] = [part for part in parts if isinstance(part, np.ndarray)]
    if not varying:
        return None
    return np.stack([np.broadcast_to(part, pes).astype(np.int64) for part in varying])
