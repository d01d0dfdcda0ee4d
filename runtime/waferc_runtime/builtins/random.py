"""The pseudo-random generators of PEs (`@random16`).

Source: SDK documentation 2.10, builtins: a shift register with the polynomial x^23 + x^18 + 1
that starts at 0xdeadbeef and makes 128 steps after each use; a PE has several, one of which is
active. Ours: that there are four; that a register of 32 bits shifts to the left, and its new bit
is that of 23 steps ago xor that of 18 steps ago; that a value is its low half.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GENERATORS = 4
SEED = 0xDEADBEEF
STEPS = 128
_AT_ONCE = 16  # steps; the nearest bit that they need is 18 back

Array = NDArray[Any]
Index = Any  # of PEs: an integer array or a slice


def advance(register: Array) -> Array:
    """The registers [...] u32 after a use."""
    for _ in range(STEPS // _AT_ONCE):
        bits = (register >> 7 ^ register >> 2) & 0xFFFF
        register = register << _AT_ONCE | bits
    return register


class Generators:
    """The generators of some PEs; the active ones are used."""

    def __init__(self, pes: int) -> None:
        self._registers = np.full((pes, GENERATORS), SEED, np.uint32)
        self._active = np.zeros(pes, np.intp)
        self._pes = np.arange(pes)

    def next16(self, pes: Index) -> Array:
        """The next value of each PE: u16."""
        place = self._pes[pes], self._active[pes]
        register = self._registers[place]
        self._registers[place] = advance(register)
        return register.astype(np.uint16)

    def set_active(self, pes: Index, numbers: Any) -> None:
        """Choose a generator of each PE."""
        self._active[pes] = np.asarray(numbers) % GENERATORS

    def set_seed(self, pes: Index, seeds: Any) -> None:
        """Put the active registers at `seeds` (u32)."""
        self._registers[self._pes[pes], self._active[pes]] = seeds
