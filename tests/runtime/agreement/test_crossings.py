"""Both engines tell the same wavelets at the same cycles, where none is held up on its way."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np
from hypothesis import given, settings
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, truth
from tests.runtime.agreement.samples import SLOW, Sample
from tests.runtime.agreement.strategies_grids import grid_programs

from waferc_ir.machine import MACHINES
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST
from waferc_runtime.host.recorder import Recorder
from waferc_runtime.observer import WaveletEvent
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

Way = tuple[int, int, str, int, int, bool]


def told(engine: ReferenceEngine | VectorEngine, recorder: Recorder) -> Counter[WaveletEvent]:
    with suppress(RunError):
        engine.launch("main")
    return Counter(event for event in recorder.events if isinstance(event, WaveletEvent))


def both(program: core.Elaborated) -> tuple[Counter[WaveletEvent], Counter[WaveletEvent], bool]:
    """What both engines tell, and whether no word was held up."""
    machine = MACHINES[program.arch]
    recorders = [Recorder(wants_wavelets=True) for _ in range(2)]
    reference = ReferenceEngine(program, machine, observer=recorders[0])
    expected = told(reference, recorders[0])
    found = told(VectorEngine(program, machine, observer=recorders[1]), recorders[1])
    traffic = reference.traffic
    held_up = traffic.stalled + traffic.contended + traffic.multicast_wait
    return expected, found, held_up == 0 and not reference.words_under_way


def ways(events: Counter[WaveletEvent]) -> Counter[Way]:
    return Counter(
        (e.x, e.y, e.direction, e.color, e.bits, e.is_control) for e in events.elements()
    )


@settings(SLOW, max_examples=15)
@given(grid_programs())
def test_wavelets_are_told_alike(sample: Sample) -> None:
    expected, found, is_free = both(sample.program)
    if is_free:
        assert found == expected
    else:  # the vector engine tells where words go, those that are held up for good, too
        assert ways(found) >= ways(expected)


def test_words_of_a_broadcast_are_told_at_every_router() -> None:
    tile, book = Tile(3, 2), RouteBook(3, 2)
    data = tile.array("data", 6, np.arange(6, dtype=np.float32))
    for y in range(2):
        book.line(4, 0, y, EAST, 2, drop=True)
    send = dsd("@fmovs", tile.fabout(4, 3, 6), tile.memory(data))
    receive = dsd("@fmovs", tile.memory(data), tile.fabin(4, 2, 6))
    tile.function("main", [core.If(truth(tile.x == 0), [send], [receive])])
    expected, found, _ = both(tile.elaborated(book))
    assert len(expected) == 2 * 6 * 4  # two links and two ramps in each row
    assert found == expected
