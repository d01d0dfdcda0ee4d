"""Wavelets, the bounded queues that they lie in, and counts of what crossed the fabric."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Wavelet:
    """32 bits of a color. With `flips_switch` the sender's own switch advances behind it."""

    color: int
    bits: int
    is_control: bool = False
    flips_switch: bool = False


@dataclass(slots=True)
class Buffer:
    """A bounded queue of wavelets, each with the first cycle at which it can leave."""

    capacity: int
    words: deque[tuple[int, Wavelet]] = field(default_factory=lambda: deque())
    served: int = -1  # cycle of the last departure
    landed: int = 0  # words that ever came

    def land(self, cycle: int, wavelet: Wavelet) -> None:
        """Append a wavelet that can leave from a cycle on."""
        self.words.append((cycle, wavelet))
        self.landed += 1

    @property
    def has_space(self) -> bool:
        return len(self.words) < self.capacity

    @property
    def fill(self) -> tuple[int, int]:
        """How many wavelets it holds, and how many it can hold."""
        return len(self.words), self.capacity

    def has_space_after_departure(self, now: int) -> bool:
        """Whether there is room when what left in this cycle still counts."""
        return len(self.words) + (self.served == now) < self.capacity

    def has_word(self, now: int) -> bool:
        return bool(self.words) and self.words[0][0] <= now

    def leave(self, now: int) -> Wavelet:
        """Take the first wavelet out."""
        self.served = now
        return self.words.popleft()[1]


@dataclass(slots=True)
class Traffic:
    """What crossed the fabric so far. `link_load` counts words leaving E, W, N, S, by color.

    `contended` counts how often a word found its link taken by another color, `stalled` how often
    it found no room ahead; `multicast_wait` sums the cycles that words bound for several
    directions lay in routers.
    """

    link_load: dict[int, NDArray[np.int64]] = field(default_factory=lambda: {})  # [4, h, w]
    wavelets_sent: int = 0
    wavelet_hops: int = 0
    contended: int = 0
    stalled: int = 0
    multicast_wait: int = 0
