"""What a run costs in energy: always a band, and always also power times time.

No energy of a wafer's parts is published: the constants are a split that closes on the measured
power of one machine and one program (`waferc machines NAME` lists source and confidence of each).
So the model's sum is given from half to twice its value, and beside it stands the power of a whole
system times the time, which is what published ratios use.

The sum: static energy of every PE of the rectangle and cycle; issue energy of busy cycles; flops;
SRAM traffic of two elements per flop, as a multiply-accumulate (two flops) reads three operands
and writes one; hops of wavelets. Scalar code counts as busy cycles alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from waferc_ir.machine import Machine
from waferc_runtime.statistics import Statistics

BAND = (0.5, 2.0)
_ELEMENTS_PER_FLOP = 2


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules of a run: the model's band for the PEs, and a whole system's power times the time."""

    low_joules: float
    high_joules: float
    system_joules: float

    def __str__(self) -> str:
        return (
            f"{scaled(self.low_joules, 'J')} to {scaled(self.high_joules, 'J')} (model); "
            f"{scaled(self.system_joules, 'J')} as system power x time"
        )


def energy(statistics: Statistics, machine: Machine) -> Energy:
    """The energy of what the statistics count."""
    f16, f32 = statistics.f16_flops, statistics.flops - statistics.f16_flops
    byte = _ELEMENTS_PER_FLOP * machine.sram_pj_per_byte
    joules = 1e-12 * (
        statistics.busy_cycles.size * statistics.cycles * machine.static_pj_per_cycle
        + int(statistics.busy_cycles.sum()) * machine.issue_pj_per_busy_cycle
        + f16 * (machine.f16_pj_per_flop + 2 * byte)
        + f32 * (machine.f32_pj_per_flop + 4 * byte)
        + statistics.wavelet_hops * machine.hop_pj_per_wavelet
    )
    return Energy(
        BAND[0] * joules,
        BAND[1] * joules,
        machine.active_watts * statistics.cycles / machine.clock_hz,
    )


def scaled(value: float, unit: str) -> str:
    """A number with the prefix that leaves one to three digits before the point."""
    for prefix, factor in (("", 1.0), ("m", 1e-3), ("µ", 1e-6)):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value * 1e9:.3g} n{unit}"
