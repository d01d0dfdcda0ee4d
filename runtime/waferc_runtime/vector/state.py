"""What the PEs of one class hold between groups: memory, variables, clocks, tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.random import Generators
from waferc_runtime.builtins.walk import calls_library
from waferc_runtime.csl import core
from waferc_runtime.vector.forgetful import block_of
from waferc_runtime.vector.lanes import Indices, Lanes, lanes_of
from waferc_runtime.vector.occupancy import Occupancy
from waferc_runtime.vector.queues import NEVER, Queues
from waferc_runtime.vector.values import RunValue, may_merge, merge, take

TEARDOWN_TASK = 29  # the id that handlers of torn down colors share


@dataclass(slots=True)
class Work:
    """Counts over all PEs and launches."""

    macs: int = 0
    flops: int = 0
    f16_flops: int = 0


class Variable:
    """A slot on all PEs of a class: one value for all, or several and which PE has which."""

    __slots__ = ("values", "which")

    def __init__(self, value: RunValue) -> None:
        self.values: list[RunValue] = [value]
        self.which: NDArray[np.intp] | None = None

    def get(self, lanes: Lanes) -> RunValue:
        """The value on these PEs, which have the same of the several."""
        if self.which is None:
            value = self.values[0]
        else:
            value = self.values[int(self.which[lanes.first()])]
        return value if lanes.is_all else take(value, lanes.indices())

    def kinds(self, lanes: Lanes) -> NDArray[np.intp] | None:
        """Which of several values each PE has; None if all have the same."""
        if self.which is None:
            return None
        here = self.which[lanes.index]
        return None if (here == here[0]).all() else here

    def set(self, lanes: Lanes, value: RunValue, pes: int) -> None:
        """Give the PEs `value`, whose arrays have one entry per PE of `lanes`."""
        if lanes.is_all:
            self.values, self.which = [value], None
            return
        chosen = lanes.indices()
        rest = np.delete(np.arange(pes), chosen)
        if self.which is None:
            old = self.values[0]
            if may_merge(old, value):
                order = np.argsort(np.concatenate([chosen, rest]))
                counts = [len(chosen), len(rest)]
                self.values = [merge([value, take(old, rest)], counts, order)]
                return
            self.which = np.zeros(pes, np.intp)
        self.which = self.which.copy()
        self.which[chosen] = len(self.values)
        self.values = [*self.values, _spread(value, chosen, pes)]


def _spread(value: RunValue, chosen: Indices, pes: int) -> RunValue:
    """The value with arrays for all PEs; what stands for others is never read."""
    places = np.zeros(pes, np.intp)
    places[chosen] = np.arange(len(chosen))
    return take(value, places)


@dataclass(frozen=True, slots=True, eq=False)
class HostCall:
    """A function that the host launched: on which PEs it has not begun, and since when."""

    function: core.Function
    values: list[RunValue]
    is_pending: NDArray[np.bool_]  # [pe]
    since: int


class ClassState:
    """The PEs of one class. Without data (`has_data`) only what control flow needs is kept."""

    def __init__(self, program: core.PEClass, width: int, work: Work, has_data: bool) -> None:
        self.program = program
        self.has_data = has_data
        self.count = len(program.x)
        self.pes: Indices = program.y.astype(np.intp) * width + program.x.astype(np.intp)
        self.blocks = {item: block_of(item, self.count, has_data) for item in program.objects}
        self.variables: dict[core.Slot, Variable] = {}
        self.registers: dict[tuple[core.DsrFile, int], Variable] = {}  # DSRs
        self.clock = np.zeros(self.count, np.int64)
        self.busy = np.zeros(self.count, np.int64)
        self.is_running = np.zeros(self.count, np.bool_)  # the main thread has a task
        self.tasks = sorted(
            (task for task in program.tasks if task.kind == "local"), key=lambda task: task.id
        )
        self.data_tasks = [task for task in program.tasks if task.kind == "data"]
        self.control_tasks = [task for task in program.tasks if task.kind == "control"]
        self.row = {task.id: row for row, task in enumerate(self.tasks)}
        self.active = np.full((len(self.tasks), self.count), NEVER, np.int64)  # since which cycle
        self._again: dict[int, list[NDArray[np.int64]]] = {}  # later activations, in order of time
        self.blocked: dict[int, NDArray[np.bool_]] = {
            task: np.ones(self.count, np.bool_) for task in program.blocked
        }
        self.unblocked_at: dict[int, NDArray[np.int64]] = {}  # cycle at which it last was
        self.host_calls: list[HostCall] = []
        self.unblocks_commands = calls_library(program, "memcpy.unblock_cmd_stream")
        self.holds_commands = np.zeros(self.count, np.bool_)  # launched, and not yet unblocked
        self.generators = Generators(self.count)
        self.timestamp_zero = np.zeros(self.count, np.int64)  # cycle that timestamps count from
        self.last_task = np.full(self.count, -1, np.int64)  # the id of what ran last
        for task in program.activated:
            if task in self.row:
                self.active[self.row[task]] = 0
        self.received_until: dict[int, NDArray[np.int64]] = {}  # by color, by operations
        self.torn_down = {
            color: np.full(self.count, NEVER, np.int64) for color in program.teardown_handlers
        }  # since when a handler waits to run
        self.queues = Queues(program, self.count)
        self.urgent = {
            task: np.ones(self.count, np.bool_) for task in program.high_priority
        }  # tasks that are chosen first, and where
        self.kept_registers: dict[int, NDArray[np.uint16]] = {}  # that change nothing, by address
        self.occupancy = Occupancy(self.count)
        self.blocked_microthreads: dict[int, NDArray[np.bool_]] = {}  # by id
        self._work = work

    def activate(self, task: int, lanes: Lanes, cycles: Any) -> bool:
        """Set a task's active bit on `lanes`; whether there is such a task."""
        if task not in self.row:
            return False
        row = self.active[self.row[task]]
        now = row[lanes.index]
        later = np.where(now == cycles, NEVER, np.maximum(now, cycles))
        row[lanes.index] = np.minimum(now, cycles)
        levels = self._again.setdefault(task, [])
        for level in levels:
            held = level[lanes.index].copy()
            level[lanes.index] = np.minimum(held, later)
            later = np.where(held == later, NEVER, np.maximum(held, later))
        if (later != NEVER).any():
            levels.append(np.full(self.count, NEVER, np.int64))
            levels[-1][lanes.index] = later
        return True

    def begin(self, task: int, lanes: Lanes, cycles: Any) -> None:
        """Clear a task's active bit at `cycles` [lane]: what activates it later does so again."""
        row = self.active[self.row[task]]
        row[lanes.index] = NEVER
        for level in self._again.pop(task, ()):
            later = level[lanes.index].copy()
            level[lanes.index] = NEVER
            self._restore(task, level)
            here = later > cycles
            if here.any():
                chosen = lanes_of(lanes.indices()[here], self.count)
                self.activate(task, chosen, later[here])

    def _restore(self, task: int, level: NDArray[np.int64]) -> None:
        rest = np.flatnonzero(level != NEVER)
        if len(rest):
            self.activate(task, lanes_of(rest, self.count), level[rest])

    def release(self, color: int, lanes: Lanes, cycles: Any) -> None:
        """An operation that received a color ended at `cycles` [lane]: tasks may have its words."""
        if color not in self.received_until:
            self.received_until[color] = np.zeros(self.count, np.int64)
        until = self.received_until[color]
        until[lanes.index] = np.maximum(until[lanes.index], cycles)

    def tear_down(self, color: int, lanes: Lanes, cycles: Any) -> None:
        """Let the handler of a color that a wavelet tore down run, if there is one."""
        if color in self.torn_down:
            self.torn_down[color][lanes.index] = cycles
        else:
            self.activate(TEARDOWN_TASK, lanes, cycles)

    def lanes_of(self, pes: Indices) -> Indices:
        """The lanes of PEs by their numbers; -1 for PEs of other classes."""
        order = np.argsort(self.pes)
        place = np.minimum(np.searchsorted(self.pes, pes, sorter=order), self.count - 1)
        lanes = order[place]
        return np.where(self.pes[lanes] == pes, lanes, -1)

    def block(self, task: int, lanes: Lanes, is_blocked: bool, cycles: Any) -> None:
        """Set or clear a task's blocked bit on `lanes`."""
        if task not in self.blocked:
            self.blocked[task] = np.zeros(self.count, np.bool_)
            self.unblocked_at[task] = np.zeros(self.count, np.int64)
        blocked = self.blocked[task]
        if not is_blocked:
            since = self.unblocked_at.setdefault(task, np.zeros(self.count, np.int64))
            was_blocked = blocked[lanes.index]
            since[lanes.index] = np.where(was_blocked, cycles, since[lanes.index])
        blocked[lanes.index] = is_blocked

    def launch(self, function: core.Function, values: list[RunValue], since: int) -> None:
        """Let the host call a function on all PEs."""
        pending = np.ones(self.count, np.bool_)
        self.host_calls.append(HostCall(function, values, pending, since))
        if self.unblocks_commands:
            self.holds_commands[:] = True

    def count_work(self, op: DsdOp, elements: int) -> None:
        """Count what an operation did."""
        self._work.macs += op.macs * elements
        self._work.flops += op.flops * elements
        self._work.f16_flops += op.f16_flops * elements

    def where(self, lane: int) -> tuple[int, int]:
        """The coordinates of a PE: (x, y)."""
        return int(self.program.x[lane]), int(self.program.y[lane])


def alike(state: ClassState, symbol: str, positions: Indices) -> list[Indices]:
    """The PEs in groups on each of which an exported pointer is one value."""
    export = state.program.exports.get(symbol)
    if not len(positions):
        return []
    if export is None or not isinstance(export.target, core.Slot):
        return [positions]
    kinds = state.variables[export.target].kinds(lanes_of(positions, state.count))
    if kinds is None:
        return [positions]
    return [positions[kinds == kind] for kind in np.unique(kinds)]
