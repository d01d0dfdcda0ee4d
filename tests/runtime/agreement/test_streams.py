"""Words of the host on their way through PEs: both engines take them at the same cycles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, activate, dsd

from waferc_ir.machine import MACHINES
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, Scalar
from waferc_runtime.host.engines import ENGINES, Engine

IN, OUT, BETWEEN = 5, 6, 3


def through_two_pes(extent: int, chunk: int, arch: str) -> core.Elaborated:
    """PE 0 adds one to what the host sends and passes it on; PE 1 sends it back doubled.

    PE 1 takes `chunk` words at a time, with a task between.
    """
    tile, book = Tile(2, 1), RouteBook(2, 1)
    book.line(BETWEEN, 0, 0, EAST, 1)
    one, part = tile.array("one", 1, 1.0), tile.array("part", chunk)
    add = dsd(
        "@fadds",
        tile.fabout(BETWEEN, 3, extent),
        tile.fabin(IN, 2, extent),
        tile.memory(one, extent, stride=0),
        is_async=True,
        microthread=1,
    )
    took = dsd(
        "@fmovs",
        tile.memory(part),
        tile.fabin(BETWEEN, 4, chunk),
        is_async=True,
        activate=10,
        microthread=2,
    )
    double = dsd("@fadds", tile.fabout(OUT, 5, chunk), tile.memory(part), tile.memory(part))
    is_first = core.CompareExpr("==", core.Const(Scalar.U16, tile.x), core.Const(Scalar.U16, 0))
    tile.task(9, "begin", [core.If(is_first, [add], [took])])
    tile.task(10, "proceed", [double, activate(9)])
    tile.activated.add(9)
    program = tile.elaborated(book, arch)
    program.host_inputs, program.host_outputs = frozenset({IN}), frozenset({OUT})
    return program


@settings(max_examples=15)
@given(
    st.integers(1, 4),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.sampled_from(["wse2", "wse3"]),
)
def test_words_of_the_host_come_through_alike(chunk: int, pieces: list[int], arch: str) -> None:
    total = sum(pieces)
    program = through_two_pes(max(total, 1), chunk, arch)
    found: list[tuple[list[float], int]] = []
    for make in ENGINES.values():
        engine: Engine = make(program, MACHINES[arch])
        engine.start()
        sent = 0
        for piece in pieces:
            values = np.arange(sent, sent + piece, dtype=np.float32)
            engine.send(IN, 0, 0, values.view(np.uint32).reshape(1, 1, piece))
            sent += piece
        whole = int(engine.received(OUT, 1, 0, 1, 1)[0, 0])
        words = engine.receive(OUT, 1, 0, 1, 1, whole)
        found.append((words.view(np.float32).reshape(-1).tolist(), engine.statistics().cycles))
    assert found[0][0] == found[1][0] == [2.0 * (n + 1) for n in range(total - total % chunk)]
    assert abs(found[0][1] - found[1][1]) <= 2 + 0.02 * found[1][1], (found, pieces)
