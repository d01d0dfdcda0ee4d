"""What an observer is told of tasks, asynchronous operations and printed lines."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_runtime.builtins.printing import PrintBuffer, show
from waferc_runtime.csl.core import Scalar, Shown
from waferc_runtime.observer import Observer, OperationEvent, PrintEvent, TaskEvent
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.lanes import Indices, is_array
from waferc_runtime.vector.transfer import Transfer
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import RunValue


class Watch:
    """Tells an observer, if there is one."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer
        self._buffers: dict[tuple[int, int], PrintBuffer] = {}  # by PE

    @property
    def is_on(self) -> bool:
        """Whether somebody watches."""
        return self._observer is not None

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
