"""The next task of PEs whose main thread is free, and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import scalar
from waferc_runtime.csl import core
from waferc_runtime.vector.group import TaskKind
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, lanes_of
from waferc_runtime.vector.order import HOST, Order
from waferc_runtime.vector.state import NEVER, ClassState, HostCall
from waferc_runtime.vector.values import RunValue

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TaskStart:
    """A task to start on some PEs: since when it is ready there, and how it gets its words."""

    function: core.Function
    kind: TaskKind
    lanes: Lanes
    since: Times
    take: Callable[[Times], list[RunValue]] | None = None  # given when they are taken
    color: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Something that may run: since when it can on each PE, NEVER where it cannot."""

    id: int
    what: core.TaskBinding | HostCall
    since: Times  # [pe]
    color: int | None = None  # of a data task


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The task that each PE of a class takes next, if it has one.

    `begin` [pe] is the cycle at which it can start, NEVER where there is none. `is_alone`: no
    other task can come between, as the class has but one.
    """

    state: ClassState
    network: Network
    rows: list[Row]
    chosen: NDArray[np.intp]  # [pe] index of the row
    since: Times  # [pe]
    begin: Times  # [pe]
    is_alone: bool

    def start(self, before: int) -> list[TaskStart]:
        """What is to start now: tasks that begin before a cycle, or that are alone."""
        ready = self.begin < (NEVER if self.is_alone else before)
        found: list[TaskStart] = []
        for place in np.unique(self.chosen[ready]):
            lanes = lanes_of(np.flatnonzero(ready & (self.chosen == place)), self.state.count)
            row = self.rows[int(place)]
            since = self.since[lanes.index]
            self.state.last_task[lanes.index] = row.id
            match row.what:
                case HostCall() as call:
                    call.is_pending[lanes.index] = False
                    values = list(call.values)
                    start = TaskStart(call.function, "host", lanes, since, lambda _, v=values: v)
                case task if row.color is None:
                    self.state.active[self.state.row[task.id]][lanes.index] = NEVER
                    start = TaskStart(task.function, task.kind, lanes, since)
                case task:
                    take = _taker(self.state, self.network, task.function, lanes, row.color)
                    start = TaskStart(task.function, task.kind, lanes, since, take, row.color)
            found.append(start)
        self.state.host_calls = [c for c in self.state.host_calls if c.is_pending.any()]
        return found


def candidates(
    state: ClassState,
    network: Network,
    receiving: Mapping[int, NDArray[np.bool_]],
    order: Order,
) -> Candidates | None:
    """The next tasks of the PEs of a class that do nothing; None if there are none."""
    free = ~state.is_running
    if not free.any() or not (state.tasks or state.data_tasks or state.host_calls):
        return None
    rows = _rows(state, network, receiving)
    if not rows:
        return None
    table = np.stack([np.where(free, row.since, NEVER) for row in rows])
    begin = table.min(axis=0)
    begin = np.where(begin == NEVER, NEVER, np.maximum(begin, state.clock))
    chosen = order.choose(state, [row.id for row in rows], table, begin)
    since = np.take_along_axis(table, chosen[np.newaxis], axis=0)[0]
    return Candidates(state, network, rows, chosen, since, begin, is_alone=len(rows) == 1)


def _rows(
    state: ClassState, network: Network, receiving: Mapping[int, NDArray[np.bool_]]
) -> list[Row]:
    """All that may run on PEs of a class, by id."""
    rows = [
        Row(HOST, call, np.where(call.is_pending, call.since, NEVER)) for call in state.host_calls
    ]
    for task in state.tasks:
        since = _unblocked(state, task.id, state.active[state.row[task.id]])
        rows.append(Row(task.id, task, since))
    for task in state.data_tasks:
        bound = task.id if network.arch == "wse2" else state.program.input_queues.get(task.id)
        if bound is None:
            continue
        for color in np.unique(np.asarray(bound)):
            since = _heads(state, network, task.id, int(color), bound, receiving)
            rows.append(Row(task.id, task, since, int(color)))
    rows.sort(key=lambda row: row.id)
    return rows


def _unblocked(state: ClassState, task: int, since: Times) -> Times:
    blocked = state.blocked.get(task)
    if blocked is None:
        return since
    unblocked = state.unblocked_at.get(task)
    if unblocked is not None:
        since = np.maximum(since, unblocked)
    return np.where(blocked, NEVER, since)


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
