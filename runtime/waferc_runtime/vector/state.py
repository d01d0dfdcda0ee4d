"""What the PEs of one class hold between groups: memory, variables, clocks, tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.csl import core
from waferc_runtime.vector.lanes import Indices, Lanes
from waferc_runtime.vector.memory import Block
from waferc_runtime.vector.values import RunValue, may_merge, merge, take

NEVER = np.iinfo(np.int64).max


@dataclass(slots=True)
class Work:
    """Counts over all PEs and launches."""

    macs: int = 0
    flops: int = 0


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


class ClassState:
    """The PEs of one class."""

    def __init__(self, program: core.PEClass, width: int, work: Work) -> None:
        self.program = program
        self.count = len(program.x)
        self.pes: Indices = program.y.astype(np.intp) * width + program.x.astype(np.intp)
        self.blocks = {item: Block(item, self.count) for item in program.objects}
        self.variables: dict[core.Slot, Variable] = {}
        self.clock = np.zeros(self.count, np.int64)
        self.busy = np.zeros(self.count, np.int64)
        self.is_running = np.zeros(self.count, np.bool_)  # the main thread has a task
        self.tasks = sorted(
            (task for task in program.tasks if task.kind == "local"), key=lambda task: task.id
        )
        self.data_tasks = [task for task in program.tasks if task.kind == "data"]
        self.row = {task.id: row for row, task in enumerate(self.tasks)}
        self.active = np.full((len(self.tasks), self.count), NEVER, np.int64)  # since which cycle
        self.blocked: dict[int, NDArray[np.bool_]] = {
            task: np.ones(self.count, np.bool_) for task in program.blocked
        }
        for task in program.activated:
            if task in self.row:
                self.active[self.row[task]] = 0
        self.microthreads: dict[int, NDArray[np.bool_]] = {}  # by id: where it is at work
        self._work = work

    def activate(self, task: int, lanes: Lanes, cycles: Any) -> bool:
        """Set a task's active bit on `lanes`; whether there is such a task."""
        if task not in self.row:
            return False
        row = self.active[self.row[task]]
        row[lanes.index] = np.minimum(row[lanes.index], cycles)
        return True

    def block(self, task: int, lanes: Lanes, is_blocked: bool) -> None:
        """Set or clear a task's blocked bit on `lanes`."""
        if task not in self.blocked:
            self.blocked[task] = np.zeros(self.count, np.bool_)
        self.blocked[task][lanes.index] = is_blocked

    def count_work(self, op: DsdOp, elements: int) -> None:
        """Count what an operation did."""
        self._work.macs += op.macs * elements
        self._work.flops += op.flops * elements

    def where(self, lane: int) -> tuple[int, int]:
        """The coordinates of a PE: (x, y)."""
        return int(self.program.x[lane]), int(self.program.y[lane])
