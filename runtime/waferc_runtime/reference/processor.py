"""One PE: its main thread, its microthreads, and the choice of the next task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from waferc_runtime.builtins.scalar import Uniform, bitcast
from waferc_runtime.builtins.timing import task_start_cycles
from waferc_runtime.csl import core
from waferc_runtime.reference.evaluate import scalar_type
from waferc_runtime.reference.interpret import Interpreter, finish
from waferc_runtime.reference.operate import Operation, operate
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Steps, Thread, Wait


@dataclass(eq=False, slots=True)
class _Running:
    thread: Thread
    steps: Steps[None]


class Processor:
    """Runs the program of one PE. `wake(cycle)` asks to be run again at a cycle."""

    def __init__(self, state: State, wake: Callable[[int], None]) -> None:
        self.state = state
        self.free_at = 0  # the cycle at which the main thread can take the next task
        self._wake = wake
        self._main: _Running | None = None
        self._microthreads: list[_Running] = []
        self._host_calls: list[tuple[core.Function, Sequence[Uniform], int]] = []

    def launch(self, function: core.Function, arguments: Sequence[Uniform], cycle: int) -> None:
        """Let the host start `function` at `cycle`."""
        self._host_calls.append((function, arguments, cycle))
        self._wake(cycle)

    @property
    def waiting(self) -> list[Thread]:
        """Threads that have work left."""
        main = [self._main.thread] if self._main else []
        return main + [running.thread for running in self._microthreads]

    def run(self) -> None:
        """Do everything that can be done at the wafer's cycle."""
        for running in list(self._microthreads):
            if running.thread.may_run(self.state.wafer.now) and self._resume(running):
                self._microthreads.remove(running)
                self.state.microthreads.remove(running.thread)
        while True:
            if self._main is None and not self._next_task():
                return
            assert self._main is not None
            if not self._main.thread.may_run(self.state.wafer.now):
                return
            thread = self._main.thread
            before = thread.clock
            is_done = self._resume(self._main)
            self.state.work.busy_cycles += thread.clock - before - thread.waited
            thread.waited = 0
            if not is_done:
                return
            self.free_at = thread.clock
            self.state.work.ended = max(self.state.work.ended, thread.clock)
            self._main = None
            self._wake(self.free_at)

    def _resume(self, running: _Running) -> bool:
        """Run a thread to its next wait; whether it has ended."""
        while True:
            try:
                running.thread.wait = next(running.steps)
            except StopIteration:
                return True
            except RecursionError as fault:
                raise self.state.error(
                    "calls and statements are nested too deep", running.thread
                ) from fault
            until = running.thread.wait.until
            if until is None:
                return False
            if until > self.state.wafer.now:
                self._wake(until)
                return False

    # ---- tasks -----------------------------------------------------------------------------------

    def _next_task(self) -> bool:
        """Start the runnable task that was ready first; of several, that with the lowest id."""
        now = self.state.wafer.now
        if now < self.free_at:
            return False
        if self._host_calls and self._host_calls[0][2] <= now:
            function, arguments, _ = self._host_calls.pop(0)
            self._start(function, arguments, now)
            return True
        ready: list[tuple[int, int, core.TaskBinding]] = []
        for task in self.state.program.tasks:
            since = self._ready_since(task)
            if since is not None and task.id not in self.state.blocked and since <= now:
                ready.append((since, task.id, task))
        if not ready:
            return False
        _, number, task = min(ready, key=lambda item: item[:2])
        values: list[Uniform] = []
        if task.kind == "data":
            color = self._color(task)
            assert color is not None
            bits = self.state.fabric.take(self.state.index, color, now)
            values = _split(bits, task.function.parameters)
        else:
            del self.state.active[number]
        switch = task_start_cycles(task.kind, self.state.machine)
        self.state.work.busy_cycles += switch
        self._start(task.function, values, now + switch)
        return True

    def _ready_since(self, task: core.TaskBinding) -> int | None:
        if task.kind != "data":
            return self.state.active.get(task.id)
        color = self._color(task)
        if color is None or self._is_taken(color):
            return None
        return self.state.fabric.arrival(self.state.index, color, 1)

    def _color(self, task: core.TaskBinding) -> int | None:
        if self.state.arch == "wse2":
            return task.id
        bound = [color for color, queue in self.state.input_queues.items() if queue == task.id]
        return bound[0] if bound else None

    def _is_taken(self, color: int) -> bool:
        """Whether an operation in progress receives the color."""
        return any(color in thread.receives for thread in self.state.microthreads)

    def _start(self, function: core.Function, values: Sequence[Uniform], cycle: int) -> None:
        thread = Thread(function.name, cycle, place=function.at, wait=Wait(cycle))
        interpreter = Interpreter(self.state, thread, self._spawn)

        def steps() -> Steps[None]:
            yield Wait(cycle)
            yield from interpreter.call(function, values)

        self._main = _Running(thread, steps())
        self._wake(cycle)

    def _spawn(self, operation: Operation, config: core.DsdConfig, issuer: Thread) -> None:
        number = self._microthread(operation, config)
        if any(running.thread.microthread == number for running in self._microthreads):
            raise self.state.error(
                f"{operation.op.name} starts on microthread {number}, which is still at work,",
                issuer,
                operation.at,
            )
        receives = frozenset(dsd.color for dsd in operation.fabric if dsd.is_input)
        thread = Thread(issuer.function, issuer.clock, number, receives, operation.at)

        def steps() -> Steps[None]:
            yield from operate(self.state, thread, operation)
            yield Wait(thread.clock)
            finish(self.state, config, thread.clock)
            self.state.work.ended = max(self.state.work.ended, thread.clock)

        running = _Running(thread, steps())
        self._microthreads.append(running)
        self.state.microthreads.append(thread)
        self._wake(thread.clock)

    def _microthread(self, operation: Operation, config: core.DsdConfig) -> int:
        """wse2: the output queue, else the first input queue; wse3: as configured, else a queue."""
        if config.microthread is not None:
            return config.microthread
        inputs = [dsd for dsd in operation.fabric if dsd.is_input]
        outputs = [dsd for dsd in operation.fabric if not dsd.is_input]
        first = (outputs or inputs)[0]
        if first.queue is not None:
            return first.queue
        queue = self.state.input_queues.get(first.color) if first.is_input else None
        return -1 - first.color if queue is None else queue


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


def _typed(bits: int, source: core.Scalar, target: core.Scalar) -> Uniform:
    value = bitcast(bits, source, target)
    assert not isinstance(value, np.ndarray)
    return value
