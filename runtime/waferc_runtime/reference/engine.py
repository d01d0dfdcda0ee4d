"""The reference engine: a wafer that is stepped event by event, one wavelet at a time.

It is the oracle of the fast engine: small, slow and as close to the description of the machine as
can be. Each PE is a `Processor` that runs core CSL statement by statement (`interpret`), DSD
operations element by element (`operate`); each word moves through queues, routers and links by
itself (`fabric`). In every cycle PEs and routers act until nothing more can move; then the wafer
goes on to the next cycle at which something can.

Where nothing is in the way the cycles are those of the cycle model exactly. Where words of several
colors meet on a link or a queue runs full, they are those of the mechanism described in `fabric`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.scalar import Uniform, uniform
from waferc_runtime.builtins.walk import calls_library, functions_of, statements
from waferc_runtime.check.endpoints import endpoints
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.csl import core
from waferc_runtime.observer import Observer
from waferc_runtime.reference import exported
from waferc_runtime.reference.buffers import Traffic
from waferc_runtime.reference.datapath import Datapath
from waferc_runtime.reference.deadlock import Report
from waferc_runtime.reference.evaluate import scalar_type
from waferc_runtime.reference.fabric import CollisionError, Fabric, FabricHooks
from waferc_runtime.reference.interpret import set_up
from waferc_runtime.reference.processor import Processor
from waferc_runtime.reference.routers import Routers, UnroutedError
from waferc_runtime.reference.state import State, Surroundings
from waferc_runtime.reference.tasks import HostCall
from waferc_runtime.reference.thread import WaferClock
from waferc_runtime.run_error import RunError, check_rectangle, past_limit, pe_name
from waferc_runtime.statistics import Statistics, class_sram_bytes

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Command:
    """A launch: the function, and its arguments, on each PE that exports it."""

    calls: Sequence[tuple[Processor, core.Function, tuple[Uniform, ...]]]


class ReferenceEngine:
    """Runs an elaborated program on a machine, one wavelet at a time."""

    def __init__(
        self,
        elaborated: core.Elaborated,
        machine: Machine,
        choices: Choices = DEFAULT_CHOICES,
        observer: Observer | None = None,
        max_cycles: int | None = None,
    ) -> None:
        self._program = elaborated
        self._machine = machine
        self._wafer = WaferClock()
        self._agenda: list[tuple[int, int]] = []  # (cycle, PE)
        self._on_agenda: set[tuple[int, int]] = set()
        self._is_started = False
        self._commands: deque[_Command] = deque()  # launches that wait for those before them
        pes = elaborated.width * elaborated.height
        self._input_queues: list[dict[int, int]] = [
            {} for _ in range(pes)
        ]  # color to queue, at the start
        watches = observer is not None and observer.wants_wavelets
        hooks = FabricHooks(
            self._input_depth,
            self._wake,
            self._tear_down,
            observer.event if observer is not None and watches else None,
        )
        routers = Routers(
            elaborated.width,
            elaborated.height,
            elaborated.routes,
            any(map(_writes_registers, elaborated.classes)),
        )
        self._fabric = Fabric(routers, machine, hooks, elaborated.host_outputs)
        self._shared = Surroundings(
            elaborated.arch,
            machine,
            self._fabric,
            self._wafer,
            self._wake,
            observer,
            max_cycles,
        )
        self._processors: list[Processor | None] = [None] * pes
        for pe_class in elaborated.classes:
            self._place(pe_class, choices)
        self._waits_for_host = {
            id(pe_class): calls_library(pe_class, "memcpy.unblock_cmd_stream")
            for pe_class in elaborated.classes
        }

    # ---- the host's side -------------------------------------------------------------------------

    def write(self, symbol: str, x: int, y: int, array: Array) -> None:
        """Copy `array` [h, w, n] to the exported `symbol` of the PEs from (x, y) on.

        Raises:
            RunError: no such symbol there, or more elements than it has.
        """
        self.start()
        height, width, _ = array.shape
        self._check(f"{symbol} is copied", x, y, width, height)
        for row in range(height):
            for column in range(width):
                state = self._state(x + column, y + row, f"{symbol} is copied")
                exported.write(state, symbol, array[row, column])

    def read(self, symbol: str, x: int, y: int, width: int, height: int, n: int) -> Array:
        """The first `n` elements of `symbol` on a rectangle of PEs, [h, w, n].

        Raises:
            RunError: no such symbol there, or fewer elements than `n`.
        """
        self.start()
        self._check(f"{symbol} is copied", x, y, width, height, n)
        rows = [
            [
                exported.read(self._state(column, row, f"{symbol} is copied"), symbol, n)
                for column in range(x, x + width)
            ]
            for row in range(y, y + height)
        ]
        return np.asarray(rows)

    def start(self) -> None:
        """Let tasks that are active from the beginning run; a second start does nothing."""
        if not self._is_started:
            self._is_started = True
            self._run_to_rest()

    def launch(self, function: str, *args: int | float, wait: bool = True) -> None:
        """Start the exported `function` on every PE that exports it and run until at rest.

        It begins when the launches before it are over. Without `wait` it is no error that PEs
        still wait for something at rest.

        Raises:
            RunError: a PE does what it may not do, or (`wait`) PEs still wait at rest.
        """
        self._commands.append(self._command(function, args))
        self._go_on()
        if wait and self._commands:
            self.finish()
        if wait:
            self.expect_rest()

    def expect_rest(self) -> None:
        """Raise a RunError if PEs still wait at rest; it names who waits for whom."""
        error = self._report().deadlock()
        if error is not None:
            raise error

    def finish(self) -> None:
        """Demand that all PEs called `unblock_cmd_stream` since their last launch.

        PEs whose program never calls it need not.

        Raises:
            RunError: some have not, and the wafer is at rest; it names who waits for whom.
        """
        self._go_on()
        held = [processor.state for processor in self._running() if processor.state.holds_commands]
        if held:
            raise self._report().held_commands(held)

    def send(self, color: int, x: int, y: int, words: Array) -> None:
        """Send wavelets `words` [h, w, n] u32 on a streaming color to the ramps of PEs.

        Raises:
            RunError: the host cannot send on the color, or a PE does what it may not do.
        """
        if color not in self._program.host_inputs:
            raise RunError(f"the host sends on color {color}, which does not stream to the wafer")
        height, width, _ = words.shape
        self._check(f"the host sends color {color}", x, y, width, height)
        self.start()
        begin = self._host_cycle()
        for row in range(height):
            for column in range(width):
                state = self._state(x + column, y + row, f"the host sends color {color}")
                self._fabric.feed(state.index, color, words[row, column].tolist(), begin)
        self._go_on()

    def received(self, color: int, x: int, y: int, width: int, height: int) -> Array:
        """How many wavelets of a streaming color lie at the host from each PE: [h, w]."""
        queues = self._from_wafer(color, x, y, width, height)
        return np.asarray([len(queue) for queue in queues], np.int64).reshape(height, width)

    def receive(self, color: int, x: int, y: int, width: int, height: int, n: int) -> Array:
        """Take the next `n` wavelets [h, w, n] u32 that PEs sent on a streaming color.

        Raises:
            RunError: the wafer is at rest and some PE has sent fewer; it names who waits for whom.
        """
        queues = self._from_wafer(color, x, y, width, height, n)
        for place, queue in enumerate(queues):
            if len(queue) < n:
                row, column = divmod(place, width)
                raise self._report().missing(color, x + column, y + row, n, len(queue))
        taken = [[queue.popleft() for _ in range(n)] for queue in queues]
        return np.asarray(taken, np.uint32).reshape(height, width, n)

    def symbol(self, x: int, y: int, name: str, element: core.Scalar | None = None) -> Array:
        """All elements of a global variable of PE (x, y), by the debugger's name.

        Raises:
            RunError: no such PE, or no such variable there.
        """
        return exported.variable(self._state(x, y, f"{name} is read"), name, element)

    def statistics(self) -> Statistics:
        """Measures over all launches so far."""
        shape = self._program.height, self._program.width
        states = [processor.state for processor in self._running()]
        cycles = self._ended()
        busy = np.zeros(shape, np.int64)
        for state in states:
            busy[state.y, state.x] = state.work.busy_cycles
        traffic = self._fabric.traffic
        load = np.zeros((4, *shape), np.int64)
        for words in traffic.link_load.values():
            load += words
        return Statistics(
            cycles=cycles,
            busy_cycles=busy,
            wait_cycles=cycles - busy,
            macs=sum(state.work.macs for state in states),
            flops=sum(state.work.flops for state in states),
            wavelets_sent=traffic.wavelets_sent,
            wavelet_hops=traffic.wavelet_hops,
            link_load=load,
            sram_bytes=tuple(class_sram_bytes(c) for c in self._program.classes),
            f16_flops=sum(state.work.f16_flops for state in states),
        )

    def link_loads(self) -> dict[int, Array]:
        """Words that left PEs so far: [E W N S, h, w] by color."""
        return {color: load.copy() for color, load in self._fabric.traffic.link_load.items()}

    @property
    def traffic(self) -> Traffic:
        """What crossed the fabric, with the obstacles that words met."""
        return self._fabric.traffic

    @property
    def datapath_waits(self) -> int:
        """Cycles that threads waited for others of their PE, over all threads."""
        return sum(processor.state.datapath.waits for processor in self._running())

    @property
    def words_under_way(self) -> int:
        """Words that have been sent and not been received."""
        return self._fabric.words_under_way()

    # ---- building --------------------------------------------------------------------------------

    def _place(self, pe_class: core.PEClass, choices: Choices) -> None:
        uses = endpoints(pe_class, self._program.arch)
        for lane in range(len(pe_class.x)):
            x, y = int(pe_class.x[lane]), int(pe_class.y[lane])
            index = y * self._program.width + x
            queues = self._input_queues[index]
            for queue, color in _by_lane(pe_class.input_queues, lane).items():
                queues[color] = queue
            for use in uses:
                if use.is_input and use.mask[lane] and use.queue[lane] >= 0 <= use.color[lane]:
                    queues.setdefault(int(use.color[lane]), int(use.queue[lane]))
            state = State(
                index,
                lane,
                x,
                y,
                pe_class,
                self._shared,
                dict(queues),
                _by_lane(pe_class.output_queues, lane),
                Datapath(choices.datapath == "shared"),
            )
            set_up(state)
            self._processors[index] = Processor(state, choices)
            self._wake(index, 0)

    def _running(self) -> list[Processor]:
        return [processor for processor in self._processors if processor is not None]

    def _check(self, what: str, x: int, y: int, width: int, height: int, count: int = 0) -> None:
        whole = self._program.width, self._program.height
        check_rectangle(what, (x, y), (width, height), whole, count)

    def _state(self, x: int, y: int, what: str) -> State:
        inside = 0 <= x < self._program.width and 0 <= y < self._program.height
        processor = self._processors[y * self._program.width + x] if inside else None
        if processor is None:
            raise RunError(f"{what} on {pe_name(x, y)}, where no PE has a program")
        return processor.state

    def _input_depth(self, pe: int, color: int) -> int:
        queue = self._input_queues[pe].get(color)
        depths = self._machine.input_queue_depths
        return depths[queue] if queue is not None and queue in range(len(depths)) else max(depths)

    # ---- commands and streams --------------------------------------------------------------------

    def _command(self, function: str, args: Sequence[int | float]) -> _Command:
        calls: list[tuple[Processor, core.Function, tuple[Uniform, ...]]] = []
        for processor in self._running():
            found = processor.state.program.exports.get(function)
            if found is None or not isinstance(found.target, core.Function):
                continue
            parameters = found.target.parameters
            if len(args) != len(parameters):
                raise RunError(
                    f"{function} takes {len(parameters)} arguments and is given {len(args)}"
                )
            values = tuple(
                uniform(argument, scalar_type(parameter.type))
                for argument, parameter in zip(args, parameters, strict=True)
            )
            calls.append((processor, found.target, values))
        if not calls:
            known = {
                name
                for pe_class in self._program.classes
                for name, export in pe_class.exports.items()
                if isinstance(export.target, core.Function)
            }
            raise RunError(
                f"no PE exports a function {function}",
                help=f"PEs export {', '.join(sorted(known)) or 'none'}",
            )
        return _Command(calls)

    def _go_on(self) -> None:
        """Run until the wafer is at rest and no launch can begin."""
        self.start()
        while True:
            self._run_to_rest()
            held = any(processor.state.holds_commands for processor in self._running())
            if not self._commands or held:
                return
            since = self._ended()
            for processor, function, values in self._commands.popleft().calls:
                state = processor.state
                state.holds_commands = self._waits_for_host[id(state.program)]
                processor.launch(HostCall(function, values, since))

    def _ended(self) -> int:
        return max((processor.state.work.ended for processor in self._running()), default=0)

    def _host_cycle(self) -> int:
        """The cycle at which the host acts next: nothing on the wafer is later."""
        waiting = [thread.clock for pe in self._running() for thread in pe.waiting]
        return max([self._ended(), *waiting])

    def _from_wafer(
        self, color: int, x: int, y: int, width: int, height: int, count: int = 0
    ) -> list[deque[int]]:
        """The words of a color that lie at the host, by PE of a rectangle."""
        if color not in self._program.host_outputs:
            raise RunError(
                f"the host receives on color {color}, which does not stream from the wafer"
            )
        self._go_on()
        what = f"the host receives color {color}"
        self._check(what, x, y, width, height, count)
        return [
            self._fabric.taken(self._state(column, row, what).index, color)
            for row in range(y, y + height)
            for column in range(x, x + width)
        ]

    # ---- running ---------------------------------------------------------------------------------

    def _wake(self, pe: int, cycle: int) -> None:
        event = max(cycle, self._wafer.now), pe
        if event not in self._on_agenda:
            self._on_agenda.add(event)
            heapq.heappush(self._agenda, event)

    def _tear_down(self, pe: int, color: int, cycle: int) -> None:
        processor = self._processors[pe]
        if processor is not None:
            processor.state.tear_down(color, cycle)

    @np.errstate(all="ignore")
    def _run_to_rest(self) -> None:
        while self._agenda:
            event = heapq.heappop(self._agenda)
            self._on_agenda.discard(event)
            self._wafer.now, pe = event
            limit = self._shared.max_cycles
            if limit is not None and self._wafer.now > limit:
                y, x = divmod(pe, self._program.width)
                raise RunError(
                    f"{past_limit(limit)} on {pe_name(x, y)}",
                    notes=[f"at cycle {self._wafer.now:,}"],
                )
            processor = self._processors[pe]
            if processor is not None:
                processor.run()
            try:
                self._fabric.step(pe, self._wafer.now)
            except (UnroutedError, CollisionError) as fault:
                y, x = divmod(fault.pe, self._program.width)
                verb = "is stuck" if isinstance(fault, UnroutedError) else "meets another"
                raise RunError(
                    f"a wavelet of color {fault.color} {verb} in the router of {pe_name(x, y)}:"
                    f" {fault.message}",
                    notes=[f"at cycle {self._wafer.now:,}"],
                ) from fault

    def _report(self) -> Report:
        return Report(self._running(), self._fabric, self._program.host_inputs)


def _by_lane(queues: Mapping[int, int | core.Lanes], lane: int) -> dict[int, int]:
    return {
        queue: int(color[lane]) if isinstance(color, np.ndarray) else color
        for queue, color in queues.items()
    }


def _writes_registers(pe_class: core.PEClass) -> bool:
    """Whether code of the class writes configuration registers."""
    return bool(pe_class.configs) or any(
        isinstance(statement, core.SetConfig)
        for function in functions_of(pe_class)
        for statement in statements(function.body)
    )
