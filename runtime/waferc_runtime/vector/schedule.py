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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.scalar import ZeroDivisorError
from waferc_runtime.builtins.timing import flight_cycles, task_start_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.deadlock import Blocked
from waferc_runtime.vector.dsr import Operand, Save, holdings, saves_of
from waferc_runtime.vector.effects import AssertionFault
from waferc_runtime.vector.faults import LimitError, check_limit, group_error
from waferc_runtime.vector.group import SUSPENDED, Frame, Group, Join, TaskRun, join
from waferc_runtime.vector.in_memory import conflicts_in, map_in_memory, operate_in_memory
from waferc_runtime.vector.issue import Network, map_transfers, one_element, transfers_of
from waferc_runtime.vector.lanes import Indices, Lanes
from waferc_runtime.vector.map import MapRun
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.occupancy import Holdings
from waferc_runtime.vector.operation import Misuse, variants
from waferc_runtime.vector.order import Order
from waferc_runtime.vector.registers import Registers
from waferc_runtime.vector.router_events import earliest_late, run_routers
from waferc_runtime.vector.routers import Routers
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.signals import signal, tell
from waferc_runtime.vector.state import NEVER, ClassState
from waferc_runtime.vector.tasks import Candidates, TaskStart, candidates
from waferc_runtime.vector.transfer import Transfer
from waferc_runtime.vector.under_way import UnderWay
from waferc_runtime.vector.values import FabricDsd, FifoDsd, Int, RunValue, with_index
from waferc_runtime.vector.watch import Watch


@dataclass(eq=False, slots=True)
class Waiting:
    """A group in a synchronous operation on the fabric: which of its PEs are through."""

    group: Group
    pc: int
    done: NDArray[np.bool_]
    transfers: list[Transfer]
    result: int | None  # local that takes the outcome
    outcome: NDArray[Any]  # [pe] whether it came to its last element, or the one it received
    open: int  # PEs that are not through


class Scheduler:
    """Runs groups until the wafer is at rest."""

    def __init__(
        self,
        network: Network,
        machine: Machine,
        order: Order,
        watch: Watch,
        max_cycles: int | None = None,
    ) -> None:
        self._max_cycles = max_cycles
        self.network = network
        self._machine = machine
        self._order = order
        self.watch = watch
        self._ready: deque[Group] = deque()
        self._waiting: list[Waiting] = []
        self._joins: list[Join] = []  # with parts that have arrived
        self._under_way = UnderWay(machine, network.width)
        self.ended = 0  # the cycle at which the last operation ended

    @property
    def registers(self) -> Registers:
        """The configuration registers."""
        return self.network.registers

    @property
    def under_way(self) -> UnderWay:
        """The operations that have begun and not ended."""
        return self._under_way

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
                elif self._under_way.has_news:
                    self._under_way.go_on()
                elif self.network.routers is not None and self.network.routers.is_awake:
                    self._route(self.network.routers, classes)
                elif (
                    self._under_way.go_on_in_part(all_of_them=False)
                    or self._release()
                    or self._dispatch(classes)
                ):
                    continue
                elif (
                    not self._under_way.go_on_in_part(all_of_them=True)
                    and not self._under_way.end_at_fifos()
                ):
                    break

    def waiting(self) -> list[Blocked]:
        """What waits, at rest."""
        blocked = [
            Blocked(waiting.group.state, transfer, False)
            for waiting in self._waiting
            for transfer in waiting.transfers
        ]
        for transfer in self._under_way.open():
            if all(transfer is not item.transfer for item in blocked):
                blocked.append(Blocked(transfer.state, transfer, True))
        return blocked

    def _run(self, group: Group) -> None:
        pc = group.pc
        try:
            while pc != SUSPENDED:
                group.pc = pc
                if self._max_cycles is not None:
                    check_limit(group, self._max_cycles)
                pc = group.frames[-1].code.instructions[pc](group)
        except (
            OutOfBounds,
            ZeroDivisorError,
            AssertionFault,
            Misuse,
            RouteFault,
            LimitError,
        ) as fault:
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
            if waiting.result is not None:
                group.locals[waiting.result] = waiting.outcome
            parts = [(through, waiting.pc), (rest, waiting.pc)]
            first, second = group.split(parts, meet)
            places = np.full(len(waiting.done), -1, np.intp)
            places[rest] = np.arange(len(rest))
            for transfer in waiting.transfers:
                transfer.positions = places[transfer.positions]
            none = np.zeros(len(rest), np.bool_)
            outcome = waiting.outcome[rest]
            left = Waiting(second, waiting.pc, none, [], waiting.result, outcome, len(rest))
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
        result: int | None,
        pc: int,
    ) -> int:
        """Begin a DSD operation; in memory it is done at once.

        `result` is the local that takes whether it came to its last element.
        """
        state, lanes = group.state, group.lanes
        values = [
            self._operand(state, with_index(item.single, index), place, lanes)
            for place, item in enumerate(operands)
        ]
        kinds = variants(op, values[0], values[1:], lanes.count)
        saves = saves_of(operands, (op.element, *op.source_elements))
        if any(isinstance(value, FabricDsd | FifoDsd) for value in values):
            group.settle()
            uses = holdings(operands, config)
            if not config.is_async:
                state.occupancy.check(op.name, uses, lanes)
            transfers = transfers_of(group, kinds, self.network, config, saves, uses)
            return self._begin(group, transfers, config, pc, result)
        cycles = operate_in_memory(group, kinds, saves, self._machine)
        conflicts = conflicts_in(group, cycles, kinds, self._machine)
        if config.is_async:
            end = self._run_apart(group, op.name, cycles, config)
            self.watch.apart_in_memory(group, op.name, end, conflicts)
            return pc
        group.spend(cycles, conflicts)
        if result is not None:
            group.locals[result] = True
        if config.activate is not None or config.unblock is not None:
            group.settle()
            tell(state, config, lanes, group.clock)
        return pc

    def _operand(self, state: ClassState, value: RunValue, place: int, lanes: Lanes) -> RunValue:
        """The operand; of a FIFO with the length that is set for that side."""
        if not isinstance(value, FifoDsd):
            return value
        length = self.network.fifos.of(state, value.fifo).length["read" if place else "write"]
        here = length[lanes.index]
        return FifoDsd(value.fifo, here.copy() if here.any() else 0)

    def _run_apart(
        self, group: Group, name: str, cycles: int | NDArray[np.int64], config: core.DsdConfig
    ) -> NDArray[np.int64]:
        """An operation in memory on a microthread: it was done at once, but ends later: when."""
        group.settle()
        state, lanes, end = group.state, group.lanes, group.clock + cycles
        if config.microthread is not None:
            nothing = Holdings()
            state.occupancy.take(name, config.microthread, nothing, lanes, group.clock)
            state.occupancy.release(config.microthread, nothing, lanes)
            state.occupancy.hold_until(config.microthread, lanes, end)
        self.ended = max(self.ended, int(end.max()))
        tell(state, config, lanes, end)
        return end

    def set_fifo_length(self, group: Group, fifo: core.Fifo, side: str, value: RunValue) -> None:
        """`@set_fifo_read_length` and `@set_fifo_write_length`."""
        self.network.fifos.of(group.state, fifo).length[side][group.lanes.index] = value

    def issue_map(self, group: Group, run: MapRun, saves: Sequence[Save], pc: int) -> int:
        """Begin a `@map` of a function on arrays."""
        if run.has_fabric():
            group.settle()
            transfers = map_transfers(group, run, self.network, saves)
            return self._begin(group, transfers, core.DsdConfig(), pc, None)
        map_in_memory(group, run, self._machine)
        for save in saves:
            save.settle(group.lanes, run.count, group.state.count)
        return pc

    def receive_one(
        self, group: Group, dsd: FabricDsd, element: core.Scalar, into: int, pc: int
    ) -> int:
        """Receive an element into a local; waiting takes time, the element itself none."""
        group.settle()
        transfer = one_element(group, self.network, dsd, element, None)
        return self._begin(group, [transfer], core.DsdConfig(), pc, into)

    def send_one(
        self, group: Group, dsd: FabricDsd, element: core.Scalar, value: RunValue, pc: int
    ) -> int:
        """Send an element, likewise."""
        group.settle()
        transfer = one_element(group, self.network, dsd, element, value)
        return self._begin(group, [transfer], core.DsdConfig(), pc, None)

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

    def block_microthread(self, group: Group, action: str, number: RunValue) -> None:
        """`@block` or `@unblock` a microthread, of the same number on all PEs of the group."""
        if np.ndim(number):
            if (number != number[0]).any():
                raise Misuse(f"PEs of a class {action} different microthreads at once")
            number = int(number[0])
        group.settle()
        state, lanes = group.state, group.lanes
        blocked = state.blocked_microthreads.setdefault(number, np.zeros(state.count, np.bool_))
        blocked[lanes.index] = action == "block"
        for transfer in self._under_way.open():
            if transfer.state is state and transfer.microthread == number:
                if action == "block":
                    transfer.look_again()
                else:
                    transfer.hold_back(lanes, group.clock)
                    self._under_way.look_again(transfer)

    def _begin(
        self,
        group: Group,
        transfers: list[Transfer],
        config: core.DsdConfig,
        pc: int,
        result: int | None,
    ) -> int:
        """Begin an operation on the fabric; a synchronous one holds the group until it is done."""
        if config.is_async:
            occupancy = group.state.occupancy
            for transfer in transfers:
                transfer.finished = self._complete
                now = group.clock[transfer.positions]
                number, uses = transfer.microthread, transfer.uses
                occupancy.take(transfer.name, number, uses, transfer.lanes, now)
                self._under_way.register(transfer)
            return pc
        count = group.lanes.count
        outcome = transfers[0].blank_outcome(count)
        none = np.zeros(count, np.bool_)
        waiting = Waiting(group, pc, none, transfers, result, outcome, count)
        self._waiting.append(waiting)
        for transfer in transfers:
            transfer.finished = partial(self._through, waiting)
            self._under_way.register(transfer)
        return SUSPENDED

    def _route(
        self, routers: Routers, classes: Sequence[ClassState], late_before: int | None = None
    ) -> None:
        """Let words of dynamic colors move."""
        self._under_way.tell(run_routers(routers, classes, self.network.width, late_before))

    def _through(self, waiting: Waiting, transfer: Transfer, places: Indices) -> None:
        """Some PEs of a synchronous operation are through."""
        positions = transfer.positions[places]
        waiting.done[positions] = True
        waiting.open -= len(positions)
        waiting.group.clock[positions] = transfer.next[places]
        words = -(-transfer.done[places] // transfer.step)
        setup = self._machine.dsd_setup_cycles
        if transfer.pace:
            moving = setup + words * transfer.pace
            waiting.group.busy[positions] += moving
            if waiting.group.spent is not None and transfer.name != "@map":  # that computes
                waiting.group.spent[0, positions] += moving
        waiting.outcome[positions] = transfer.outcome(places)
        self._settle(transfer, places)
        for told in transfer.told:
            tell(transfer.state, told, transfer.lanes.at(places), transfer.next[places])
        if not waiting.open:
            self._waiting.remove(waiting)
            if waiting.result is not None:
                waiting.group.locals[waiting.result] = waiting.outcome
            waiting.group.pc = waiting.pc
            self._ready.append(waiting.group)

    def _complete(self, transfer: Transfer, places: Indices) -> None:
        """Some PEs of an asynchronous operation are through."""
        state = transfer.state
        lanes, cycles = transfer.lanes.at(places), transfer.next[places]
        state.occupancy.release(transfer.microthread, transfer.uses, lanes)
        for port in transfer.inputs:
            state.release(port.stream.color, lanes, cycles)
        self.watch.operation(transfer, places)
        self.watch.apart(transfer, places, self._machine.dsd_setup_cycles)
        self.ended = max(self.ended, int(cycles.max()))
        self._settle(transfer, places)
        for told in transfer.told:
            tell(state, told, lanes, cycles)

    def _settle(self, transfer: Transfer, places: Indices) -> None:
        """Move the DSRs that an operation leaves where it stopped."""
        lanes, state = transfer.lanes.at(places), transfer.state
        for save in transfer.saves:
            save.at(places).settle(lanes, transfer.done[places], state.count)

    # ---- tasks -----------------------------------------------------------------------------------

    def _dispatch(self, classes: Sequence[ClassState]) -> bool:
        """Start the next task on PEs that have none and are to run one; whether there were any.

        What a task sends comes to others later than it begins, by the cycles of its start and a
        flight; but the word that starts it makes room at once. So tasks that begin before any of
        them can matter to another PE are the next on their PEs.
        """
        transfers = self._under_way.open()
        receiving = self.network.receiving(transfers)
        choices: list[Candidates] = []
        for state in classes:
            here = receiving.get(state, {})
            choice = candidates(state, self.network, here, self._order, transfers)
            if choice is not None:
                choices.append(choice)
        first = min((int(choice.begin.min()) for choice in choices), default=NEVER)
        if self._route_late(classes, first):
            return True
        if first == NEVER:
            return False
        crowded = self._under_way.crowded() | self.network.routed_colors
        acts = min(choice.acts(self._machine, crowded) for choice in choices)
        before = acts + flight_cycles(1, self._machine)
        for choice in choices:
            for start in choice.start(before):
                self._start_task(choice.state, start)
        return True

    def _route_late(self, classes: Sequence[ClassState], first: int) -> bool:
        """Let words move that are the earliest of all; whether there were any.

        `first` is when the next task begins: what it sends comes later.
        """
        routers = self.network.routers
        earliest = NEVER if routers is None else earliest_late(routers, self.network.width)
        if routers is None or earliest == NEVER or earliest > first:
            return False
        if not self._under_way.go_on_in_part(all_of_them=True):
            before = earliest + routers.reaction_cycles
            self._route(routers, classes, max(min(before, first), earliest + 1))
        return True

    def _start_task(self, state: ClassState, start: TaskStart) -> None:
        clock = np.maximum(state.clock[start.lanes.index], start.since)
        values = start.take(clock) if start.take is not None else []
        if start.color is not None:
            senders = self.network.senders_to(start.color, state.pes[start.lanes.index])
            self._under_way.freed(start.color, senders)
        code = self.network.code(state, start.function)
        values += [None] * (code.locals - len(values))
        task = TaskRun(start.function.name, start.kind, clock) if self.watch.is_on else None
        spent, entry = self.watch.account(clock)
        switch = task_start_cycles(start.kind, self._machine)
        busy = np.full(len(clock), switch, np.int64)
        frames = [Frame(code, values, entry=entry)]
        clock = clock + switch
        self.start(Group(state, start.lanes, clock, busy, frames, task=task, spent=spent))
