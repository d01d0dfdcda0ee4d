"""Queues of the PEs of a class: the colors they are bound to, and which are being flushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.values import FabricDsd, Int, RunValue

Times = NDArray[np.int64]
Side = Literal["fabin", "fabout"]
NEVER = np.iinfo(np.int64).max
_NO_COLOR = -1


class Queues:
    """What the queues of a class are bound to; programs may bind them anew while they run."""

    def __init__(self, program: core.PEClass, pes: int) -> None:
        self._pes = pes
        self._colors: dict[Side, dict[int, int | NDArray[np.int64]]] = {
            "fabin": _by_pe(program.input_queues, pes),
            "fabout": _by_pe(program.output_queues, pes),
        }
        self._was_bound = False  # by the program while it runs
        self.asked: dict[int, Times] = {}  # by output queue: since when it is to be flushed [pe]
        self._flushed: dict[int, NDArray[np.bool_]] = {}  # and its handler has begun: [pe]

    @property
    def inputs(self) -> Mapping[int, int | NDArray[np.int64]]:
        """The colors of input queues: one, or [pe], -1 where there is none."""
        return self._colors["fabin"]

    def color(self, side: Side, queue: int, lanes: Lanes) -> Int | None:
        """The color of a queue on some PEs; None if it has none on some of them."""
        color = self._colors[side].get(queue)
        if not isinstance(color, np.ndarray):
            return color
        here = color[lanes.index]
        return None if (here == _NO_COLOR).any() else here

    def colors(self, side: Side, queue: int, lanes: Lanes) -> Times:
        """The color of a queue on each PE: [lane], -1 where it has none."""
        color = np.asarray(self._colors[side].get(queue, _NO_COLOR))
        return np.broadcast_to(color, self._pes)[lanes.index]

    def bind(self, side: Side, queue: int, lanes: Lanes, colors: Times) -> None:
        """Bind a queue to `colors` [lane]."""
        bound = self._colors[side]
        table = np.array(np.broadcast_to(np.asarray(bound.get(queue, _NO_COLOR)), self._pes))
        table[lanes.index] = colors
        bound[queue] = int(table[0]) if (table == table[0]).all() else table
        self._was_bound = True

    def with_color(self, value: RunValue, lanes: Lanes) -> RunValue:
        """An operand with the color that its queue has now, if it names none itself."""
        if not self._was_bound or not isinstance(value, FabricDsd):
            return value
        if not value.is_bound or value.queue is None:
            return value
        color = self.color(value.kind, value.queue, lanes)
        return value if color is None else replace(value, color=color)

    # ---- flushing --------------------------------------------------------------------------------

    def flush(self, queue: int, lanes: Lanes, cycles: Times) -> None:
        """Let the handler of an output queue run when it is empty, from `cycles` [lane] on."""
        if queue not in self.asked:
            self.asked[queue] = np.full(self._pes, NEVER, np.int64)
        self.asked[queue][lanes.index] = cycles

    def begin_handler(self, queue: int, lanes: Lanes) -> None:
        """The handler of a flushed queue begins."""
        self.asked[queue][lanes.index] = NEVER
        if queue not in self._flushed:
            self._flushed[queue] = np.zeros(self._pes, np.bool_)
        self._flushed[queue][lanes.index] = True

    def flushed(self, lanes: Lanes) -> NDArray[np.uint16]:
        """A bit for each output queue whose flush the program has not left: [lane]."""
        result = np.zeros(lanes.count, np.uint16)
        for queue, mask in self._flushed.items():
            result |= (mask[lanes.index].astype(np.int64) << queue).astype(np.uint16)
        return result

    def set_flushed(self, lanes: Lanes, bits: Times) -> None:
        """Leave the flush of the queues whose bit is not set: [lane]."""
        for queue, mask in self._flushed.items():
            mask[lanes.index] &= (bits >> queue) & 1 != 0


def _by_pe(bound: Mapping[int, int | core.Lanes], pes: int) -> dict[int, int | NDArray[np.int64]]:
    return {
        queue: color
        if isinstance(color, int)
        else np.array(np.broadcast_to(np.asarray(color, np.int64), pes))
        for queue, color in bound.items()
    }
