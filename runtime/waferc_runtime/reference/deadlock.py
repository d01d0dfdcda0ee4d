"""The report on a wafer at rest where something still waits: who waits for whom."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_runtime.reference.fabric import Fabric
from waferc_runtime.reference.processor import Processor
from waferc_runtime.reference.routers import DIRECTION_NAMES
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Obstacle, Thread
from waferc_runtime.run_error import RunError, pe_name

_MOST_NAMED = 6


class Report:
    """What waits on a wafer at rest."""

    def __init__(
        self, processors: Sequence[Processor], fabric: Fabric, host_inputs: frozenset[int]
    ) -> None:
        self._fabric = fabric
        self._host_inputs = host_inputs
        self._processors = {pe.state.index: pe for pe in processors}
        self._stuck = [(pe, thread) for pe in processors for thread in pe.waiting]

    def deadlock(self) -> RunError | None:
        """The error if any thread still waits; None if all have ended."""
        if not self._stuck:
            return None
        first_pe, first = self._stuck[0]
        waiting = len({pe.state.index for pe, _ in self._stuck})
        plural = "PE still waits" if waiting == 1 else "PEs still wait"
        return RunError(
            f"the wafer is at rest, but {waiting:,} {plural}{self._colors()},"
            f" first {first_pe.state.name}",
            first.place,
            notes=self.lines(),
        )

    def held_commands(self, held: Sequence[State]) -> RunError:
        """The error if PEs have not called `unblock_cmd_stream`."""
        plural = "PE has" if len(held) == 1 else "PEs have"
        return RunError(
            f"the wafer is at rest, but {len(held):,} {plural} not called unblock_cmd_stream"
            f" since the last launch, first {held[0].name}",
            notes=self.lines(),
            help="the host's next command waits until every PE calls it",
        )

    def missing(self, color: int, x: int, y: int, wanted: int, sent: int) -> RunError:
        """The error if the host waits for words that do not come."""
        return RunError(
            f"the wafer is at rest, but the host still waits for {wanted:,} wavelets of color"
            f" {color} from {pe_name(x, y)}, which sent {sent:,}",
            notes=self.lines(),
        )

    def lines(self) -> list[str]:
        """Who waits for whom, and what lies in routers that do not let it through."""
        lines = [self._line(pe, thread) for pe, thread in self._stuck]
        lines += self._held_words()
        lines += self._blocked_tasks()
        notes = lines[:_MOST_NAMED]
        if len(lines) > _MOST_NAMED:
            notes.append(f"and {len(lines) - _MOST_NAMED:,} more")
        return notes

    def _colors(self) -> str:
        """` on color 1, 2`, of the operations that wait for the fabric."""
        obstacles = [thread.wait.obstacle for _, thread in self._stuck]
        colors = {
            obstacle.what
            for obstacle in obstacles
            if obstacle is not None and obstacle.kind in ("receive", "send")
        }
        names = ", ".join(map(str, sorted(colors, key=int)))
        return f" on color {names}" if names else ""

    # ---- threads ---------------------------------------------------------------------------------

    def _line(self, pe: Processor, thread: Thread) -> str:
        obstacle = thread.wait.obstacle
        who = f"{pe.state.name} in {thread.function}, since cycle {thread.clock:,}"
        if obstacle is None:
            return who
        total = "endless" if obstacle.total is None else f"{obstacle.total:,}"
        progress = f"{obstacle.done:,} of {total} done"
        match obstacle.kind:
            case "receive":
                partner = self._sender(pe.state.index, obstacle)
                return f"{who}: for color {obstacle.what} ({progress}), {partner}"
            case "send":
                partner = self._receivers(pe.state.index, obstacle)
                return f"{who}: to send color {obstacle.what} ({progress}), {partner}"
            case "pop":
                return f"{who}: for FIFO {obstacle.what} ({progress}), which is empty"
            case "push":
                return f"{who}: for room in FIFO {obstacle.what} ({progress}), which is full"
            case "blocked":
                return f"{who}: until microthread {obstacle.what} is unblocked ({progress})"

    def _sender(self, pe: int, obstacle: Obstacle) -> str:
        color = int(obstacle.what)
        if color in self._host_inputs:
            return "which the host does not send"
        source = self._fabric.routers.source(pe, color)
        if source is None:
            return "which no route brings there"
        other = self._processors.get(source)
        if other is None:
            return f"which {self._name(source)} does not send: it has no program"
        busy = other.waiting
        if not busy:
            return f"which {other.state.name} does not send any more"
        return f"which {other.state.name} sends, itself waiting in {busy[0].function}"

    def _receivers(self, pe: int, obstacle: Obstacle) -> str:
        color = int(obstacle.what)
        full = [
            index
            for index in self._fabric.routers.destinations(pe, color)
            if not self._fabric.input(index, color).has_space
        ]
        if not full:
            return "which no PE takes"
        names = ", ".join(self._name(index) for index in full[:3])
        return f"whose queue is full on {names}"

    # ---- what lies still -------------------------------------------------------------------------

    def _held_words(self) -> list[str]:
        """Words that a router does not let through, because of its state."""
        lines: list[str] = []
        for pe, color, origin, count in self._fabric.waiting_in_routers():
            router = self._fabric.routers.at(pe, color)
            if router.is_torn_down:
                why = "which is torn down there"
            elif not router.rx & origin:
                position = f" at position {router.position}" if router.has_positions else ""
                why = f"which the router does not accept{position}"
            else:
                continue
            plural = "wavelet lies" if count == 1 else "wavelets lie"
            name = DIRECTION_NAMES[origin]
            lines.append(
                f"{count:,} {plural} in the router of {self._name(pe)},"
                f" from the {name} on color {color}, {why}"
            )
        return lines

    def _blocked_tasks(self) -> list[str]:
        """Tasks that are active and blocked."""
        lines: list[str] = []
        for pe in self._processors.values():
            names = [
                task.function.name
                for task in pe.state.program.tasks
                if task.id in pe.state.active and task.id in pe.state.blocked
            ]
            if names:
                lines.append(f"{pe.state.name} has blocked active tasks: {', '.join(names)}")
        return lines

    def _name(self, pe: int) -> str:
        return pe_name(*reversed(divmod(pe, self._fabric.routers.width)))
