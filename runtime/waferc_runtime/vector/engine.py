"""The vector engine: runs an elaborated program on a machine, many PEs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins import scalar
from waferc_runtime.check.endpoints import endpoints
from waferc_runtime.csl import core
from waferc_runtime.run_error import RunError, pe_name
from waferc_runtime.statistics import Statistics, class_sram_bytes
from waferc_runtime.vector.compile import Compiler
from waferc_runtime.vector.expression import constant_value
from waferc_runtime.vector.group import Code, Frame, Group
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, all_lanes, lanes_of
from waferc_runtime.vector.memory import Block, OutOfBounds
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.schedule import Scheduler
from waferc_runtime.vector.state import ClassState, Variable, Work
from waferc_runtime.vector.values import PointerValue


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """Exported data on PEs of a class within a rectangle; `x`, `y` are places in that."""

    block: Block
    words: int | NDArray[Any]
    element: core.Scalar
    lanes: Lanes
    x: NDArray[np.intp]
    y: NDArray[np.intp]


class VectorEngine:
    """Runs an elaborated program on a machine, one NumPy operation for many PEs."""

    def __init__(self, elaborated: core.Elaborated, machine: Machine) -> None:
        self._program = elaborated
        self._machine = machine
        self._work = Work()
        self._classes = [
            ClassState(pe_class, elaborated.width, self._work) for pe_class in elaborated.classes
        ]
        network = Network(elaborated, machine, self._input_depths, self._code)
        self._scheduler = Scheduler(network, machine)
        self._compilers: dict[ClassState, Compiler] = {}
        for state in self._classes:
            for slot in state.program.slots:
                state.variables[slot] = Variable(None)
            for slot in state.program.slots:
                if slot.initial is not None:
                    self._initialise(state, slot, slot.initial)
            self._compilers[state] = Compiler(state, machine, self._scheduler)
        self._endpoints = [endpoints(c, elaborated.arch) for c in elaborated.classes]

    # ---- the host's side -------------------------------------------------------------------------

    def write(self, symbol: str, x: int, y: int, array: NDArray[Any]) -> None:
        """Copy `array` [h, w, n] to the exported `symbol` of the PEs from (x, y) on.

        Raises:
            RunError: no such symbol there, or more elements than it has.
        """
        height, width, count = (int(extent) for extent in array.shape)
        for target in self._targets(symbol, x, y, width, height, count):
            values = array[target.y, target.x].T.astype(scalar.DTYPES[target.element], copy=False)
            offsets = np.arange(count) * target.element.words
            target.block.scatter(target.words, offsets, target.element, target.lanes, values)

    def read(self, symbol: str, x: int, y: int, width: int, height: int, n: int) -> NDArray[Any]:
        """The first `n` elements of `symbol` on a rectangle of PEs: [h, w, n].

        Raises:
            RunError: no such symbol there, or it has fewer elements.
        """
        targets = self._targets(symbol, x, y, width, height, n)
        result = np.zeros((height, width, n), scalar.DTYPES[targets[0].element])
        for target in targets:
            offsets = np.arange(n) * target.element.words
            values = target.block.gather(target.words, offsets, target.element, target.lanes)
            result[target.y, target.x] = values.T
        return result

    def launch(self, function: str, *args: int | float) -> None:
        """Start the exported `function` on every PE and run until the wafer is at rest.

        Raises:
            RunError: a PE does what it may not do, or still waits when the wafer is at rest.
        """
        begin = self._cycles()
        starts: list[Group] = []
        for state in self._classes:
            export = state.program.exports.get(function)
            if export is None or not isinstance(export.target, core.Function):
                raise _no_symbol(state, 0, function, "function")
            code = self._code(state, export.target)
            parameters = export.target.parameters
            if len(args) != len(parameters):
                raise RunError(
                    f"{function} takes {len(parameters)} arguments and is given {len(args)}"
                )
            values: list[Any] = [
                scalar.uniform(argument, parameter.type)
                if isinstance(parameter.type, core.Scalar)
                else argument
                for argument, parameter in zip(args, parameters, strict=True)
            ]
            values += [None] * (code.locals - len(values))
            clock = np.full(state.count, begin, np.int64)
            busy = np.zeros(state.count, np.int64)
            lanes = all_lanes(state.count)
            starts.append(Group(state, lanes, clock, busy, [Frame(code, values)]))
        for group in starts:
            self._scheduler.start(group)
        self._scheduler.run_to_rest(self._classes)

    def statistics(self) -> Statistics:
        """Measures over all launches so far."""
        shape = self._program.height, self._program.width
        busy = np.zeros(shape, np.int64)
        for state in self._classes:
            busy[state.program.y, state.program.x] = state.busy
        load = np.zeros((4, *shape), np.int64)
        sent = 0
        for stream in self._scheduler.network.streams.values():
            load += stream.link_load()
            sent += int(stream.sent.sum())
        cycles = self._cycles()
        return Statistics(
            cycles=cycles,
            busy_cycles=busy,
            wait_cycles=cycles - busy,
            macs=self._work.macs,
            flops=self._work.flops,
            wavelets_sent=sent,
            wavelet_hops=int(load.sum()),
            link_load=load,
            sram_bytes=tuple(class_sram_bytes(c) for c in self._program.classes),
        )

    # ---- building --------------------------------------------------------------------------------

    def _code(self, state: ClassState, function: core.Function) -> Code:
        return self._compilers[state].code(function)

    def _initialise(self, state: ClassState, slot: core.Slot, initial: core.Expr) -> None:
        try:
            value = constant_value(state, self._machine, initial)
        except Misuse as fault:
            raise RunError(f"{fault} in the initial value of {slot.name}") from fault
        state.variables[slot] = Variable(value)

    def _input_depths(self, color: int) -> NDArray[np.int64]:
        """Depth of the input queue that takes `color`, by PE.

        It is that of the deepest queue where the program names none.
        """
        depths = np.asarray(self._machine.input_queue_depths, np.int64)
        pes = self._program.width * self._program.height
        found = np.full(pes, depths.max(), np.int64)
        for state, uses in zip(self._classes, self._endpoints, strict=True):
            for use in uses:
                here = use.mask & (use.color == color) & (use.queue >= 0)
                if use.is_input and here.any():
                    found[state.pes[here]] = depths[use.queue[here]]
            for queue, bound in state.program.input_queues.items():
                here = np.broadcast_to(np.asarray(bound) == color, state.count)
                found[state.pes[here]] = depths[queue]
        return found

    def _cycles(self) -> int:
        clocks = [int(state.clock.max()) for state in self._classes]
        return max([self._scheduler.ended, *clocks])

    # ---- exported symbols ------------------------------------------------------------------------

    def _targets(
        self, symbol: str, x: int, y: int, width: int, height: int, count: int
    ) -> list[_Target]:
        found: list[_Target] = []
        covered = 0
        for state in self._classes:
            px, py = state.program.x - x, state.program.y - y
            inside = (px >= 0) & (px < width) & (py >= 0) & (py < height)
            positions = np.flatnonzero(inside)
            if not len(positions):
                continue
            covered += len(positions)
            lanes = lanes_of(positions, state.count)
            pointer, element = self._exported(state, symbol, lanes)
            try:
                if count:
                    pointer.block.check(pointer.words, 0, count * element.words)
            except OutOfBounds as fault:
                raise RunError(
                    f"{count:,} elements are copied at {symbol}, which has"
                    f" {pointer.block.words // element.words:,}",
                    notes=[f"on {pe_name(*state.where(int(positions[0])))}"],
                ) from fault
            column, row = px[positions].astype(np.intp), py[positions].astype(np.intp)
            found.append(_Target(pointer.block, pointer.words, element, lanes, column, row))
        if covered != width * height or not found:
            raise RunError(
                f"{symbol} is copied on {width} x {height} PEs from {pe_name(x, y)} on,"
                f" of which {width * height - covered} have no program"
            )
        return found

    def _exported(
        self, state: ClassState, symbol: str, lanes: Lanes
    ) -> tuple[PointerValue, core.Scalar]:
        export = state.program.exports.get(symbol)
        if export is None:
            raise _no_symbol(state, lanes.first(), symbol, "symbol")
        match export.target:
            case core.MemoryObject() as item:
                return PointerValue(state.blocks[item], 0), item.element
            case core.Slot(_, core.Pointer(element)) as slot:
                variable = state.variables[slot]
                if variable.kinds(lanes) is None:
                    value = variable.get(lanes)
                    if isinstance(value, PointerValue):
                        return value, element
            case core.AddressOf(core.Pointer(element)):
                value = constant_value(state, self._machine, export.target)
                assert isinstance(value, PointerValue)
                if isinstance(value.words, np.ndarray):
                    value = PointerValue(value.block, value.words[lanes.index])
                return value, element
            case _:
                pass
        raise RunError(f"{symbol} on {pe_name(*state.where(lanes.first()))} is no data in memory")


def _no_symbol(state: ClassState, lane: int, symbol: str, what: str) -> RunError:
    known = ", ".join(sorted(state.program.exports)) or "none"
    return RunError(
        f"{pe_name(*state.where(lane))} exports no {what} {symbol}", help=f"it exports {known}"
    )
