"""Which task a PE runs next: what could run, and the choice among it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from waferc_runtime.builtins.control_wavelet import argument, entrypoint
from waferc_runtime.builtins.scalar import Uniform, bitcast
from waferc_runtime.choices import Choices
from waferc_runtime.csl import core
from waferc_runtime.reference.evaluate import scalar_type
from waferc_runtime.reference.state import TEARDOWN_TASK, State

HOST = -1  # stands for an id where the host calls a function


@dataclass(frozen=True, slots=True)
class HostCall:
    """A function that the host launched, and the cycle from which it can begin."""

    function: core.Function
    arguments: tuple[Uniform, ...]
    since: int


@dataclass(frozen=True, slots=True)
class Start:
    """A task that could run since a cycle; `color` and `queue` are what it is about, if it is.

    `channel` is the task id whose priority it has.
    """

    since: int
    id: int
    kind: Literal["local", "data", "control", "host", "handler"]
    function: core.Function
    channel: int
    color: int = -1
    queue: int = -1


class Picker:
    """Chooses the next task of one PE."""

    def __init__(self, state: State, choices: Choices) -> None:
        self._state = state
        self._order = choices.task_order
        self._random = np.random.default_rng([choices.seed, state.index])
        self._last = HOST
        self._host_calls: list[HostCall] = []

    def launch(self, call: HostCall) -> None:
        """Let the host call a function as soon as nothing else goes first."""
        self._host_calls.append(call)

    def next(self, now: int) -> tuple[Start, list[Uniform]] | None:
        """Take the task that runs at `now`, with its arguments; None if there is none."""
        found = [start for start in self._all(now) if start.since <= now]
        if not found:
            return None
        urgent = [start for start in found if start.channel in self._state.urgent]
        chosen = self._chosen(sorted(urgent or found, key=lambda start: (start.id, start.since)))
        self._last = chosen.id
        return chosen, self._begin(chosen, now)

    def _chosen(self, found: Sequence[Start]) -> Start:
        match self._order:
            case "arrival":
                return min(found, key=lambda start: (start.since, start.id))
            case "lowest_id":
                return found[0]
            case "round_robin":
                return next((start for start in found if start.id > self._last), found[0])
            case _:
                return found[int(self._random.integers(len(found)))]

    def _begin(self, start: Start, now: int) -> list[Uniform]:
        """Do what the start of a task does to what it waited for; its arguments."""
        state = self._state
        match start.kind:
            case "host":
                return list(self._host_calls.pop(0).arguments)
            case "local":
                del state.active[start.id]
                return []
            case "handler":
                state.torn_down.pop(start.color, None)
                if state.flushing.pop(start.queue, None) is not None:
                    state.flushed.add(start.queue)
                return []
            case "data":
                wavelet = state.fabric.take(state.index, start.color, now)
                return _split(wavelet.bits, start.function.parameters)
            case "control":
                wavelet = state.fabric.take(state.index, start.color, now)
                values = (argument(wavelet.bits), entrypoint(wavelet.bits))
                return _typed_all(values, start.function.parameters)

    # ---- what could run --------------------------------------------------------------------------

    def _all(self, now: int) -> list[Start]:
        state = self._state
        found: list[Start] = []
        if self._host_calls:
            call = self._host_calls[0]
            found.append(Start(call.since, HOST, "host", call.function, HOST))
        for task in state.program.tasks:
            if task.kind == "local" and task.id in state.active and task.id not in state.blocked:
                since = max(state.active[task.id], state.unblocked_at.get(task.id, 0))
                found.append(Start(since, task.id, "local", task.function, task.id))
        if TEARDOWN_TASK not in state.blocked:
            found += self._handlers()
        for color in state.fabric.colors(state.index):
            start = self._of_color(color, now)
            if start is not None:
                found.append(start)
        return found

    def _handlers(self) -> list[Start]:
        state = self._state
        program = state.program
        task: tuple[int, Literal["handler"]] = TEARDOWN_TASK, "handler"
        found = [
            Start(since, *task, program.teardown_handlers[color], TEARDOWN_TASK, color)
            for color, since in state.torn_down.items()
        ]
        for queue, asked in state.flushing.items():
            drained = state.fabric.drained_at(state.index, queue)
            if drained is not None:
                since, handler = max(asked, drained), program.empty_queue_handlers[queue]
                found.append(Start(since, *task, handler, TEARDOWN_TASK, queue=queue))
        return found

    def _of_color(self, color: int, now: int) -> Start | None:
        """The task that the first wavelet of a color is for."""
        state = self._state
        channel = color if state.shared.arch == "wse2" else state.input_queues.get(color)
        if channel is None or channel in state.blocked or self._is_taken(color):
            return None
        while True:
            arrival = state.fabric.arrival(state.index, color, 1)
            head = state.fabric.head(state.index, color)
            if head is None or arrival is None:
                return None
            free = state.received_until.get(color, 0)  # before, an operation took its words
            since = max(arrival, state.unblocked_at.get(channel, 0), free)
            kind: Literal["data", "control"] = "control" if head.is_control else "data"
            number = entrypoint(head.bits) if head.is_control else channel
            for task in state.program.tasks:
                if task.kind == kind and task.id == number:
                    return Start(since, number, kind, task.function, channel, color)
            if not head.is_control or arrival > now:
                return None
            # a control wavelet that nothing waits for is gone
            state.fabric.take(state.index, color, now)

    def _is_taken(self, color: int) -> bool:
        """Whether an operation in progress receives the color."""
        return any(color in thread.receives for thread in self._state.microthreads)


def _split(bits: int, parameters: Sequence[core.Local]) -> list[Uniform]:
    """The arguments of a data task: the whole wavelet, or its low and high half."""
    values: list[Uniform] = []
    for place, parameter in enumerate(parameters):
        kind = scalar_type(parameter.type)
        if kind.bits == 32:
            values.append(_typed(bits, core.Scalar.U32, kind))
        else:
            half = (bits >> (16 * place)) & 0xFFFF
            values.append(_typed(half, core.Scalar.U16, kind))
    return values


def _typed_all(values: Sequence[int], parameters: Sequence[core.Local]) -> list[Uniform]:
    """The arguments of a control task, of 16 bits each, as many as it takes."""
    typed: list[Uniform] = []
    for value, parameter in zip(values, parameters, strict=False):
        kind = scalar_type(parameter.type)
        source = core.Scalar.U16 if kind.bits == 16 else core.Scalar.U32
        typed.append(_typed(value, source, kind))
    return typed


def _typed(bits: int, source: core.Scalar, target: core.Scalar) -> Uniform:
    value = bitcast(bits, source, target)
    assert not isinstance(value, np.ndarray)
    return value
