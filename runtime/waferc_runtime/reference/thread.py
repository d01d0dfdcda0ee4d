"""Threads of control in a PE: the main thread and the microthreads.

A thread is a Python generator that yields a `Wait` wherever it has to let time pass or others
act. Its `clock` is the cycle up to which it has worked; it may run ahead of the wafer's clock
as long as nothing it does can be seen by others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from waferc_ir.diagnostics import Location

T = TypeVar("T")

MAIN_RANK = 2  # of the main thread: behind operations of high and medium priority (csl.md 7.3)


@dataclass(slots=True)
class WaferClock:
    """The cycle at which the whole wafer is."""

    now: int = 0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What an operation waits for: words of a color, room to send them, a FIFO, a permission.

    `what` is the color, the FIFO's name or the number of the blocked microthread; `total` is None
    where the operation never ends by itself.
    """

    kind: Literal["receive", "send", "pop", "push", "blocked"]
    what: int | str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on at cycle `until`, or, when that is None, as soon as the obstacle is gone.

    While `is_hopeless` says so it need not be looked whether it is.
    """

    until: int | None
    obstacle: Obstacle | None = None
    is_hopeless: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """Run other steps to their end first; their result is what the yield gives."""

    steps: Steps[Any]


Steps = Generator[Wait | Enter, Any, T]


def flattened(steps: Steps[T]) -> Generator[Wait, None, T]:
    """Run steps with those that they enter on a stack of our own.

    So calls in the program nest as deep as memory allows, and going on after a wait costs the
    same at any depth.
    """
    stack: list[Steps[Any]] = [steps]
    result: Any = None
    while True:
        try:
            item = stack[-1].send(result)
        except StopIteration as end:
            stack.pop()
            result = end.value
            if not stack:
                return result
            continue
        result = None
        if isinstance(item, Enter):
            stack.append(item.steps)
        else:
            yield item


@dataclass(eq=False, slots=True)
class Thread:
    """A thread with its clock and what it waits for.

    `place` and `function` say where in the program it is; `waited` counts cycles that fabric
    operations spent waiting; `microthread` is None for the main thread. `receives` are the colors
    that its operation takes words of, `queues` the queues ("in 2", "out 3") and `registers` the
    DSRs ("dest 1") that it uses. Of threads that could use the datapath in one cycle one of least
    `rank` does, of those the one that was `served` longest ago; `is_operating`: it is in a DSD
    operation. `names_microthread`: the program says which microthread it is. `moving`
    and `conflicts` count cycles of work in which words moved, or operations waited for banks.
    """

    function: str
    clock: int
    microthread: int | None = None
    receives: frozenset[int] = frozenset()
    queues: frozenset[str] = frozenset()
    registers: frozenset[str] = frozenset()
    place: Location | None = None
    rank: int = MAIN_RANK
    names_microthread: bool = False
    served: int = -1
    is_operating: bool = False
    waited: int = 0
    moving: int = 0
    conflicts: int = 0
    wait: Wait = field(default_factory=lambda: Wait(0))

    def account(self) -> tuple[int, int, int, int]:
        """The clock, cycles of work so far, and those of them that moved words or met conflicts."""
        return self.clock, self.clock - self.waited, self.moving, self.conflicts

    def may_run(self, now: int) -> bool:
        """Whether it is time to look again."""
        wait = self.wait
        if wait.until is not None:
            return wait.until <= now
        return wait.is_hopeless is None or not wait.is_hopeless()
