"""Which group runs next, where groups split and meet, what waits for words, and when all rest.

Groups run one after the other as far as they can; operations on the fabric go on as words arrive.
When nothing can go on, parts of a group that wait for the others are let go; then PEs without
work take the next task. Values do not depend on that order in programs without races, and cycles
are carried with the data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.scalar import ZeroDivisorError
from waferc_runtime.builtins.timing import flight_cycles, task_start_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.deadlock import Blocked
from waferc_runtime.vector.dsr import Operand, saves_of
from waferc_runtime.vector.effects import AssertionFault
from waferc_runtime.vector.faults import group_error, transfer_error
from waferc_runtime.vector.group import SUSPENDED, Frame, Group, Join, TaskRun, join
from waferc_runtime.vector.in_memory import map_in_memory, operate_in_memory
from waferc_runtime.vector.issue import Network, map_transfers, transfers_of
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.map import MapRun
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.operation import (
    Misuse,
    variants,
)
from waferc_runtime.vector.order import Order
from waferc_runtime.vector.router_events import run_routers
from waferc_runtime.vector.router_registers import RouterRegisters
from waferc_runtime.vector.routers import Routers
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.signals import signal, tell
from waferc_runtime.vector.state import NEVER, ClassState
from waferc_runtime.vector.tasks import TaskStart, candidates
from waferc_runtime.vector.transfer import Transfer
from waferc_runtime.vector.values import FabricDsd, Int, RunValue, with_index
from waferc_runtime.vector.watch import Watch


@dataclass(eq=False, slots=True)
class Waiting:
    """A group in a synchronous operation on the fabric: which of its PEs are through."""

    group: Group
    pc: int
    done: NDArray[np.bool_]
    transfers: list[Transfer]


class Scheduler:
    """Runs groups until the wafer is at rest."""

    def __init__(self, network: Network, machine: Machine, order: Order, watch: Watch) -> None:
        self.network = network
        self._machine = machine
        self._order = order
        self.watch = watch
        self._ready: deque[Group] = deque()
        self._waiting: list[Waiting] = []
        self._joins: list[Join] = []  # with parts that have arrived
        self._new: list[Transfer] = []  # that have not begun
        self._receiving: dict[int, list[Transfer]] = {}  # by color
        self._sending: dict[int, list[Transfer]] = {}
        self._arrived: set[int] = set()  # colors on which words came
        self._freed: set[int] = set()  # colors on which words were taken
        self._promised: set[int] = set()  # colors on which taking words is sure
        self.ended = 0  # the cycle at which the last operation ended

    @property
    def registers(self) -> RouterRegisters:
        """The configuration registers of routers."""
        return self.network.registers

    # ---- running ---------------------------------------------------------------------------------

    def start(self, group: Group) -> None:
        """Let a group run."""
        group.state.is_running[group.lanes.index] = True
        self._ready.append(group)

    def run_to_rest(self, classes: Sequence[ClassState]) -> None:
        """Run until nothing can go on.

        Raises:
            RunError: a PE does what it may not do.
        """
        with np.errstate(all="ignore"):
            while True:
                if self._ready:
                    self._run(self._ready.popleft())
                elif self._new or self._arrived or self._freed or self._promised:
                    self._go_on()
                elif self.network.routers is not None and self.network.routers.is_awake:
                    self._route(self.network.routers, classes)
                elif (
                    self._go_on_in_part(all_of_them=False)
                    or self._release()
                    or self._dispatch(classes)
                ):
                    continue
                elif not self._go_on_in_part(all_of_them=True):
                    break

    def waiting(self) -> list[Blocked]:
        """What waits, at rest."""
        blocked = [
            Blocked(waiting.group.state, transfer, False)
            for waiting in self._waiting
            for transfer in waiting.transfers
        ]
        for transfer in self._open_transfers():
            if all(transfer is not item.transfer for item in blocked):
                blocked.append(Blocked(transfer.state, transfer, True))
        return blocked

    def delivered(self, color: int) -> None:
        """Words of the host have come on a color."""
        for transfer in self._receiving.get(color, ()):
            transfer.look_again()
        self._arrived.add(color)

    def _run(self, group: Group) -> None:
        pc = group.pc
        try:
            while pc != SUSPENDED:
                group.pc = pc
                pc = group.frames[-1].code.instructions[pc](group)
        except (OutOfBounds, ZeroDivisorError, AssertionFault, Misuse, RouteFault) as fault:
            raise group_error(group, fault, self.network.width) from fault

    # ---- splitting and meeting -------------------------------------------------------------------

    def split(self, group: Group, parts: Sequence[tuple[Indices, int]], meet: int) -> int:
        """Let parts of a group go on apart, until they meet."""
        self._ready.extend(group.split(parts, meet))
        return SUSPENDED

    def arrive(self, group: Group, pc: int) -> int:
        """A part is where it meets the others."""
        meeting = group.joins[-1]
        if not meeting.arrived:
            self._joins.append(meeting)
        meeting.arrived.append(group)
        if len(meeting.arrived) == meeting.expected:
            self._let_go(meeting)
        return SUSPENDED

    def _let_go(self, meeting: Join) -> None:
        """Those who have arrived go on together."""
        self._joins.remove(meeting)
        parts = meeting.arrived
        meeting.arrived = []
        meeting.expected -= len(parts)
        groups = join(parts, parts[0].state.count)
        for group in groups:
            assert group.joins[-1] is meeting
            group.joins.pop()
            group.pc = meeting.pc + 1
        for outer in groups[0].joins:
            outer.expected -= len(parts) - len(groups)
        self._ready.extend(groups)

    def _release(self) -> bool:
        """Let parts that wait for others of their group go on alone; whether there were any."""
        partly = [w for w in self._waiting if w.done.any()]
        for waiting in partly:
            self._waiting.remove(waiting)
            group = waiting.group
            frame, depth = group.frames[-1], len(group.frames)
            meet = frame.code.epilogue
            if group.joins and group.joins[-1].depth == depth:
                meet = group.joins[-1].pc
            through, rest = np.flatnonzero(waiting.done), np.flatnonzero(~waiting.done)
            parts = [(through, waiting.pc), (rest, waiting.pc)]
            first, second = group.split(parts, meet)
            places = np.full(len(waiting.done), -1, np.intp)
            places[rest] = np.arange(len(rest))
            for transfer in waiting.transfers:
                transfer.positions = places[transfer.positions]
            left = Waiting(second, waiting.pc, np.zeros(len(rest), np.bool_), [])
            left.transfers = [t for t in waiting.transfers if (t.done < t.total).any()]
            for transfer in left.transfers:
                transfer.finished = partial(self._through, left)
            self._waiting.append(left)
            self._ready.append(first)
        if partly:
            return True
        if self._joins:
            self._let_go(self._joins[-1])
            return True
        return False

    def finish(self, group: Group) -> int:
        """A task has ended on all PEs of the group."""
        group.settle()
        state: ClassState = group.state
        index = group.lanes.index
        state.clock[index] = group.clock
        state.busy[index] += group.busy
        state.is_running[index] = False
        self.watch.task(group)
        self.ended = max(self.ended, int(group.clock.max()))
        return SUSPENDED

    # ---- DSD operations --------------------------------------------------------------------------

    def issue(
        self,
        group: Group,
        op: DsdOp,
        operands: list[Operand],
        config: core.DsdConfig,
        index: Int | None,
        pc: int,
    ) -> int:
        """Begin a DSD operation; in memory it is done at once."""
        values = [with_index(item.value, index) for item in operands]
        kinds = variants(op, values[0], values[1:], group.lanes.count)
        saves = saves_of(operands, (op.element, *op.source_elements))
        if any(isinstance(value, FabricDsd) for value in values):
            group.settle()
            transfers = transfers_of(group, kinds, self.network, config, saves)
            return self._begin(group, transfers, config, pc)
        cycles = operate_in_memory(group, kinds, saves, self._machine)
        if config.is_async:
            self._run_apart(group, cycles, config)
            return pc
        group.spend(cycles)
        if config.activate is not None or config.unblock is not None:
            group.settle()
            tell(group.state, config, group.lanes, group.clock)
        return pc

    def _run_apart(
        self, group: Group, cycles: int | NDArray[np.int64], config: core.DsdConfig
    ) -> None:
        """An operation in memory on a microthread: it was done at once, but ends later."""
        group.settle()
        state, lanes, end = group.state, group.lanes, group.clock + cycles
        if config.microthread is not None:
            until = state.busy_until(config.microthread)
            if (until[lanes.index] > group.clock).any():
                raise Misuse(_still_at_work(config.microthread))
            until[lanes.index] = end
        self.ended = max(self.ended, int(end.max()))
        tell(state, config, lanes, end)

    def issue_map(self, group: Group, run: MapRun, pc: int) -> int:
        """Begin a `@map` of a function on arrays."""
        pure, machine = run.pure, self._machine
        assert pure is not None
        if run.has_fabric():
            group.settle()
            transfers = map_transfers(group, run, self.network)
            return self._begin(group, transfers, core.DsdConfig(), pc)
        map_in_memory(group, run, machine)
        return pc

    def control(self, group: Group, action: str, task: RunValue) -> None:
        """`@activate`, `@block`, `@unblock`."""
        group.settle()
        numbers = np.broadcast_to(np.asarray(task), group.lanes.count)
        for number in np.unique(numbers):
            lanes = group.lanes
            positions = np.flatnonzero(numbers == number)
            if len(positions) < lanes.count:
                lanes = lanes.at(positions)
            signal(group.state, int(number), action, lanes, group.clock[positions])

    def _begin(
        self, group: Group, transfers: list[Transfer], config: core.DsdConfig, pc: int
    ) -> int:
        """Begin an operation on the fabric; a synchronous one holds the group until it is done."""
        if config.is_async:
            for transfer in transfers:
                transfer.finished = self._complete
                self._occupy(group, transfer)
                self._register(transfer)
            return pc
        waiting = Waiting(group, pc, np.zeros(group.lanes.count, np.bool_), transfers)
        self._waiting.append(waiting)
        for transfer in transfers:
            words = -(-transfer.total // transfer.per_word)
            setup = self._machine.dsd_setup_cycles
            group.busy[transfer.positions] += setup + words * transfer.pace
            transfer.finished = partial(self._through, waiting)
            self._register(transfer)
        return SUSPENDED

    def _occupy(self, group: Group, transfer: Transfer) -> None:
        """Take the microthread of an asynchronous operation."""
        state: ClassState = group.state
        number = transfer.microthread
        busy = state.microthreads.setdefault(number, np.zeros(state.count, np.bool_))
        until = state.busy_until(number)[transfer.lanes.index]
        if busy[transfer.lanes.index].any() or (until > group.clock[transfer.positions]).any():
            raise Misuse(_still_at_work(number))
        busy[transfer.lanes.index] = True

    def _register(self, transfer: Transfer) -> None:
        empty = np.flatnonzero(transfer.total == 0)
        if len(empty):
            transfer.finished(transfer, empty)
        if len(empty) == len(transfer.total):
            return
        for port in transfer.inputs:
            color = port.stream.color
            self._receiving.setdefault(color, []).append(transfer)
        if transfer.outlet_color is not None:
            self._sending.setdefault(transfer.outlet_color, []).append(transfer)
        self._new.append(transfer)

    def _forget(self, transfer: Transfer) -> None:
        for port in transfer.inputs:
            here = self._receiving[port.stream.color]
            if transfer in here:
                here.remove(transfer)
        if transfer.outlet_color is not None:
            self._sending[transfer.outlet_color].remove(transfer)

    def _go_on(self) -> None:
        """Let the operations go on for which something has changed."""
        if self._new:
            for transfer in self._new:
                self._step(transfer)
            self._new = []
        elif self._promised:
            for transfer in list(self._sending.get(self._promised.pop(), ())):
                transfer.may_promise = True
                self._step(transfer)
        elif self._arrived:
            for transfer in list(self._receiving.get(self._arrived.pop(), ())):
                self._step(transfer)
        else:
            for transfer in list(self._sending.get(self._freed.pop(), ())):
                if transfer.wants_room:
                    transfer.may_promise = True
                    self._step(transfer)

    def _route(
        self, routers: Routers, classes: Sequence[ClassState], late_before: int | None = None
    ) -> None:
        """Let words of dynamic colors move."""
        changes = run_routers(routers, classes, self.network.width, late_before)
        self._arrived |= changes.arrived
        self._freed |= changes.freed

    def _go_on_in_part(self, all_of_them: bool) -> bool:
        """Let operations go on that cannot be brought to their end at once; whether some did.

        That comes late, so that words travel in large portions.
        """
        went_on = False
        for transfer in self._open_transfers():
            if transfer.could_go_on or all_of_them:
                went_on = self._step(transfer, in_part=True) or went_on
        return went_on

    def _step(self, transfer: Transfer, in_part: bool = False) -> bool:
        """Let an operation go on; whether it did."""
        try:
            went_on = transfer.advance(in_part)
        except (OutOfBounds, Misuse, RouteFault) as fault:
            raise transfer_error(transfer, fault, self.network.width) from fault
        if went_on:
            for port in transfer.inputs:
                self._freed.add(port.stream.color)
            if transfer.outlet_color is not None:
                self._arrived.add(transfer.outlet_color)
        if transfer.has_promised:
            transfer.has_promised = False
            self._promised.add(transfer.inputs[0].stream.color)
        if went_on and not transfer.is_open:
            self._forget(transfer)
        return went_on

    def _through(self, waiting: Waiting, transfer: Transfer, places: Indices) -> None:
        """Some PEs of a synchronous operation are through."""
        positions = transfer.positions[places]
        waiting.done[positions] = True
        waiting.group.clock[positions] = transfer.next[places]
        self._settle(transfer, places)
        for told in transfer.told:
            tell(transfer.state, told, transfer.lanes.at(places), transfer.next[places])
        if waiting.done.all():
            self._waiting.remove(waiting)
            waiting.group.pc = waiting.pc
            self._ready.append(waiting.group)

    def _complete(self, transfer: Transfer, places: Indices) -> None:
        """Some PEs of an asynchronous operation are through."""
        state = transfer.state
        state.microthreads[transfer.microthread][transfer.lanes.at(places).index] = False
        self.watch.operation(transfer, places)
        self.ended = max(self.ended, int(transfer.next[places].max()))
        self._settle(transfer, places)
        for told in transfer.told:
            tell(transfer.state, told, transfer.lanes.at(places), transfer.next[places])

    def _settle(self, transfer: Transfer, places: Indices) -> None:
        """Move the DSRs that an operation leaves where it stopped."""
        lanes, state = transfer.lanes.at(places), transfer.state
        for save in transfer.saves:
            save.at(places).settle(lanes, transfer.done[places], state.count)

    def _open_transfers(self) -> list[Transfer]:
        tables = (*self._receiving.values(), *self._sending.values())
        transfers = [transfer for here in tables for transfer in here]
        return list({id(transfer): transfer for transfer in transfers}.values())

    # ---- tasks -----------------------------------------------------------------------------------

    def _dispatch(self, classes: Sequence[ClassState]) -> bool:
        """Start the next task on PEs that have none and are to run one; whether there were any.

        What a task sends or activates comes later than it begins, elsewhere by a flight at least.
        So tasks that begin within a flight of the earliest are the next on their PEs.
        """
        transfers = self._open_transfers()
        choices = [
            choice
            for state in classes
            for choice in [
                candidates(
                    state,
                    self.network,
                    self.network.is_receiving(state, transfers),
                    self._order,
                )
            ]
            if choice is not None
        ]
        first = min((int(choice.begin.min()) for choice in choices), default=NEVER)
        if self._route_late(classes, first):
            return True
        if first == NEVER:
            return False
        before = first + flight_cycles(1, self._machine)
        for choice in choices:
            for start in choice.start(before):
                self._start_task(choice.state, start)
        return True

    def _route_late(self, classes: Sequence[ClassState], first: int) -> bool:
        """Let words move that are the earliest of all; whether there were any.

        `first` is when the next task begins: what it sends comes later. What a router sends on
        comes to the next one a hop later.
        """
        routers = self.network.routers
        earliest = NEVER if routers is None else routers.earliest_late()
        if routers is None or earliest == NEVER or earliest > first:
            return False
        if not self._go_on_in_part(all_of_them=True):
            self._route(routers, classes, earliest + self._machine.hop_cycles)
        return True

    def _start_task(self, state: ClassState, start: TaskStart) -> None:
        clock = np.maximum(state.clock[start.lanes.index], start.since)
        values = start.take(clock) if start.take is not None else []
        if start.color is not None:
            self._freed.add(start.color)
        code = self.network.code(state, start.function)
        values += [None] * (code.locals - len(values))
        task = TaskRun(start.function.name, start.kind, clock) if self.watch.is_on else None
        switch = task_start_cycles(start.kind, self._machine)
        busy = np.full(len(clock), switch, np.int64)
        frames = [Frame(code, values)]
        self.start(Group(state, start.lanes, clock + switch, busy, frames, task=task))


def _still_at_work(microthread: int) -> str:
    return f"an operation starts on microthread {microthread}, which is still at work"
