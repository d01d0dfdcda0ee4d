"""What an observer is told of functions, tasks, asynchronous operations and printed lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.printing import PrintBuffer, show
from waferc_runtime.csl.core import PEClass, Scalar, Shown
from waferc_runtime.observer import Observer, OperationEvent, PrintEvent, Span, TaskEvent
from waferc_runtime.vector.group import Frame, Group
from waferc_runtime.vector.lanes import Indices, Lanes, is_array
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.transfer import Transfer
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import RunValue


class Watch:
    """Tells an observer, if there is one."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer if observer is not None and observer.wants_events else None
        self._spans = observer  # which may want them at times only
        self._buffers: dict[tuple[int, int], PrintBuffer] = {}  # by PE

    @property
    def is_on(self) -> bool:
        """Whether somebody wants events."""
        return self._observer is not None

    def account(
        self, begin: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | tuple[None, None]:
        """What PEs whose task begins have spent [2, pe], and their account [4, pe], if wanted."""
        if self._spans is None or not self._spans.wants_spans:
            return None, None
        zeros = np.zeros((4, len(begin)), np.int64)
        zeros[0] = begin
        return zeros[2:].copy(), zeros

    def left(self, group: Group, frame: Frame) -> None:
        """The group's PEs have left the function of `frame`."""
        now = group.account()
        if self._spans is None or frame.entry is None or now is None:
            return
        program: PEClass = group.state.program
        index = group.lanes.index
        busy, moving, conflicts = now[1:] - frame.entry[1:]
        path = (*(outer.code.name for outer in group.frames), frame.code.name)
        place = program.x[index], program.y[index]
        times = frame.entry[0], now[0]
        self._spans.span(Span(program, path, *place, *times, busy, moving, conflicts))

    def apart(self, transfer: Transfer, places: Indices, setup: int) -> None:
        """An asynchronous operation has ended on some of its PEs; `setup` cycles are before it."""
        if self._spans is None or not self._spans.wants_spans:
            return
        words = -(-transfer.done[places] // transfer.step)
        moving = setup + words * transfer.pace
        begin, end = transfer.begun[places] - setup, transfer.next[places]
        path = transfer.function, transfer.name
        lanes = transfer.lanes.at(places)
        self._apart(transfer.state, lanes, path, (begin, end), (moving, moving, 0 * moving))

    def apart_in_memory(
        self, group: Group, name: str, end: NDArray[np.int64], conflicts: int | NDArray[np.int64]
    ) -> None:
        """An asynchronous operation in memory was done, and ends at `end` [pe]."""
        if self._spans is None or group.spent is None:
            return
        busy = end - group.clock
        counts = busy, 0 * busy, 0 * busy + conflicts
        path = group.frames[-1].code.name, name
        self._apart(group.state, group.lanes, path, (group.clock, end), counts)

    def _apart(
        self,
        state: ClassState,
        lanes: Lanes,
        path: tuple[str, str],
        times: tuple[NDArray[np.int64], NDArray[np.int64]],
        counts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        assert self._spans is not None
        program = state.program
        place = program.x[lanes.index], program.y[lanes.index]
        self._spans.span(Span(program, path, *place, *times, *counts, is_apart=True))

    def task(self, group: Group) -> None:
        """The group's task has ended."""
        if self._observer is None or group.task is None:
            return
        task = group.task
        times = zip(group.lanes.indices(), task.begin, group.clock, strict=True)
        for lane, begin, end in times:
            x, y = group.state.where(int(lane))
            self._observer.event(TaskEvent(x, y, task.name, task.kind, int(begin), int(end)))

    def operation(self, transfer: Transfer, places: Indices) -> None:
        """An asynchronous operation has ended on some of its PEs."""
        if self._observer is None:
            return
        lanes = transfer.lanes.indices()
        for place in places:
            x, y = transfer.state.where(int(lanes[place]))
            begin, end = int(transfer.begun[place]), int(transfer.next[place])
            number = transfer.microthread
            self._observer.event(OperationEvent(x, y, transfer.name, number, begin, end))

    def print(
        self,
        group: Group,
        parts: Sequence[str | Shown],
        values: Sequence[RunValue],
        with_coordinates: bool,
    ) -> None:
        """The group's PEs print; `values` are those of the parts that are no text."""
        if self._observer is None:
            return
        group.settle()
        for place, lane in enumerate(group.lanes.indices()):
            x, y = group.state.where(int(lane))
            rest = iter(values)
            text = f"PE({x},{y}): " if with_coordinates else ""
            for part in parts:
                text += part if isinstance(part, str) else _shown(part, next(rest), place)
            cycle = int(group.clock[place])
            for line in self._buffers.setdefault((x, y), PrintBuffer()).add(text):
                self._observer.event(PrintEvent(x, y, line, cycle))


def _shown(part: Shown, value: RunValue, place: int) -> str:
    if value is UNKNOWN:
        return "?"
    kind = part.value.type
    single = value[place] if is_array(value) else value
    return show(single, kind if isinstance(kind, Scalar) else Scalar.U16, part.form)
