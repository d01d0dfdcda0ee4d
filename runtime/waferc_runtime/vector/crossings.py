"""Wavelets that leave routers, told to an observer who wants them.

Of a dynamic color each word has its cycles. On static routes a word is told to go on at once, from
when its sender sent it: where a stalled receiver holds it up on the way it leaves routers later.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.observer import Observer, WaveletEvent
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes

Letter = Literal["E", "W", "N", "S", "R"]
LETTERS: tuple[Letter, ...] = ("E", "W", "N", "S", "R")  # by number of the direction
RAMP_WAY = 4


def crossings_for(observer: Observer | None, machine: Machine, width: int) -> Crossings | None:
    """What tells an observer who wants single wavelets; None if it does not."""
    if observer is None or not (observer.wants_events and observer.wants_wavelets):
        return None
    return Crossings(observer, machine, width)


class Crossings:
    """Tells an observer; `width` is that of the rectangle."""

    def __init__(self, observer: Observer, machine: Machine, width: int) -> None:
        self._observer = observer
        self._machine = machine
        self._width = width

    def sent(self, routes: ColorRoutes, outlet: Outlet, receivers: Indices, words: Words,
             sent: Times) -> None:  # fmt: skip
        """Words [count, sender] set out on static routes, processed at `sent` [count, sender].

        `receivers` [way] are the PEs at whose ramps the ways of the outlet end.
        """
        entered = sent + 1 + self._machine.ramp_cycles  # the sender's router
        hop = self._machine.hop_cycles
        for position, pes, way, hops in routes.crossed(outlet.senders):
            cycles = entered[:, position] + hops * hop
            self.left(routes.color, pes, way, words[:, position], cycles)
        landed = sent[:, outlet.sender] + outlet.flight - self._machine.ramp_cycles
        self.left(routes.color, receivers, RAMP_WAY, words[:, outlet.sender], landed)

    def left(
        self,
        color: int | NDArray[np.int64],
        pes: Indices,
        way: int | Indices,
        words: NDArray[np.uint32],
        cycles: Times,
        is_control: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Words [..., pe] of a color left the routers of `pes` by a way at `cycles`."""
        ways = np.broadcast_to(np.asarray(way), words.shape)
        control = np.broadcast_to(np.asarray(is_control), words.shape)
        colors = np.broadcast_to(np.asarray(color), words.shape)
        numbers = np.broadcast_to(pes, words.shape)
        for place in np.ndindex(words.shape):
            y, x = divmod(int(numbers[place]), self._width)
            event = WaveletEvent(
                x,
                y,
                LETTERS[int(ways[place])],
                int(colors[place]),
                int(words[place]),
                bool(control[place]),
                int(cycles[place]),
            )
            self._observer.event(event)
