"""What one PE holds: memory, variables, task bits, and counters of what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Machine
from waferc_runtime.csl import core
from waferc_runtime.reference.fabric import Fabric
from waferc_runtime.reference.memory import Block, Value
from waferc_runtime.reference.thread import Thread, WaferClock
from waferc_runtime.run_error import RunError


@dataclass(eq=False, slots=True)
class Work:
    """Counts over the life of a PE. `ended` is the last cycle at which one of its threads was."""

    ended: int = 0
    busy_cycles: int = 0
    macs: int = 0
    flops: int = 0


@dataclass(eq=False, slots=True)
class State:
    """One PE. `lane` is its place in its class; `index` its number on the wafer, row by row."""

    index: int
    lane: int
    x: int
    y: int
    program: core.PEClass
    arch: Literal["wse2", "wse3"]
    machine: Machine
    fabric: Fabric
    wafer: WaferClock
    input_queues: Mapping[int, int]  # color: queue
    output_colors: Mapping[int, int]  # queue: color
    blocks: dict[core.MemoryObject, Block] = field(default_factory=lambda: {})
    slots: dict[core.Slot, Value] = field(default_factory=lambda: {})
    active: dict[int, int] = field(default_factory=lambda: {})  # task: cycle of activation
    blocked: set[int] = field(default_factory=lambda: set())
    microthreads: list[Thread] = field(default_factory=lambda: [])
    work: Work = field(default_factory=Work)
    has_unblocked_commands: bool = False

    def __post_init__(self) -> None:
        self.blocks = {item: Block.of(item, self.lane) for item in self.program.objects}
        self.active = dict.fromkeys(self.program.activated, 0)
        self.blocked = set(self.program.blocked)

    @property
    def name(self) -> str:
        """`PE (x, y)`."""
        return f"PE ({self.x}, {self.y})"

    def activate(self, task: int, cycle: int) -> None:
        """Set a task's active bit; a task that is active already stays as it is."""
        self.active.setdefault(task, cycle)

    def error(self, message: str, thread: Thread, at: Location | None = None) -> RunError:
        """A RunError that names this PE, the function and the cycle."""
        return RunError(
            f"{message} on {self.name}",
            at or thread.place,
            notes=[f"in {thread.function}, at cycle {thread.clock:,}"],
        )
