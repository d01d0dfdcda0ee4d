"""The next task of PEs whose main thread is free: ready first, then the lowest id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import scalar
from waferc_runtime.csl import core
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, lanes_of
from waferc_runtime.vector.state import NEVER, ClassState
from waferc_runtime.vector.values import RunValue

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TaskStart:
    """A task to start on some PEs: since when it is ready there, and how it gets its words."""

    function: core.Function
    lanes: Lanes
    since: Times
    take: Callable[[Times], list[RunValue]] | None = None  # given when they are taken
    color: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The task that each PE of a class takes next, if it has one.

    `begin` [pe] is the cycle at which it can start, NEVER where there is none. `is_alone`: no
    other task can come between, as the class has but one.
    """

    state: ClassState
    network: Network
    tasks: list[tuple[core.TaskBinding, int | None]]  # with the color of a data task
    chosen: NDArray[np.intp]  # [pe] index of the task
    since: Times  # [pe]
    begin: Times  # [pe]
    is_alone: bool

    def start(self, before: int) -> list[TaskStart]:
        """What is to start now: tasks that begin before a cycle, or that are alone."""
        ready = self.begin < (NEVER if self.is_alone else before)
        found: list[TaskStart] = []
        for place in np.unique(self.chosen[ready]):
            lanes = lanes_of(np.flatnonzero(ready & (self.chosen == place)), self.state.count)
            task, color = self.tasks[int(place)]
            since = self.since[lanes.index]
            if color is None:
                self.state.active[self.state.row[task.id]][lanes.index] = NEVER
                found.append(TaskStart(task.function, lanes, since))
            else:
                take = _taker(self.state, self.network, task.function, lanes, color)
                found.append(TaskStart(task.function, lanes, since, take, color))
        return found


def candidates(
    state: ClassState, network: Network, receiving: Mapping[int, NDArray[np.bool_]]
) -> Candidates | None:
    """The next tasks of the PEs of a class that do nothing; None if there are none."""
    free = ~state.is_running
    if not free.any() or not (state.tasks or state.data_tasks):
        return None
    rows: list[tuple[int, core.TaskBinding, int | None, Times]] = []
    for task in state.tasks:
        since = _unblocked(state, task.id, state.active[state.row[task.id]])
        rows.append((task.id, task, None, since))
    for task in state.data_tasks:
        bound = task.id if network.arch == "wse2" else state.program.input_queues.get(task.id)
        if bound is None:
            continue
        for color in np.unique(np.asarray(bound)):
            since = _heads(state, network, task.id, int(color), bound, receiving)
            rows.append((task.id, task, int(color), since))
    if not rows:
        return None
    rows.sort(key=lambda row: row[0])
    table = np.stack([np.where(free, since, NEVER) for _, _, _, since in rows])
    since = table.min(axis=0)
    begin = np.where(since == NEVER, NEVER, np.maximum(since, state.clock))
    tasks = [(task, color) for _, task, color, _ in rows]
    return Candidates(
        state, network, tasks, table.argmin(axis=0), since, begin, is_alone=len(rows) == 1
    )


def _unblocked(state: ClassState, task: int, since: Times) -> Times:
    blocked = state.blocked.get(task)
    return since if blocked is None else np.where(blocked, NEVER, since)


def _heads(
    state: ClassState,
    network: Network,
    task: int,
    color: int,
    bound: int | core.Lanes,
    receiving: Mapping[int, NDArray[np.bool_]],
) -> Times:
    """When the word at the head of a color's queue arrived: [pe]."""
    stream = network.stream(color)
    columns = stream.columns(state.pes)
    since = np.full(state.count, NEVER, np.int64)
    here = (columns >= 0) & np.broadcast_to(np.asarray(bound) == color, state.count)
    if color in receiving:
        here &= ~receiving[color]
    here[here] = stream.available(columns[here]) > 0
    since[here] = stream.head_arrival(columns[here])
    return _unblocked(state, task, since)


def _taker(
    state: ClassState, network: Network, function: core.Function, lanes: Lanes, color: int
) -> Callable[[Times], list[RunValue]]:
    stream = network.stream(color)
    columns = stream.columns(state.pes[lanes.index])

    def take(cycles: Times) -> list[RunValue]:
        words, _ = stream.peek(columns, 1)
        bits = words[0].copy()
        stream.consume(columns, cycles[np.newaxis])
        return [
            _argument(bits, place, parameter) for place, parameter in enumerate(function.parameters)
        ]

    return take


def _argument(bits: NDArray[np.uint32], place: int, parameter: core.Local) -> RunValue:
    kind = parameter.type
    assert isinstance(kind, core.Scalar)
    if kind.bits == 32:
        return scalar.bitcast(bits, core.Scalar.U32, kind)
    half = ((bits >> np.uint32(16 * place)) & np.uint32(0xFFFF)).astype(np.uint16)
    return scalar.bitcast(half, core.Scalar.U16, kind)
