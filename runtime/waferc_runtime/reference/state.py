"""What one PE holds: memory, variables, registers, task bits, and counters of what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Machine
from waferc_runtime.builtins.printing import PrintBuffer
from waferc_runtime.builtins.random import Generators
from waferc_runtime.csl import core
from waferc_runtime.observer import Event, Observer, Span
from waferc_runtime.reference.datapath import Datapath
from waferc_runtime.reference.fabric import Fabric
from waferc_runtime.reference.fifo import Ring
from waferc_runtime.reference.memory import Block, Value
from waferc_runtime.reference.thread import Thread, WaferClock
from waferc_runtime.run_error import RunError

TEARDOWN_TASK = 29


@dataclass(eq=False, slots=True)
class Work:
    """Counts over the life of a PE. `ended` is the last cycle at which one of its threads was."""

    ended: int = 0
    busy_cycles: int = 0
    macs: int = 0
    flops: int = 0
    f16_flops: int = 0


@dataclass(eq=False, slots=True)
class Register:
    """What `@load_to_dsr` put into a DSR. `index` is the value of the config's index."""

    value: Value
    config: core.DsdConfig
    index: int
    save_address: bool
    single_step: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all PEs share. `wake(pe, cycle)` asks that a PE is run at a cycle."""

    arch: Literal["wse2", "wse3"]
    machine: Machine
    fabric: Fabric
    wafer: WaferClock
    wake: Callable[[int, int], None]
    observer: Observer | None
    max_cycles: int | None = None


@dataclass(eq=False, slots=True)
class State:
    """One PE. `lane` is its place in its class; `index` its number on the wafer, row by row.

    `active`, `unblocked_at` are by task, the cycles since which it is active and not blocked;
    `received_until` by color, when the last operation on a microthread that received it ended;
    `torn_down` are colors whose handler is still to run, `flushing` output queues whose handler
    is to run when they are empty, with the cycle at which that was asked for, `flushed` those
    whose flush the program has not left. Tasks in `urgent` are chosen first.
    """

    index: int
    lane: int
    x: int
    y: int
    program: core.PEClass
    shared: Surroundings
    input_queues: dict[int, int]  # color: queue
    output_colors: dict[int, int]  # queue: color
    datapath: Datapath
    blocks: dict[core.MemoryObject, Block] = field(default_factory=lambda: {})
    rings: dict[core.Fifo, Ring] = field(default_factory=lambda: {})
    slots: dict[core.Slot, Value] = field(default_factory=lambda: {})
    registers: dict[str, Register] = field(default_factory=lambda: {})
    active: dict[int, int] = field(default_factory=lambda: {})
    blocked: set[int] = field(default_factory=lambda: set())
    unblocked_at: dict[int, int] = field(default_factory=lambda: {})
    received_until: dict[int, int] = field(default_factory=lambda: {})
    blocked_microthreads: set[int] = field(default_factory=lambda: set())
    torn_down: dict[int, int] = field(default_factory=lambda: {})
    flushing: dict[int, int] = field(default_factory=lambda: {})
    flushed: set[int] = field(default_factory=lambda: set())
    urgent: set[int] = field(default_factory=lambda: set())
    kept_registers: dict[int, int] = field(default_factory=lambda: {})
    printed: PrintBuffer = field(default_factory=PrintBuffer)
    microthreads: list[Thread] = field(default_factory=lambda: [])
    work: Work = field(default_factory=Work)
    holds_commands: bool = False
    timestamp_zero: int = 0
    generators: Generators = field(default_factory=lambda: Generators(1))

    def __post_init__(self) -> None:
        self.blocks = {item: Block.of(item, self.lane) for item in self.program.objects}
        self.rings = {item: Ring(item, self.blocks[item.buffer]) for item in self.program.fifos}
        self.active = dict.fromkeys(self.program.activated, 0)
        self.blocked = set(self.program.blocked)
        self.urgent = set(self.program.high_priority)

    @property
    def name(self) -> str:
        """`PE (x, y)`."""
        return f"PE ({self.x}, {self.y})"

    @property
    def machine(self) -> Machine:
        return self.shared.machine

    @property
    def fabric(self) -> Fabric:
        return self.shared.fabric

    @property
    def now(self) -> int:
        """The wafer's cycle."""
        return self.shared.wafer.now

    def wake(self, cycle: int) -> None:
        """Ask to be run at a cycle."""
        self.shared.wake(self.index, cycle)

    def tell(self, event: Event) -> None:
        """Tell whoever watches."""
        observer = self.shared.observer
        if observer is not None and observer.wants_events:
            observer.event(event)

    # ---- tasks -----------------------------------------------------------------------------------

    def activate(self, task: int, cycle: int, thread: Thread) -> None:
        """Set a task's active bit; a task that is active already stays as it is.

        Raises:
            RunError: no local task has this id.
        """
        if not any(item.kind == "local" and item.id == task for item in self.program.tasks):
            raise self.error(f"task {task} is activated, which is bound to no function", thread)
        self.active.setdefault(task, cycle)

    def unblock(self, task: int, cycle: int) -> None:
        """Clear a task's blocked bit."""
        if task in self.blocked:
            self.blocked.discard(task)
            self.unblocked_at[task] = cycle

    def tear_down(self, color: int, cycle: int) -> None:
        """Let the handler of a color run, and the teardown task if the program has one."""
        if color in self.program.teardown_handlers:
            self.torn_down.setdefault(color, cycle)
        if any(item.kind == "local" and item.id == TEARDOWN_TASK for item in self.program.tasks):
            self.active.setdefault(TEARDOWN_TASK, cycle)
        self.wake(cycle)

    def error(self, message: str, thread: Thread, at: Location | None = None) -> RunError:
        """A RunError that names this PE, the function and the cycle."""
        return RunError(
            f"{message} on {self.name}",
            at or thread.place,
            notes=[f"in {thread.function}, at cycle {thread.clock:,}"],
        )


def span_of(
    state: State,
    thread: Thread,
    path: tuple[str, ...],
    before: tuple[int, int, int, int],
    *,
    is_apart: bool = False,
) -> Span:
    """What went on since a thread's account was `before`, for those who want spans."""
    lane = slice(state.lane, state.lane + 1)
    begin, *spent = np.asarray([before]).T
    end, *total = np.asarray([thread.account()]).T
    counts = [now - then for now, then in zip(total, spent, strict=True)]
    place = state.program.x[lane], state.program.y[lane]
    return Span(state.program, path, *place, begin, end, *counts, is_apart=is_apart)
