from __future__ import annotations

import json

import pytest

from waferc_runtime.host import recorder
from waferc_runtime.host.recorder import Recorder, perfetto, text_lines
from waferc_runtime.observer import Event, OperationEvent, PrintEvent, TaskEvent, WaveletEvent

EVENTS: list[Event] = [
    PrintEvent(1, 0, "hello", 1_500),
    OperationEvent(0, 0, "@mov32", 3, 10, 90),
    WaveletEvent(0, 0, "E", 5, 0xAB, True, 12),
    TaskEvent(0, 0, "main", "local", 2, 9),
]


def test_events_are_told_in_the_order_of_cycles() -> None:
    kept = Recorder()
    for event in EVENTS:
        kept.event(event)
    assert [line.split() for line in text_lines(kept.ordered())] == [
        ["2", "-", "9", "PE", "(0,", "0)", "local", "task", "main"],
        ["10", "-", "90", "PE", "(0,", "0)", "microthread", "3", "@mov32"],
        [
            "12",
            "PE",
            "(0,",
            "0)",
            "control",
            "wavelet",
            "0x000000ab",
            "of",
            "color",
            "5",
            "to",
            "E",
        ],
        ["1,500", "PE", "(1,", "0)", "prints", "hello"],
    ]


def test_only_pes_that_are_asked_for_are_kept_and_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder, "MOST_EVENTS", 2)
    kept = Recorder(places=frozenset({(0, 0)}))
    for event in EVENTS:
        kept.event(event)
    assert (kept.events, kept.lost) == (EVENTS[1:3], 1)


def test_a_trace_has_a_process_per_pe_and_rows_with_names() -> None:
    events = json.loads(perfetto(EVENTS))["traceEvents"]
    spans = {e["name"]: (e["ts"], e["dur"]) for e in events if e["ph"] == "X"}
    assert spans == {"@mov32": (10, 80), "main": (2, 7)}
    names = {(e["pid"], e["tid"], e["args"]["name"]) for e in events if e["ph"] == "M"}
    assert {name for _, _, name in names} == {
        *("PE (0, 0)", "PE (1, 0)", "tasks", "microthread 3", "router"),
    }
    assert all({"pid", "tid"} <= event.keys() for event in events)
