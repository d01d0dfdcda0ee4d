"""What an engine measured: cycles, work, traffic and memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import PEClass


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Measures over all launches so far.

    `cycles` is the clock of the slowest PE; launches follow one another, each begins on all PEs
    when the one before has ended on all. A PE is busy in `busy_cycles` of them and waits (for
    words, for room in a queue, for work) in the others, `wait_cycles`. `macs` and `flops` count
    the elements of DSD operations (a multiply-accumulate is two flops), `f16_flops` those of the
    flops that have f16 results; `wavelet_hops` counts links passed, `link_load` wavelets that leave
    each router eastward, westward, northward and southward. `sram_bytes` has one entry per PE
    class: data and code. `waferc_runtime.energy` says what that costs in energy.
    """

    cycles: int
    busy_cycles: NDArray[np.int64]  # [y, x]
    wait_cycles: NDArray[np.int64]  # [y, x]
    macs: int
    flops: int
    wavelets_sent: int
    wavelet_hops: int
    link_load: NDArray[np.int64]  # [direction, y, x]
    sram_bytes: tuple[int, ...]
    f16_flops: int = 0


def class_sram_bytes(pe_class: PEClass) -> int:
    """Bytes of SRAM that a PE of the class needs: its variables and its code."""
    words = sum(object.element.words * object.count for object in pe_class.objects)
    return 2 * words + pe_class.code_bytes
