"""Energy: a band around a sum, and power times time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from waferc_ir.machine import WSE2, WSE3, Machine
from waferc_runtime.energy import energy
from waferc_runtime.statistics import Statistics
from waferc_runtime.validate.program import run


def statistics(cycles: int, busy: float, flops: int, hops: int, pes: int = 1) -> Statistics:
    grid = np.full((1, pes), round(cycles * busy), np.int64)
    return Statistics(
        cycles,
        grid,
        cycles - grid,
        flops // 2,
        flops,
        hops,
        hops,
        np.zeros((4, 1, pes), np.int64),
        (),
    )


def test_the_split_closes_on_the_measured_power() -> None:
    # Jacquelin et al., SC'22: 51 flops and 20 wavelets in 63 cycles, 70 % busy; 18.9 + 8.9 mW
    cycles = 63_000
    found = energy(statistics(cycles, 0.696, 51_000, 20_000), WSE2)
    watts = np.array([found.low_joules, found.high_joules]) * WSE2.clock_hz / cycles
    assert watts == pytest.approx([0.5 * 0.0278, 2 * 0.0278], rel=0.05)


@pytest.mark.parametrize("machine", [WSE2, WSE3])
def test_both_views_grow_with_time(machine: Machine) -> None:
    once = energy(statistics(1000, 0.5, 0, 0, 7), machine)
    twice = energy(statistics(2000, 0.5, 0, 0, 7), machine)
    assert twice.low_joules == pytest.approx(2 * once.low_joules)
    assert twice.high_joules == pytest.approx(4 * twice.low_joules)
    assert once.system_joules == pytest.approx(machine.active_watts * 1000 / machine.clock_hz)
    assert "system power x time" in str(once)


def test_halves_cost_less() -> None:
    wide = statistics(100, 1.0, 1000, 0)
    assert energy(replace(wide, f16_flops=1000), WSE2).low_joules < energy(wide, WSE2).low_joules


def test_programs_of_others_have_an_energy_on_both_engines() -> None:
    found = [
        energy(run("ring_layout.csl", "wse2", engine, width=4, part=8).engine.statistics(), WSE2)
        for engine in ("vector", "reference")
    ]
    assert found[0].low_joules == pytest.approx(found[1].low_joules, rel=0.05)
    assert found[0].low_joules > 0
