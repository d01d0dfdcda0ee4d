"""FIFOs: rings in the PEs' memories, as channels from a PE to itself.

A word that is pushed, or room that is made, at cycle t is there at t + 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl import core
from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices, Lanes, lanes_of
from waferc_runtime.vector.open_stream import OpenStream
from waferc_runtime.vector.signals import signal
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.unknown import Misuse
from waferc_runtime.vector.when import When

_BELOW = -1000  # numbers of FIFOs where colors stand, from here down


class FifoStream(OpenStream):
    """One FIFO on all PEs of a class. `number` distinguishes FIFOs.

    `length[side]` [pe] is the length that it has as source and as destination.
    """

    def __init__(
        self,
        number: int,
        state: ClassState,
        fifo: core.Fifo,
        machine: Machine,
        width: int,
        height: int,
    ) -> None:
        super().__init__(_BELOW - number, machine, width, height, state.has_data)
        self.fifo = fifo
        self.length = {side: np.zeros(state.count, np.int64) for side in ("read", "write")}
        self._state = state
        self._words_each = 0  # 16-bit words of an element, known by the first operation
        self._was_full = np.zeros(state.count, np.bool_)  # found so by one that ended
        self._was_empty = np.zeros(state.count, np.bool_)
        self.open(state.pes)
        self._lane = np.zeros(len(self._written), np.intp)  # [column]
        self._lane[self._column[state.pes]] = np.arange(state.count)

    def use(self, element: core.Scalar) -> None:
        """Let an operation on elements of a type use it.

        Raises:
            Misuse: others used elements of another width.
        """
        if self._words_each not in (0, element.words):
            raise Misuse(
                f"FIFO {self.fifo.name} holds elements of {16 * self._words_each} bits"
                f" and is used with elements of {16 * element.words}"
            )
        self._words_each = element.words

    @property
    def _capacity(self) -> int:
        return self._state.blocks[self.fifo.buffer].words // self._words_each

    def promise(self, columns: Indices, words: Times, from_cycle: Times) -> NDArray[np.bool_]:
        """Say that elements will be popped as they come; for which PEs that is news.

        Where there is room for one, it is free again two cycles after a push, promised or not.
        """
        if self._capacity > 1:
            return super().promise(columns, words, from_cycle)
        return np.zeros(len(columns), np.bool_)

    def outlet(self, pes: Indices, output_depth: int) -> Outlet:
        """The ways of elements from these PEs: each has its ring."""
        count, capacity = len(pes), self._capacity
        self._deepest = max(self._deepest, capacity)
        return Outlet(
            pes,
            self._column[pes],
            np.full(count, capacity, np.int64),
            np.ones(count, np.int64),
            np.arange(count),
            None,
        )

    def send(
        self,
        outlet: Outlet,
        words: Words,
        sent: When,
        control: bool | NDArray[np.bool_] = False,
        flips: NDArray[np.bool_] | None = None,
    ) -> None:
        """Push elements [count, pe] at `sent`; they stand in the PEs' memories, too."""
        column = outlet.column
        capacity = int(outlet.capacity[0])
        rows = (self._written[column] + np.arange(len(words))[:, np.newaxis]) % capacity
        super().send(outlet, words, sent)
        block = self._state.blocks[self.fifo.buffer]
        lanes = lanes_of(self._lane[column], self._state.count)
        for part in range(self._words_each if self.has_data else 0):
            halves = ((words >> np.uint32(16 * part)) & np.uint32(0xFFFF)).astype(np.uint16)
            for row, half in zip(rows * self._words_each + part, halves, strict=True):
                block.store(row, core.Scalar.U16, lanes, half)
        self._tell_flag(self._was_empty, lanes, sent.begin(), self.fifo.activate_push)

    def consume(self, columns: Indices, processed: When) -> None:
        """Pop elements at cycles `processed`."""
        super().consume(columns, processed)
        lanes = lanes_of(self._lane[columns], self._state.count)
        self._tell_flag(self._was_full, lanes, processed.begin(), self.fifo.activate_pop)

    # ---- who is told -----------------------------------------------------------------------------

    def found(self, lanes: Lanes, is_empty: bool) -> None:
        """Operations found it full or empty on some PEs, and ended."""
        (self._was_empty if is_empty else self._was_full)[lanes.index] = True

    def waited(self, lanes: Lanes, is_empty: bool, found: NDArray[np.bool_], cycles: Times) -> None:
        """Some elements (`found`) waited for what happened at `cycles`: [element, lane].

        That was a push (`is_empty`) or a pop.
        """
        task = self._task(is_empty)
        if task is None:
            return
        for element in np.flatnonzero(found.any(axis=1)):
            place = np.flatnonzero(found[element])
            signal(self._state, task, "activate", lanes.at(place), cycles[element, place])

    def _task(self, is_empty: bool) -> int | None:
        return self.fifo.activate_push if is_empty else self.fifo.activate_pop

    def _tell_flag(
        self, flag: NDArray[np.bool_], lanes: Lanes, cycles: Times, task: int | None
    ) -> None:
        found = flag[lanes.index]
        if not found.any():
            return
        places = np.flatnonzero(found)
        flag[lanes.at(places).index] = False
        if task is not None:
            signal(self._state, task, "activate", lanes.at(places), cycles[places])


class Fifos:
    """All FIFOs of a wafer, by number."""

    def __init__(self, machine: Machine, width: int, height: int) -> None:
        self._machine = machine
        self._width = width
        self._height = height
        self._made: dict[tuple[ClassState, core.Fifo], FifoStream] = {}

    def of(self, state: ClassState, fifo: core.Fifo) -> FifoStream:
        """A FIFO of a class."""
        key = state, fifo
        if key not in self._made:
            number = len(self._made)
            made = FifoStream(number, state, fifo, self._machine, self._width, self._height)
            self._made[key] = made
        return self._made[key]

    def by_color(self, color: int) -> FifoStream | None:
        """The FIFO whose number stands where colors do."""
        return next((fifo for fifo in self._made.values() if fifo.color == color), None)
