"""The 25-point stencil of Jacquelin et al., SC'22, in cycles per step over the length of a column.

They measured on all of a CS-2, 755 x 994 PEs, and found more than 98 % weak scaling from 200 x 200:
a PE talks to four neighbours in each direction, so a PE in the middle of 9 x 9 does what all do.
Their table fits `63.04 nz + 1,140` cycles. Blocks are as in theirs, and so is what a PE does: the
operations, tasks and control wavelets of the program that is public as 25-pt-stencil in
csl-examples. Up to eight operations of a PE are in progress at once, whose turns on the datapath
only the reference engine models.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import WSE2
from waferc_runtime.host.engines import EngineName
from waferc_runtime.validate.point import Point
from waferc_runtime.validate.program import run

_SOURCE = "Jacquelin et al., SC'22, table III at 0.85 GHz"
_SIDE = 9  # PEs
_STEPS = 2  # of which the second is measured
_PUBLISHED_STEPS = 100_000
_SECONDS: dict[int, float] = {100: 0.8637, 200: 1.6133}  # of 100,000 steps, by length; one block
_WEIGHTS = (-6.0, 4.0, 3.0, 2.0, 1.0)  # by distance; small integers, so that sums are exact


def cycles(engine: EngineName, *, length: int, block: int, side: int = _SIDE) -> int:
    """Cycles of the second step on a PE in the middle of `side` x `side`."""
    blocks = -(-length // block)
    done = run(
        "stencil_layout.csl", "wse2", engine,
        width=side, height=side, block=block, blocks=blocks, steps=_STEPS,
    )  # fmt: skip
    middle = side // 2
    now, before = waves(side, block * blocks)
    ends = np.zeros(4)
    columns = [np.concatenate([ends, wave[middle, middle], ends]) for wave in (now, before)]
    done.expect(middle, middle, "wave", np.concatenate(columns))
    return done.span_of(middle, middle)


def waves(side: int, length: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The waves [y, x, z] after the last step and the one before it."""
    y, x, z = np.mgrid[:side, :side, :length]
    now = ((x + 2 * y + 3 * z) % 7).astype(np.float64)
    before = np.zeros_like(now)
    for _ in range(_STEPS):
        near = np.pad(now, 4)
        total = 2 * now - before + _WEIGHTS[0] * now
        for distance in range(1, 5):
            for axis in range(3):
                for shift in (-distance, distance):
                    moved = np.roll(near, shift, axis)[4:-4, 4:-4, 4:-4]
                    total += _WEIGHTS[distance] * moved
        now, before = total, now
    return now, before


POINTS: tuple[Point, ...] = tuple(
    Point(
        f"25-point stencil, a step, columns of {length}, reference engine",
        "wse2",
        seconds / _PUBLISHED_STEPS * WSE2.clock_hz,
        0.1,
        _SOURCE,
        "H",
        partial(cycles, length=length, block=length),
        is_quick=False,
        engine="reference",
    )
    for length, seconds in _SECONDS.items()
)
