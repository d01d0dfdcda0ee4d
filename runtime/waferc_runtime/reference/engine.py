"""The reference engine: a wafer that is stepped event by event, one wavelet at a time.

It is the oracle of the fast engine: small, slow and as close to the description of the machine as
can be. Each PE is a `Processor` that runs core CSL statement by statement (`interpret`), DSD
operations element by element (`operate`); each word moves through queues, routers and links by
itself (`fabric`). In every cycle PEs and routers act until nothing more can move; then the wafer
goes on to the next cycle at which something can.

Where nothing is in the way the cycles are those of the cycle model exactly. Where words of several
colors meet on a link or a queue runs full, they are those of the mechanism described in `fabric`.
A launch ends when the wafer is at rest; threads that still wait then are an error.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.scalar import Uniform, uniform
from waferc_runtime.check.endpoints import endpoints
from waferc_runtime.csl import core
from waferc_runtime.reference.deadlock import deadlock
from waferc_runtime.reference.evaluate import constant, scalar_type
from waferc_runtime.reference.fabric import Fabric, Traffic, UnroutedError
from waferc_runtime.reference.interpret import initial_slots
from waferc_runtime.reference.memory import Address, decode, encode
from waferc_runtime.reference.processor import Processor
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import WaferClock
from waferc_runtime.run_error import RunError, pe_name
from waferc_runtime.statistics import Statistics, class_sram_bytes


class ReferenceEngine:
    """Runs an elaborated program on a machine, one wavelet at a time."""

    def __init__(self, elaborated: core.Elaborated, machine: Machine) -> None:
        self._program = elaborated
        self._wafer = WaferClock()
        self._agenda: list[tuple[int, int]] = []  # (cycle, PE)
        self._on_agenda: set[tuple[int, int]] = set()
        self._input_queues: list[dict[int, int]] = [
            {} for _ in range(elaborated.width * elaborated.height)
        ]  # by PE: color to queue
        self._machine = machine
        self._fabric = Fabric(
            elaborated.width,
            elaborated.height,
            elaborated.routes,
            machine,
            self._input_depth,
            self._wake,
        )
        self._processors: list[Processor | None] = [None] * len(self._input_queues)
        for pe_class in elaborated.classes:
            self._place(pe_class)

    # ---- the host's side -------------------------------------------------------------------------

    def write(self, symbol: str, x: int, y: int, array: NDArray[np.generic]) -> None:
        """Copy `array` [h, w, n] to the exported `symbol` of the PEs from (x, y) on.

        Raises:
            RunError: no such symbol there, or more elements than it has.
        """
        height, width, _ = array.shape
        for row in range(height):
            for column in range(width):
                address, element = self._exported(symbol, x + column, y + row)
                words = encode(np.ascontiguousarray(array[row, column]), element)
                self._slice(symbol, address, len(words))[:] = words

    def read(
        self, symbol: str, x: int, y: int, width: int, height: int, n: int
    ) -> NDArray[np.generic]:
        """The first `n` elements of `symbol` on a rectangle of PEs, [h, w, n].

        Raises:
            RunError: no such symbol there, or fewer elements than `n`.
        """
        rows: list[list[NDArray[np.generic]]] = []
        for row in range(height):
            rows.append([])
            for column in range(width):
                address, element = self._exported(symbol, x + column, y + row)
                words = self._slice(symbol, address, n * element.words)
                rows[-1].append(decode(words, element))
        return np.asarray(rows)

    def launch(self, function: str, *args: int | float) -> None:
        """Start the exported `function` on every PE and run until the wafer is at rest.

        Raises:
            RunError: a PE does what it may not do, or still waits when the wafer is at rest.
        """
        begin = max(processor.state.work.ended for processor in self._running())
        for processor in self._running():
            target = self._export(function, processor).target
            if not isinstance(target, core.Function):
                raise RunError(f"{function} is launched, but it is no function")
            if len(args) != len(target.parameters):
                raise RunError(
                    f"{function} takes {len(target.parameters)} arguments and is given {len(args)}"
                )
            values: list[Uniform] = [
                uniform(argument, scalar_type(parameter.type))
                for argument, parameter in zip(args, target.parameters, strict=True)
            ]
            processor.launch(target, values, begin)
        self._run_to_rest()

    def statistics(self) -> Statistics:
        """Measures over all launches so far."""
        shape = self._program.height, self._program.width
        work = [processor.state.work for processor in self._running()]
        cycles = max(item.ended for item in work)
        busy = np.asarray([item.busy_cycles for item in work], np.int64).reshape(shape)
        traffic = self._fabric.traffic
        return Statistics(
            cycles=cycles,
            busy_cycles=busy,
            wait_cycles=cycles - busy,
            macs=sum(item.macs for item in work),
            flops=sum(item.flops for item in work),
            wavelets_sent=traffic.wavelets_sent,
            wavelet_hops=traffic.wavelet_hops,
            link_load=traffic.link_load.copy(),
            sram_bytes=tuple(class_sram_bytes(c) for c in self._program.classes),
        )

    @property
    def traffic(self) -> Traffic:
        """What crossed the fabric, with the obstacles that words met."""
        return self._fabric.traffic

    @property
    def words_under_way(self) -> int:
        """Words that have been sent and not been received."""
        return self._fabric.words_under_way()

    # ---- building --------------------------------------------------------------------------------

    def _place(self, pe_class: core.PEClass) -> None:
        uses = endpoints(pe_class, self._program.arch)
        for lane in range(len(pe_class.x)):
            x, y = int(pe_class.x[lane]), int(pe_class.y[lane])
            index = y * self._program.width + x
            queues = {
                color: queue for queue, color in _by_lane(pe_class.input_queues, lane).items()
            }
            for use in uses:
                if use.is_input and use.mask[lane] and use.queue[lane] >= 0 <= use.color[lane]:
                    queues.setdefault(int(use.color[lane]), int(use.queue[lane]))
            self._input_queues[index] = queues
            state = State(
                index,
                lane,
                x,
                y,
                pe_class,
                self._program.arch,
                self._machine,
                self._fabric,
                self._wafer,
                queues,
                _by_lane(pe_class.output_queues, lane),
            )
            initial_slots(state)
            self._processors[index] = Processor(state, lambda c, pe=index: self._wake(pe, c))
            self._wake(index, 0)

    def _running(self) -> list[Processor]:
        return [processor for processor in self._processors if processor is not None]

    def _input_depth(self, pe: int, color: int) -> int:
        queue = self._input_queues[pe].get(color)
        depths = self._machine.input_queue_depths
        return depths[queue] if queue is not None and queue in range(len(depths)) else max(depths)

    # ---- running ---------------------------------------------------------------------------------

    def _wake(self, pe: int, cycle: int) -> None:
        event = max(cycle, self._wafer.now), pe
        if event not in self._on_agenda:
            self._on_agenda.add(event)
            heapq.heappush(self._agenda, event)

    def _run_to_rest(self) -> None:
        while self._agenda:
            event = heapq.heappop(self._agenda)
            self._on_agenda.discard(event)
            self._wafer.now, pe = event
            processor = self._processors[pe]
            if processor is not None:
                processor.run()
            try:
                self._fabric.step(pe, self._wafer.now)
            except UnroutedError as fault:
                y, x = divmod(fault.pe, self._program.width)
                raise RunError(
                    f"a wavelet of color {fault.color} is stuck in the router of {pe_name(x, y)}:"
                    f" {fault.message}",
                    notes=[f"at cycle {self._wafer.now:,}"],
                ) from fault
        error = deadlock(self._running(), self._fabric)
        if error is not None:
            raise error

    # ---- exported symbols ------------------------------------------------------------------------

    def _export(self, symbol: str, processor: Processor) -> core.Export:
        export = processor.state.program.exports.get(symbol)
        if export is None:
            known = ", ".join(sorted(processor.state.program.exports)) or "none"
            raise RunError(
                f"{processor.state.name} exports no symbol {symbol}", help=f"it exports {known}"
            )
        return export

    def _exported(self, symbol: str, x: int, y: int) -> tuple[Address, core.Scalar]:
        inside = 0 <= x < self._program.width and 0 <= y < self._program.height
        processor = self._processors[y * self._program.width + x] if inside else None
        if processor is None:
            raise RunError(f"{symbol} is copied on {pe_name(x, y)}, where no PE has a program")
        state = processor.state
        match self._export(symbol, processor).target:
            case core.MemoryObject() as item:
                return Address(state.blocks[item], 0), item.element
            case core.Slot(_, core.Pointer(element)) as slot:
                value = state.slots.get(slot)
                if isinstance(value, Address):
                    return value, element
            case core.AddressOf(kind, item, core.Const() as index):
                first = int(constant(state, index))
                return Address(state.blocks[item], 0).moved(first, item.element), kind.target
            case _:
                pass
        raise RunError(f"{symbol} on {state.name} is no data in memory")

    def _slice(self, symbol: str, address: Address, words: int) -> NDArray[np.uint16]:
        end = address.word + words
        if address.word < 0 or end > len(address.block.words):
            raise RunError(
                f"{words * 2:,} bytes are copied at {symbol},"
                f" which has {max(0, len(address.block.words) - address.word) * 2:,}"
            )
        return address.block.words[address.word : end]


def _by_lane(table: Mapping[int, int | core.Lanes], lane: int) -> dict[int, int]:
    """A table of a class as it is on one of its PEs."""
    return {
        key: int(value[lane]) if isinstance(value, np.ndarray) else value
        for key, value in table.items()
    }
