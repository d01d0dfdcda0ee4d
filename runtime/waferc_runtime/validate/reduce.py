"""The sum of f32 vectors over 512 PEs in a row, to the first: one chain, and two phases.

The published numbers are the raw data of SpMM_Cerebras, reduce_2colors_2phase (WSE-2 simulator).
There switches let words of the second phase pass behind those of the first one. Ours does so where
vectors are short; where they are long the second phase has colors of its own, which is quicker to
run and takes as long: no leader sends before its own group is through but the last one.
"""

from __future__ import annotations

from functools import partial

from waferc_runtime.host.engines import EngineName
from waferc_runtime.validate.point import Point
from waferc_runtime.validate.program import run

_SOURCE = "SpMM_Cerebras, reduce_2colors_2phase/results.txt"
_WIDTH = 512
_4096: dict[int, int] = {
    2: 10_055, 4: 9_421, 8: 9_117, 16: 8_989, 32: 8_973, 64: 9_061, 128: 9_297, 256: 9_800,
    512: 7_218,
}  # fmt: skip
_64_TWICE = (925 + 928) / 2


def cycles(
    engine: EngineName, *, width: int, group: int, length: int, is_switched: bool = False
) -> int:
    """Cycles of the first PE from its start until it has the sum."""
    layout = "reduce_switched_layout.csl" if is_switched else "reduce_layout.csl"
    done = run(layout, "wse2", engine, width=width, group=group, length=length)
    done.expect(0, 0, "data", width)
    return done.span_of(0, 0)


def _point(group: int, length: int, published: float, is_quick: bool) -> Point:
    what = "chain reduce" if group == _WIDTH else f"two-phase reduce, groups of {group}"
    return Point(
        f"{what}, {_WIDTH} PEs, {length:,} words",
        "wse2",
        published,
        0.02,
        _SOURCE,
        "H",
        partial(cycles, width=_WIDTH, group=group, length=length, is_switched=length < _WIDTH),
        is_quick,
    )


POINTS: tuple[Point, ...] = (
    *(_point(group, 4096, found, group == _WIDTH) for group, found in _4096.items()),
    _point(28, 64, _64_TWICE, True),
)
