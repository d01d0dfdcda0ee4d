"""The next task of PEs whose main thread is free, and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import task_start_cycles
from waferc_runtime.csl import core
from waferc_runtime.vector.group import TaskKind
from waferc_runtime.vector.heads import control_heads, data_heads, taker, unblocked
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes, lanes_of
from waferc_runtime.vector.order import HOST, Order
from waferc_runtime.vector.state import NEVER, TEARDOWN_TASK, ClassState, HostCall
from waferc_runtime.vector.transfer import Transfer
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
    """The function that a PE runs when a wavelet tore a color down, or a queue was flushed."""

    function: core.Function
    color: int | None = None
    queue: int | None = None


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

    def acts(self, machine: Machine, crowded: Set[int]) -> int:
        """The first cycle at which a task that begins can do something to others.

        `crowded` are the colors on which words wait for the room that a task makes.
        """
        rest = np.array([_start_cycles(row, machine, crowded) for row in self.rows])
        latest = NEVER - rest.max()
        return int((np.minimum(self.begin, latest) + rest[self.chosen]).min())

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
                case Handler(function, color, queue):
                    if color is not None:
                        self.state.torn_down[color][lanes.index] = NEVER
                    if queue is not None:
                        self.state.queues.begin_handler(queue, lanes)
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


def _start_cycles(row: Row, machine: Machine, crowded: Set[int]) -> int:
    """Cycles that pass from the begin of what may run until it can do something."""
    if row.color is not None and row.color in crowded:
        return 0
    match row.what:
        case HostCall() | Stray():
            return 0
        case Handler():
            return task_start_cycles("handler", machine)
        case task:
            return task_start_cycles(task.kind, machine)


def candidates(
    state: ClassState,
    network: Network,
    receiving: Mapping[int, NDArray[np.bool_]],
    order: Order,
    transfers: Sequence[Transfer],
) -> Candidates | None:
    """The next tasks of the PEs of a class that do nothing; None if there are none."""
    free = ~state.is_running
    if not free.any():
        return None
    rows = _rows(state, network, receiving)
    rows += _flushes(state, network, transfers)
    if not rows:
        return None
    rows.sort(key=lambda row: row.id)
    table = np.stack([row.since for row in rows])
    if not free.all():
        table[:, ~free] = NEVER
    begin = table.min(axis=0)
    begin = np.where(begin == NEVER, NEVER, np.maximum(begin, state.clock))
    urgent = np.stack([_urgent(state, network, row) for row in rows]) if state.urgent else None
    chosen = order.choose(state, [row.id for row in rows], table, begin, urgent)
    since = table[chosen, np.arange(state.count)]
    return Candidates(state, network, rows, chosen, since, begin, _is_alone(state, network))


def _is_alone(state: ClassState, network: Network) -> bool:
    """Whether there is but one task that could ever run."""
    tasks = len(state.host_calls) + len(state.tasks) + len(state.torn_down)
    tasks += len(state.program.empty_queue_handlers)
    tasks += sum(len(colors) for _, _, colors in _data_tasks(state, network))
    return tasks + len(network.routed_colors) == 1


def _data_tasks(
    state: ClassState, network: Network
) -> Iterator[tuple[core.TaskBinding, int | core.Lanes, list[int]]]:
    """Data tasks that are bound, to which color on each PE, and all these colors."""
    for task in state.data_tasks:
        bound = task.id if network.arch == "wse2" else state.queues.inputs.get(task.id)
        if isinstance(bound, np.ndarray):
            yield task, bound, np.unique(bound[bound >= 0]).tolist()
        elif bound is not None:
            yield task, bound, [bound]


def _rows(
    state: ClassState, network: Network, receiving: Mapping[int, NDArray[np.bool_]]
) -> list[Row]:
    """All that can run on some PE of a class, by id."""
    rows = [
        Row(HOST, call, np.where(call.is_pending, call.since, NEVER)) for call in state.host_calls
    ]
    is_active = (state.active != NEVER).any(axis=1)
    for number in np.flatnonzero(is_active):
        task = state.tasks[number]
        rows.append(Row(task.id, task, unblocked(state, task.id, state.active[number])))
    for task, bound, colors in _data_tasks(state, network):
        for color in colors:
            since = data_heads(state, network, task.id, color, bound, receiving)
            if since is not None:
                rows.append(Row(task.id, task, since, color))
    for color in sorted(network.routed_colors):
        rows += _control_rows(state, network, color, receiving)
    for color, torn in state.torn_down.items():
        handler = Handler(state.program.teardown_handlers[color], color)
        rows.append(Row(TEARDOWN_TASK, handler, unblocked(state, TEARDOWN_TASK, torn)))
    return rows


def _flushes(state: ClassState, network: Network, transfers: Sequence[Transfer]) -> list[Row]:
    """Handlers of output queues that were flushed and are empty.

    One that an operation in progress sends through counts as filled.
    """
    rows: list[Row] = []
    for queue, asked in state.queues.asked.items():
        here = np.flatnonzero(asked != NEVER)
        since = asked.copy()
        colors = state.queues.colors("fabout", queue, lanes_of(here, state.count))
        for color in np.unique(colors[colors >= 0]):
            chosen = here[colors == color]
            drained = network.drained(int(color), queue, state.pes[chosen])
            since[chosen] = np.maximum(since[chosen], drained)
        for transfer in transfers:
            if transfer.state is state and ("output", queue) in transfer.uses.queues:
                places = np.flatnonzero(transfer.done < transfer.total)
                since[transfer.lanes.at(places).index] = NEVER
        handler = Handler(state.program.empty_queue_handlers[queue], queue=queue)
        rows.append(Row(TEARDOWN_TASK, handler, unblocked(state, TEARDOWN_TASK, since)))
    return rows


def _urgent(state: ClassState, network: Network, row: Row) -> NDArray[np.bool_]:
    """On which PEs a task is chosen first: its id, or the color or queue its words come by."""
    nowhere = np.zeros(state.count, np.bool_)
    if row.color is None:
        return state.urgent.get(row.id, nowhere)
    if network.arch == "wse2":
        return state.urgent.get(row.color, nowhere)
    found = nowhere
    for queue, color in state.queues.inputs.items():
        found = found | ((np.asarray(color) == row.color) & state.urgent.get(queue, nowhere))
    return found


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
