"""Threads of control in a PE: the main thread and the microthreads.

A thread is a Python generator that yields a `Wait` wherever it has to let time pass or others
act. Its `clock` is the cycle up to which it has worked; it may run ahead of the wafer's clock
as long as nothing it does can be seen by others.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

from waferc_ir.diagnostics import Location

T = TypeVar("T")


@dataclass(slots=True)
class WaferClock:
    """The cycle at which the whole wafer is."""

    now: int = 0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What a fabric operation waits for: words of `color`, or room to send them."""

    color: int
    is_input: bool
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on at cycle `until`, or, when that is None, as soon as the obstacle is gone."""

    until: int | None
    obstacle: Obstacle | None = None


Steps = Generator[Wait, None, T]


@dataclass(eq=False, slots=True)
class Thread:
    """A thread with its clock and what it waits for.

    `place` and `function` say where in the program it is; `waited` counts cycles that fabric
    operations spent waiting; `microthread` is None for the main thread, and `receives` are the
    colors that a microthread takes words of.
    """

    function: str
    clock: int
    microthread: int | None = None
    receives: frozenset[int] = frozenset()
    place: Location | None = None
    waited: int = 0
    wait: Wait = field(default_factory=lambda: Wait(0))

    def may_run(self, now: int) -> bool:
        """Whether it is time to look again."""
        return self.wait.until is None or self.wait.until <= now
