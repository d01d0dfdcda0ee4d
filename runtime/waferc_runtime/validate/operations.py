"""Single DSD operations in the memory of one PE, with and without bank conflicts."""

from __future__ import annotations

from functools import partial

from waferc_ir.machine import Confidence
from waferc_runtime.host.engines import EngineName
from waferc_runtime.validate.point import Point
from waferc_runtime.validate.program import run

_SPMM = "SpMM_Cerebras, fmacs_test/COO_benchmark.csv"
_MULTIPLY, _MULTIPLY_LOADED, _ADD_LOADED, _MIXED = range(4)


def cycles(engine: EngineName, *, on: str, op: int, length: int, apart: int, repeats: int) -> float:
    """Cycles of one operation, of `repeats` in a loop; the sources are `apart` words, modulo 8."""
    done = run(
        "operation_layout.csl", on, engine, length=length, apart=apart, op=op, repeats=repeats
    )
    return done.span() / repeats


def _point(
    name: str,
    op: int,
    length: int,
    apart: int,
    published: float,
    *,
    on: str = "wse2",
    repeats: int = 1,
    source: str = _SPMM,
    confidence: Confidence = "H",
) -> Point:
    return Point(
        f"{name}, {length:,} elements",
        on,
        published,
        0.01,
        source,
        confidence,
        partial(cycles, on=on, op=op, length=length, apart=apart, repeats=repeats),
        is_small=True,
    )


POINTS: tuple[Point, ...] = (
    _point("@fmuls, sources 2 words apart", _MULTIPLY, 1028, 2, 1034),
    _point("@fmuls, sources in one bank", _MULTIPLY, 1028, 0, 2062),
    _point("@fmuls, sources in one bank, DSDs loaded", _MULTIPLY_LOADED, 1028, 0, 2089),
    _point("@fmuls, sources 2 words apart", _MULTIPLY, 5124, 2, 5130),
    _point("@fmuls, sources in one bank", _MULTIPLY, 5124, 0, 10254),
    _point("@fmuls, sources 2 words apart, DSDs loaded", _MULTIPLY_LOADED, 5124, 2, 5158),
    # the data do not say which operation took 0.5 cycles per element; documented widths do
    _point(
        "@fadds, sources 4 words apart, DSDs loaded", _ADD_LOADED, 5124, 4, 2597, confidence="M"
    ),
    _point(
        "@fmachs in a loop", _MIXED, 254, 0, 135.09375, on="wse3", repeats=128,
        source="notes of an FP8 project, WSE-3 simulator", confidence="M",
    ),
)  # fmt: skip
