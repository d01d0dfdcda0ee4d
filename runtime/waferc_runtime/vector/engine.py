"""The vector engine: runs an elaborated program on a machine, many PEs at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins import scalar
from waferc_runtime.check.endpoints import endpoints
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.csl import core
from waferc_runtime.observer import Observer
from waferc_runtime.run_error import RunError, check_rectangle, pe_name
from waferc_runtime.statistics import Statistics, class_sram_bytes
from waferc_runtime.vector.beyond import read_addresses
from waferc_runtime.vector.compile import Compiler
from waferc_runtime.vector.crossings import crossings_for
from waferc_runtime.vector.deadlock import deadlock, held_commands, who_waits
from waferc_runtime.vector.dsr import load_register
from waferc_runtime.vector.expression import constant_value, group_of_all
from waferc_runtime.vector.group import Code
from waferc_runtime.vector.host_stream import HostStream
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, all_lanes, lanes_of
from waferc_runtime.vector.memory import Block, OutOfBounds
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.order import Order
from waferc_runtime.vector.schedule import Scheduler
from waferc_runtime.vector.state import ClassState, Variable, Work, alike
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import Loaded, PointerValue
from waferc_runtime.vector.watch import Watch


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """Exported data on PEs of a class within a rectangle; `x`, `y` are places in that."""

    state: ClassState
    block: Block
    words: int | NDArray[Any]
    element: core.Scalar
    lanes: Lanes
    x: NDArray[np.intp]
    y: NDArray[np.intp]


_COPIED = 1 << 20  # elements that the host copies at once

_Command = tuple[list[tuple[ClassState, core.Function]], Sequence[int | float]]


class VectorEngine:
    """Runs an elaborated program on a machine, one NumPy operation for many PEs.

    In phantom mode (`phantom`) it tells the same cycles without data: memory takes no space, words
    no values. What depends on data (control flow, addresses, lengths, task ids) is then an error.
    """

    def __init__(
        self,
        elaborated: core.Elaborated,
        machine: Machine,
        choices: Choices = DEFAULT_CHOICES,
        observer: Observer | None = None,
        phantom: bool = False,
        max_cycles: int | None = None,
    ) -> None:
        self._program = elaborated
        self._machine = machine
        self._work = Work()
        width, classes = elaborated.width, elaborated.classes
        self._classes = [ClassState(c, width, self._work, not phantom) for c in classes]
        self._endpoints = [endpoints(c, elaborated.arch) for c in classes]
        network = Network(elaborated, machine, self._input_depths, self._code, not phantom)
        network.crossings = crossings_for(observer, machine, width)
        self._scheduler = Scheduler(network, machine, Order(choices), Watch(observer), max_cycles)
        self._is_started = False
        self._commands: deque[_Command] = deque()  # launches that wait for those before them
        self._compilers: dict[ClassState, Compiler] = {}
        for state in self._classes:
            for slot in state.program.slots:
                state.variables[slot] = Variable(None)
            for slot in state.program.slots:
                if slot.initial is not None:
                    self._initialise(state, slot, slot.initial)
            self._compilers[state] = Compiler(state, machine, self._scheduler)
            for load in state.program.dsrs:
                self._load(state, load)
            for write in state.program.configs:
                self._configure(state, write)

    # ---- the host's side -------------------------------------------------------------------------

    def write(self, symbol: str, x: int, y: int, array: NDArray[Any]) -> None:
        """Copy `array` [h, w, n] to the exported `symbol` of the PEs from (x, y) on.

        Raises:
            RunError: no such symbol there, or more elements than it has.
        """
        self.start()
        height, width, count = (int(extent) for extent in array.shape)
        for target in self._targets(symbol, x, y, width, height, count):
            step = max(1, _COPIED // target.lanes.count)
            for first in range(0, count, step):
                part = array[target.y, target.x, first : first + step].T
                offsets = np.arange(first, first + len(part)) * target.element.words
                values = part.astype(scalar.DTYPES[target.element], copy=False)
                target.block.scatter(target.words, offsets, target.element, target.lanes, values)

    def read(self, symbol: str, x: int, y: int, width: int, height: int, n: int) -> NDArray[Any]:
        """The first `n` elements of `symbol` on a rectangle of PEs: [h, w, n].

        Behind the variable come others, as they lie in memory; zeros where none does.

        Raises:
            RunError: no such symbol there, or PEs have less memory.
        """
        self.start()
        targets = self._targets(symbol, x, y, width, height, n, reads=True)
        result = np.zeros((height, width, n), scalar.DTYPES[targets[0].element])
        for target in targets:
            values = self._read(target, n)
            if values is UNKNOWN:
                raise RunError(f"{symbol} is read, but a run without data has none")
            result[target.y, target.x] = values.T
        return result

    def start(self) -> None:
        """Let tasks that are active from the beginning run; a second start does nothing."""
        if not self._is_started:
            self._is_started = True
            self._scheduler.run_to_rest(self._classes)

    def launch(self, function: str, *args: int | float, wait: bool = True) -> None:
        """Call an exported function on every PE that exports it and run until at rest.

        It begins when the launches before it are over.

        Raises:
            RunError: a PE does what it may not do, or (`wait`) PEs still wait at rest.
        """
        targets = self._functions(function, args)
        self._commands.append((targets, args))
        self._go_on()
        if wait and self._commands:
            self.finish()
        if wait:
            self.expect_rest()

    def expect_rest(self) -> None:
        """Raise a RunError if PEs still wait at rest; it names who waits for whom."""
        error = deadlock(self._scheduler.waiting(), self._scheduler.network)
        if error is not None:
            raise error

    def finish(self) -> None:
        """Demand that all PEs called `unblock_cmd_stream` since their last launch.

        PEs whose program never calls it need not.

        Raises:
            RunError: some have not, and the wafer is at rest; it names who waits for whom.
        """
        self._go_on()
        held = [
            state.where(int(lane))
            for state in self._classes
            for lane in np.flatnonzero(state.holds_commands)
        ]
        if held:
            raise held_commands(held, self._scheduler.waiting(), self._scheduler.network)

    def send(self, color: int, x: int, y: int, words: NDArray[Any]) -> None:
        """Send wavelets `words` [h, w, n] u32 on a streaming color to the ramps of PEs.

        Raises:
            RunError: the host cannot send on the color, or a PE does what it may not do.
        """
        if color not in self._program.host_inputs:
            raise RunError(f"the host sends on color {color}, which does not stream to the wafer")
        height, width, count = words.shape
        pes = self._rectangle(x, y, width, height)
        self.start()
        if count:
            stream = self._scheduler.network.host_stream(color)
            stream.open(pes)
            columns = np.ascontiguousarray(words, np.uint32).reshape(-1, count).T
            stream.deliver(pes, columns, self._host_cycle())
            self._scheduler.under_way.delivered(color)
        self._go_on()

    def received(self, color: int, x: int, y: int, width: int, height: int) -> NDArray[Any]:
        """How many wavelets of a streaming color have come to the host from each PE: [h, w]."""
        stream, columns = self._outgoing(color, x, y, width, height)
        return stream.available(columns).reshape(height, width)

    def receive(
        self, color: int, x: int, y: int, width: int, height: int, n: int
    ) -> NDArray[np.uint32]:
        """Take the next `n` wavelets [h, w, n] u32 that PEs sent on a streaming color.

        Raises:
            RunError: the wafer is at rest and some PE has sent fewer; it names who waits for whom.
        """
        stream, columns = self._outgoing(color, x, y, width, height, n)
        sent = stream.available(columns)
        if (sent < n).any():
            place = int(np.flatnonzero(sent < n)[0])
            row, column = divmod(place, width)
            raise RunError(
                f"the wafer is at rest, but the host still waits for {n:,} wavelets of color"
                f" {color} from {pe_name(x + column, y + row)}, which sent {sent[place]:,}",
                notes=who_waits(self._scheduler.waiting(), self._scheduler.network),
            )
        if not n:
            return np.zeros((height, width, 0), np.uint32)
        words, arrival = stream.peek(columns, n)
        words = np.array(words)
        stream.consume(columns, arrival)
        return words.T.reshape(height, width, n)

    def symbol(self, x: int, y: int, name: str, element: core.Scalar | None = None) -> NDArray[Any]:
        """All elements of a global variable of PE (x, y), by the debugger's name.

        Raises:
            RunError: no such PE, or no such variable there.
        """
        for state in self._classes:
            here = np.flatnonzero((state.program.x == x) & (state.program.y == y))
            if not len(here):
                continue
            if name not in state.program.symbols:
                known = ", ".join(sorted(state.program.symbols)) or "none"
                raise RunError(f"{pe_name(x, y)} has no variable {name}", help=f"it has {known}")
            block = state.blocks[state.program.symbols[name]]
            kind = element or block.object.element
            offsets = np.arange(block.words // kind.words) * kind.words
            return block.gather(0, offsets, kind, lanes_of(here, state.count))[:, 0]
        raise RunError(f"{name} is read on {pe_name(x, y)}, where no PE has a program")

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
            f16_flops=self._work.f16_flops,
        )

    def link_loads(self) -> dict[int, NDArray[Any]]:
        """Words that left PEs so far: [E W N S, h, w] by color."""
        streams = self._scheduler.network.streams.items()
        return {color: stream.link_load() for color, stream in streams}

    # ---- commands and streams --------------------------------------------------------------------

    def _functions(
        self, name: str, args: Sequence[int | float]
    ) -> list[tuple[ClassState, core.Function]]:
        """The function of this name of each class that exports one."""
        found: list[tuple[ClassState, core.Function]] = []
        for state in self._classes:
            export = state.program.exports.get(name)
            if export is None or not isinstance(export.target, core.Function):
                continue
            parameters = export.target.parameters
            if len(args) != len(parameters):
                raise RunError(f"{name} takes {len(parameters)} arguments and is given {len(args)}")
            found.append((state, export.target))
        if not found:
            raise _no_symbol(self._classes[0], 0, name, "function")
        return found

    def _go_on(self) -> None:
        """Run until the wafer is at rest and no launch can begin."""
        self.start()
        while True:
            self._scheduler.run_to_rest(self._classes)
            if not self._commands or any(s.holds_commands.any() for s in self._classes):
                return
            targets, args = self._commands.popleft()
            since = self._cycles()
            for state, function in targets:
                values = [
                    scalar.uniform(argument, parameter.type)
                    if isinstance(parameter.type, core.Scalar)
                    else argument
                    for argument, parameter in zip(args, function.parameters, strict=True)
                ]
                state.launch(function, values, since)

    def _rectangle(
        self, x: int, y: int, width: int, height: int, count: int = 0
    ) -> NDArray[np.intp]:
        """Numbers of the PEs of a rectangle, row by row."""
        whole = self._program.width, self._program.height
        check_rectangle("the host streams", (x, y), (width, height), whole, count)
        rows = np.arange(y, y + height)[:, np.newaxis] * whole[0]
        return (rows + np.arange(x, x + width)).reshape(-1)

    def _outgoing(
        self, color: int, x: int, y: int, width: int, height: int, count: int = 0
    ) -> tuple[HostStream, NDArray[np.intp]]:
        """The stream of a color to the host, and the columns of PEs."""
        if color not in self._program.host_outputs:
            raise RunError(
                f"the host receives on color {color}, which does not stream from the wafer"
            )
        pes = self._rectangle(x, y, width, height, count)
        self._go_on()
        stream = self._scheduler.network.host_stream(color)
        stream.open(pes)
        return stream, stream.columns(pes)

    # ---- building --------------------------------------------------------------------------------

    def _code(self, state: ClassState, function: core.Function) -> Code:
        return self._compilers[state].code(function)

    def _initialise(self, state: ClassState, slot: core.Slot, initial: core.Expr) -> None:
        try:
            value = constant_value(state, self._machine, initial)
        except Misuse as fault:
            raise RunError(f"{fault} in the initial value of {slot.name}") from fault
        state.variables[slot] = Variable(value)

    def _load(self, state: ClassState, load: core.LoadDsr) -> None:
        """Load a DSR before the program starts."""
        kind, config = load.dsr.type, load.config
        assert isinstance(kind, core.Dsr)
        machine = self._machine
        try:
            number = constant_value(state, machine, load.dsr)
            dsd = constant_value(state, machine, load.dsd)
            index = None
            if config.index is not None:
                index = constant_value(state, machine, config.index)
        except Misuse as fault:
            raise RunError(f"{fault} in a load of a DSR", load.at) from fault
        value = Loaded(dsd, config, load.save_address, load.single_step, index)
        load_register(state, kind, number, value, all_lanes(state.count))

    def _configure(self, state: ClassState, write: core.SetConfig) -> None:
        """Write a configuration register before the program starts."""
        parts = write.address, write.value
        try:
            address, value = (constant_value(state, self._machine, part) for part in parts)
            self._scheduler.registers.set_config(group_of_all(state), address, value)
        except Misuse as fault:
            raise RunError(f"{fault} in a write of a configuration register", write.at) from fault

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

    def _host_cycle(self) -> int:
        """The cycle at which the host acts next: nothing on the wafer is later."""
        blocked = self._scheduler.waiting()
        waiting = [int(item.transfer.next.max()) for item in blocked]
        return max([self._cycles(), *waiting])

    def _cycles(self) -> int:
        clocks = [int(state.clock.max()) for state in self._classes]
        return max([self._scheduler.ended, *clocks])

    # ---- exported symbols ------------------------------------------------------------------------

    def _read(self, target: _Target, n: int) -> NDArray[Any]:
        """The `n` elements from a target on: [n, lane]."""
        block, words, size = target.block, target.words, target.element.words
        if isinstance(words, int) and words + n * size > block.words:
            first = block.object.address + words
            return read_addresses(
                target.state.blocks.values(), first, n, target.element, target.lanes
            )
        return block.gather(words, np.arange(n) * size, target.element, target.lanes)

    def _is_in_memory(self, pointer: PointerValue, words: int) -> bool:
        """Whether so many words from an address on, the same on all PEs, are in their memory."""
        if not isinstance(pointer.words, int) or pointer.words < 0:
            return False
        first = pointer.block.object.address + pointer.words
        return 2 * (first + words) <= self._machine.sram_bytes

    def _targets(
        self,
        symbol: str,
        x: int,
        y: int,
        width: int,
        height: int,
        count: int,
        *,
        reads: bool = False,
    ) -> list[_Target]:
        whole = self._program.width, self._program.height
        check_rectangle(f"{symbol} is copied", (x, y), (width, height), whole, count)
        found: list[_Target] = []
        covered = 0
        for state in self._classes:
            px, py = state.program.x - x, state.program.y - y
            inside = (px >= 0) & (px < width) & (py >= 0) & (py < height)
            for positions in alike(state, symbol, np.flatnonzero(inside)):
                covered += len(positions)
                lanes = lanes_of(positions, state.count)
                pointer, element = self._exported(state, symbol, lanes)
                try:
                    if count and not (reads and self._is_in_memory(pointer, count * element.words)):
                        pointer.block.check(pointer.words, 0, count * element.words)
                except OutOfBounds as fault:
                    raise RunError(
                        f"{count:,} elements are copied at {symbol}, which has"
                        f" {pointer.block.words // element.words:,}",
                        notes=[f"on {pe_name(*state.where(int(positions[0])))}"],
                    ) from fault
                column, row = px[positions].astype(np.intp), py[positions].astype(np.intp)
                found.append(
                    _Target(state, pointer.block, pointer.words, element, lanes, column, row)
                )
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
