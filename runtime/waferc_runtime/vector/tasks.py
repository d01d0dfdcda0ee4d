"""The next task of PEs whose main thread is free, and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core
from waferc_runtime.vector.group import TaskKind
from waferc_runtime.vector.heads import control_heads, data_heads, taker, unblocked
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, lanes_of
from waferc_runtime.vector.order import HOST, Order
from waferc_runtime.vector.state import NEVER, TEARDOWN_TASK, ClassState, HostCall
from waferc_runtime.vector.values import RunValue
from waferc_runtime.vector.when import steadily

Times = NDArray[np.int64]
_STRAY = -2  # stands for an id where a control wavelet is for none


@dataclass(frozen=True, slots=True, eq=False)
class TaskStart:
    """A task to start on some PEs: since when it is ready there, and how it gets its words."""

    function: core.Function
    kind: TaskKind
    lanes: Lanes
    since: Times
    take: Callable[[Times], list[RunValue]] | None = None  # given when they are taken
    color: int | None = None


@dataclass(frozen=True, slots=True)
class Handler:
    """The function that a PE runs when a wavelet tore a color down."""

    color: int
    function: core.Function


@dataclass(frozen=True, slots=True)
class Stray:
    """A control wavelet that no task is bound to: a PE that takes a task drops it first."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Something that may run: since when it can on each PE, NEVER where it cannot."""

    id: int
    what: core.TaskBinding | HostCall | Handler | Stray
    since: Times  # [pe]
    color: int | None = None  # of a data or control task


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
        for row in self.rows:
            if isinstance(row.what, Stray):
                self._drop(row, ready & (row.since <= self.begin))
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
                case Stray():
                    continue
                case Handler(color, function):
                    self.state.torn_down[color][lanes.index] = NEVER
                    start = TaskStart(function, "handler", lanes, since)
                case task if row.color is None:
                    self.state.begin(task.id, lanes, self.begin[lanes.index])
                    start = TaskStart(task.function, task.kind, lanes, since)
                case task:
                    take = taker(self.state, self.network, task, lanes, row.color)
                    start = TaskStart(task.function, task.kind, lanes, since, take, row.color)
            found.append(start)
        self.state.host_calls = [c for c in self.state.host_calls if c.is_pending.any()]
        return found

    def _drop(self, row: Row, here: NDArray[np.bool_]) -> None:
        """Take strays of a color out of their queues."""
        if here.any():
            assert row.color is not None
            stream = self.network.stream(row.color)
            columns = stream.columns(self.state.pes[here])
            stream.consume(columns, steadily(self.begin[here], 1, 1))


def candidates(
    state: ClassState,
    network: Network,
    receiving: Mapping[int, NDArray[np.bool_]],
    order: Order,
) -> Candidates | None:
    """The next tasks of the PEs of a class that do nothing; None if there are none."""
    free = ~state.is_running
    if not free.any():
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
        since = unblocked(state, task.id, state.active[state.row[task.id]])
        rows.append(Row(task.id, task, since))
    for task in state.data_tasks:
        bound = task.id if network.arch == "wse2" else state.program.input_queues.get(task.id)
        if bound is None:
            continue
        for color in np.unique(np.asarray(bound)):
            since = data_heads(state, network, task.id, int(color), bound, receiving)
            rows.append(Row(task.id, task, since, int(color)))
    for color in sorted(network.routed_colors):
        rows += _control_rows(state, network, color, receiving)
    for color, torn in state.torn_down.items():
        handler = Handler(color, state.program.teardown_handlers[color])
        rows.append(Row(TEARDOWN_TASK, handler, unblocked(state, TEARDOWN_TASK, torn)))
    rows.sort(key=lambda row: row.id)
    return rows


def _control_rows(
    state: ClassState, network: Network, color: int, receiving: Mapping[int, NDArray[np.bool_]]
) -> list[Row]:
    """What control wavelets of a color start that no operation takes."""
    heads = control_heads(state, network, color, receiving)
    if heads is None:
        return []
    since, entry = heads
    rows: list[Row] = []
    for task in state.control_tasks:
        here = entry == task.id
        rows.append(Row(task.id, task, np.where(here, since, NEVER), color))
        since = np.where(here, NEVER, since)
    if (since != NEVER).any():
        rows.append(Row(_STRAY, Stray(), since, color))
    return rows
