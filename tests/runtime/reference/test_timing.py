"""The cycle model of docs/architecture.md, word for word."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, truth

from waferc_ir.machine import MACHINES
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST
from waferc_runtime.reference import ReferenceEngine


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize("hops", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 7, 40])
def test_words_arrive_one_per_cycle_after_ramps_and_hops(arch: str, hops: int, count: int) -> None:
    machine = MACHINES[arch]
    tile = Tile(hops + 1, 1)
    data = tile.array("data", count)
    book = RouteBook(hops + 1, 1)
    book.line(3, 0, 0, EAST, hops)
    tile.function(
        "main",
        [
            core.If(
                truth(tile.x == 0),
                [dsd("@fmovs", tile.fabout(3, 2, count), tile.memory(data))],
                [
                    core.If(
                        truth(tile.x == hops),
                        [dsd("@fmovs", tile.memory(data), tile.fabin(3, 2, count))],
                        [],
                    )
                ],
            )
        ],
    )
    engine = ReferenceEngine(tile.elaborated(book, arch), machine)
    values = np.arange(count, dtype=np.float32).reshape(1, 1, count)
    engine.write("data", 0, 0, values)
    engine.launch("main")
    assert (engine.read("data", hops, 0, 1, 1, count) == values).all()
    first = machine.dsd_setup_cycles + 2 * machine.dsr_load_cycles
    arrival = first + 1 + 2 * machine.ramp_cycles + hops * machine.hop_cycles
    statistics = engine.statistics()
    assert statistics.cycles == arrival + count
    assert statistics.wavelets_sent == count
    assert statistics.wavelet_hops == count * hops
    assert statistics.link_load[0, 0].tolist() == [count] * hops + [0]
