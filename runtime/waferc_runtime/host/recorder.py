"""What happened on the wafer over time: recorded, as text, and as a trace for a browser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from waferc_runtime.observer import (
    Event,
    Observer,
    OperationEvent,
    PrintEvent,
    TaskEvent,
    WaveletEvent,
)

MOST_EVENTS = 2_000_000
_TASKS, _MICROTHREADS, _ROUTER = 0, 1, 99  # rows of a PE in a trace


@dataclass(slots=True)
class Recorder(Observer):
    """Keeps the events of PEs in `places` (of all PEs, if it is None), at most `MOST_EVENTS`.

    `lost` counts those beyond.
    """

    wants_wavelets: bool = False
    places: frozenset[tuple[int, int]] | None = None
    events: list[Event] = field(default_factory=lambda: [])
    lost: int = 0

    def event(self, event: Event) -> None:
        """Keep one event."""
        if self.places is not None and (event.x, event.y) not in self.places:
            return
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)
        else:
            self.lost += 1

    def ordered(self) -> list[Event]:
        """The events by cycle, then by PE."""
        return sorted(self.events, key=lambda e: (begin_of(e), e.y, e.x))


def begin_of(event: Event) -> int:
    """The cycle at which an event begins."""
    match event:
        case TaskEvent() | OperationEvent():
            return event.begin
        case WaveletEvent() | PrintEvent():
            return event.cycle
        case _:
            assert_never(event)


def text_lines(events: Iterable[Event]) -> Iterator[str]:
    """One line per event: cycles, PE, and what happened."""
    for event in events:
        begin = begin_of(event)
        match event:
            case TaskEvent():
                what, end = f"{event.kind} task {event.name}", event.end
            case OperationEvent():
                what, end = f"microthread {event.microthread} {event.name}", event.end
            case WaveletEvent():
                kind = "control wavelet" if event.is_control else "wavelet"
                what = f"{kind} {event.bits:#010x} of color {event.color} to {event.direction}"
                end = begin
            case PrintEvent():
                what, end = f"prints {event.text}", begin
            case _:
                assert_never(event)
        cycles = f"{begin:,}" if end == begin else f"{begin:,} - {end:,}"
        yield f"{cycles:>23}  PE ({event.x}, {event.y})  {what}"


def perfetto(events: Iterable[Event]) -> str:
    """The events in the JSON form that Perfetto and Chrome show.

    A PE is a process, its main thread, microthreads and router are threads. One cycle is shown as
    one microsecond.
    """
    rows: list[dict[str, object]] = []
    threads: dict[tuple[int, int, int], str] = {}
    for event in events:
        match event:
            case TaskEvent():
                thread, name = _TASKS, "tasks"
                row = {"ph": "X", "name": event.name, "cat": event.kind, "ts": event.begin,
                       "dur": event.end - event.begin}  # fmt: skip
            case OperationEvent():
                thread = _MICROTHREADS + event.microthread
                name = f"microthread {event.microthread}"
                row = {"ph": "X", "name": event.name, "cat": "operation", "ts": event.begin,
                       "dur": event.end - event.begin}  # fmt: skip
            case WaveletEvent():
                thread, name = _ROUTER, "router"
                row = {"ph": "i", "s": "t", "name": f"color {event.color} to {event.direction}",
                       "cat": "control" if event.is_control else "wavelet", "ts": event.cycle,
                       "args": {"bits": f"{event.bits:#010x}"}}  # fmt: skip
            case PrintEvent():
                thread, name = _TASKS, "tasks"
                row = {"ph": "i", "s": "t", "name": event.text, "cat": "print", "ts": event.cycle}
            case _:
                assert_never(event)
        threads[event.x, event.y, thread] = name
        rows.append({**row, "pid": _process(event.x, event.y), "tid": thread})
    for x, y in dict.fromkeys((x, y) for x, y, _ in threads):
        rows.append(_named("process_name", _process(x, y), 0, f"PE ({x}, {y})"))
    rows += [_named("thread_name", _process(x, y), t, name) for (x, y, t), name in threads.items()]
    return json.dumps({"traceEvents": rows, "displayTimeUnit": "ns"}) + "\n"


def _process(x: int, y: int) -> int:
    return y * 10_000 + x + 1


def _named(what: str, process: int, thread: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}
