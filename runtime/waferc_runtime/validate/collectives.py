"""Collectives against the closed forms of HPDC'24, which are within 4 % of a CS-2.

With `B` words, `P` PEs in a row and a ramp of `R` cycles: broadcast `B + P + 2 R`, chain
`B + (2 R + 2) (P - 1)`, ring all-reduce `2 (P - 1) B / P + 4 P - 6 + 2 (P - 1) (2 R + 1)`,
broadcast over `M x N` PEs `B + M + N - 2 + 2 R + 1`; a chain along x and then y is two chains. They
leave out what software needs to begin. The ring counts words that come in alone: it holds where a
word leaves beside another one's processing, as threads do that have a datapath each.
"""

from __future__ import annotations

from functools import partial

from waferc_runtime.host.engines import EngineName
from waferc_runtime.validate import reduce
from waferc_runtime.validate.point import Point
from waferc_runtime.validate.program import run

_SOURCE = "Luczynski et al., HPDC'24, closed forms"
_RAMP = 2


def broadcast_form(length: int, width: int, height: int) -> int:
    """Cycles of a broadcast."""
    if height == 1:
        return length + width + 2 * _RAMP
    return length + width + height - 2 + 2 * _RAMP + 1


def chain_form(length: int, pes: int) -> int:
    """Cycles of a chain reduce."""
    return length + (2 * _RAMP + 2) * (pes - 1)


def ring_form(part: int, pes: int) -> int:
    """Cycles of a ring all-reduce of `pes * part` words."""
    return 2 * (pes - 1) * part + 4 * pes - 6 + 2 * (pes - 1) * (2 * _RAMP + 1)


def broadcast_cycles(engine: EngineName, *, width: int, height: int, length: int) -> int:
    """Cycles from the sender's start until the last PE has all."""
    done = run("broadcast_layout.csl", "wse2", engine, width=width, height=height, length=length)
    done.expect(width - 1, height - 1, "data", 1)
    return done.span()


def ring_cycles(engine: EngineName, *, pes: int, part: int) -> int:
    """Cycles from the start until all PEs have the sum."""
    done = run("ring_layout.csl", "wse2", engine, width=pes, part=part)
    for x in range(pes):
        done.expect(x, 0, "data", pes)
    return done.span()


def grid_cycles(engine: EngineName, *, width: int, height: int, length: int) -> int:
    """Cycles of a reduction along all rows, then down the first column."""
    done = run("grid_layout.csl", "wse2", engine, width=width, height=height, length=length)
    done.expect(0, 0, "data", width * height)
    return done.span_of(0, 0)


def _broadcast(width: int, height: int, length: int, is_small: bool = False) -> Point:
    return Point(
        f"broadcast, {width} x {height} PEs, {length:,} words",
        "wse2",
        broadcast_form(length, width, height),
        0.05,
        _SOURCE,
        "M",
        partial(broadcast_cycles, width=width, height=height, length=length),
        is_small=is_small,
    )


def _chain(pes: int, length: int, is_small: bool = False) -> Point:
    return Point(
        f"chain reduce, {pes} PEs, {length:,} words",
        "wse2",
        chain_form(length, pes),
        0.05,
        _SOURCE,
        "M",
        partial(reduce.cycles, width=pes, group=pes, length=length),
        is_small=is_small,
    )


def _ring(pes: int, part: int) -> Point:
    return Point(
        f"ring all-reduce, {pes} PEs, {pes * part:,} words",
        "wse2",
        ring_form(part, pes),
        0.05,
        _SOURCE,
        "M",
        partial(ring_cycles, pes=pes, part=part),
    )


def _grid(width: int, height: int, length: int) -> Point:
    return Point(
        f"chain reduce along x, then y, {width} x {height} PEs, {length:,} words",
        "wse2",
        chain_form(length, width) + chain_form(length, height),
        0.05,
        _SOURCE,
        "M",
        partial(grid_cycles, width=width, height=height, length=length),
    )


POINTS: tuple[Point, ...] = (
    _broadcast(512, 1, 1),
    _broadcast(512, 1, 256),
    _broadcast(512, 1, 1024),
    _broadcast(256, 1, 256),
    _broadcast(16, 1, 512, is_small=True),
    _broadcast(64, 64, 256),
    _chain(512, 1),
    _chain(512, 256),
    _chain(512, 1024),
    _chain(256, 256),
    _chain(8, 1024, is_small=True),
    _ring(4, 2048),
    _ring(8, 1280),
    _grid(32, 32, 512),
)
