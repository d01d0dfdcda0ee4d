"""One PE: its main thread, its microthreads, and what becomes of them in each cycle."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from waferc_runtime.builtins.scalar import Uniform
from waferc_runtime.builtins.timing import task_start_cycles
from waferc_runtime.choices import Choices
from waferc_runtime.observer import OperationEvent, TaskEvent
from waferc_runtime.reference.interpret import Interpreter, finish
from waferc_runtime.reference.microthreads import RANKS, check_free, microthread_of
from waferc_runtime.reference.operate import Operation, operate
from waferc_runtime.reference.state import State, span_of
from waferc_runtime.reference.tasks import HostCall, Picker, Start
from waferc_runtime.reference.thread import Steps, Thread, Wait, flattened


@dataclass(eq=False, slots=True)
class _Running:
    thread: Thread
    steps: Generator[Wait, None, None]


class Processor:
    """Runs the program of one PE."""

    def __init__(self, state: State, choices: Choices) -> None:
        self.state = state
        self.free_at = 0  # the cycle at which the main thread can take the next task
        self._picker = Picker(state, choices)
        self._main: _Running | None = None
        self._microthreads: list[_Running] = []  # in the order of their start

    def launch(self, call: HostCall) -> None:
        """Let the host start a function."""
        self._picker.launch(call)
        self.state.wake(call.since)

    @property
    def waiting(self) -> list[Thread]:
        """Threads that have work left."""
        main = [self._main.thread] if self._main else []
        return main + [running.thread for running in self._microthreads]

    def run(self) -> None:
        """Do everything that can be done at the wafer's cycle."""
        now = self.state.now
        for running in self._in_turn():
            if running is self._main:
                self._run_main(now)
            elif running.thread.may_run(now) and self._resume(running):
                self._microthreads.remove(running)
                self.state.microthreads.remove(running.thread)
        while True:
            if self._main is None and not self._next_task():
                return
            if not self._run_main(now):
                return

    def _in_turn(self) -> list[_Running]:
        """Threads in an operation, the more urgent first, then who was served longest ago.

        The main thread comes last anyway if each has a datapath for itself.
        """
        if not self.state.datapath.is_shared:
            return sorted(self._microthreads, key=lambda running: running.thread.rank)
        operating = list(self._microthreads)
        if self._main is not None and self._main.thread.is_operating:
            operating.append(self._main)
        operating.sort(key=lambda running: (running.thread.rank, running.thread.served))
        return operating

    def _run_main(self, now: int) -> bool:
        """Let the main thread go on; whether its task has ended."""
        running = self._main
        if running is None or not running.thread.may_run(now):
            return False
        thread = running.thread
        before = thread.clock - thread.waited
        is_done = self._resume(running)
        self.state.work.busy_cycles += thread.clock - thread.waited - before
        if is_done:
            self.free_at = thread.clock
            self.state.work.ended = max(self.state.work.ended, thread.clock)
            self._main = None
            self.state.wake(self.free_at)
        return is_done

    def _resume(self, running: _Running) -> bool:
        """Run a thread to its next wait; whether it has ended."""
        while True:
            try:
                running.thread.wait = next(running.steps)
            except StopIteration:
                return True
            except RecursionError as fault:
                raise self.state.error("statements are nested too deep", running.thread) from fault
            until = running.thread.wait.until
            if until is None:
                return False
            if until > self.state.now:
                self.state.wake(until)
                return False

    def _next_task(self) -> bool:
        now = self.state.now
        if now < self.free_at:
            return False
        picked = self._picker.next(now)
        if picked is None:
            return False
        start, values = picked
        switch = task_start_cycles(start.kind, self.state.machine)
        self.state.work.busy_cycles += switch
        self._start(start, values, now, now + switch)
        return True

    def _start(self, start: Start, values: list[Uniform], begin: int, cycle: int) -> None:
        function = start.function
        thread = Thread(function.name, cycle, place=function.at, wait=Wait(cycle))
        interpreter = Interpreter(self.state, thread, self._spawn)

        def steps() -> Steps[None]:
            yield Wait(cycle)
            yield from interpreter.call(function, values, begin=begin)
            x, y = self.state.x, self.state.y
            self.state.tell(TaskEvent(x, y, function.name, start.kind, begin, thread.clock))

        self._main = _Running(thread, flattened(steps()))
        self.state.wake(cycle)

    def _spawn(self, operation: Operation, issuer: Thread) -> None:
        number = microthread_of(self.state, operation)
        check_free(self.state, issuer, operation, number)
        thread = Thread(
            issuer.function,
            issuer.clock,
            number,
            operation.receives,
            operation.queues,
            operation.registers,
            operation.at,
            RANKS[operation.config.priority],
            operation.config.microthread is not None,
        )
        begin, count = thread.clock, operation.length(self.state)
        before = thread.account()

        def steps() -> Steps[None]:
            yield from operate(self.state, thread, operation, count)
            yield Wait(thread.clock)
            finish(self.state, thread, operation.config)
            self.state.received_until.update(dict.fromkeys(operation.receives, thread.clock))
            self.state.work.ended = max(self.state.work.ended, thread.clock)
            x, y, name = self.state.x, self.state.y, operation.op.name
            self.state.tell(OperationEvent(x, y, name, number, begin, thread.clock))
            observer, path = self.state.shared.observer, (thread.function, name)
            if observer is not None and observer.wants_spans:
                observer.span(span_of(self.state, thread, path, before, is_apart=True))

        self._microthreads.append(_Running(thread, flattened(steps())))
        self.state.microthreads.append(thread)
        self.state.wake(thread.clock)
