"""Words that the host waits for: receives that were asked for and are not complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from waferc_runtime.host.elements import Words
from waferc_runtime.host.engines import Engine
from waferc_runtime.host.errors import HostError


@dataclass(eq=False, slots=True)
class Task:
    """A command of the host."""

    is_done: bool = False

    @staticmethod
    def known(task: object) -> Task:
        """The command. Raises HostError if it is none."""
        if not isinstance(task, Task):
            raise HostError(f"{task!r} is no task: commands with nonblock=True give one")
        return task

    @classmethod
    def done(cls) -> Self:
        """A command that is over."""
        return cls(True)


@dataclass(frozen=True, slots=True)
class _Receive:
    """The next `count` words per PE of `rectangle` (x, y, w, h), for `deliver` as [h, w, n]."""

    color: int
    rectangle: tuple[int, int, int, int]
    count: int
    deliver: Callable[[Words], None]
    task: Task


@dataclass(slots=True)
class Receipts:
    """Receives in the order they were asked for; those of one color are completed in order."""

    _waiting: list[_Receive] = field(default_factory=lambda: [])

    def add(
        self,
        color: int,
        rectangle: tuple[int, int, int, int],
        count: int,
        deliver: Callable[[Words], None],
    ) -> Task:
        """Ask for words."""
        task = Task()
        self._waiting.append(_Receive(color, rectangle, count, deliver, task))
        return task

    def complete_ready(self, engine: Engine) -> None:
        """Complete the receives whose words have all come."""
        held: set[int] = set()
        for one in list(self._waiting):
            if one.color in held:
                continue
            if (engine.received(one.color, *one.rectangle) >= one.count).all():
                self._complete(engine, one)
            else:
                held.add(one.color)

    def complete(self, engine: Engine, task: Task) -> None:
        """Complete the receive of a task, and those of its color before it.

        Raises:
            RunError: not all words come.
        """
        mine = next((one for one in self._waiting if one.task is task), None)
        if mine is None:
            return
        for one in list(self._waiting):
            if one.color == mine.color and not mine.task.is_done:
                self._complete(engine, one)

    def complete_all(self, engine: Engine) -> None:
        """Complete all receives. Raises RunError if not all words come."""
        for one in list(self._waiting):
            self._complete(engine, one)

    def _complete(self, engine: Engine, one: _Receive) -> None:
        one.deliver(engine.receive(one.color, *one.rectangle, one.count))
        one.task.is_done = True
        self._waiting.remove(one)
