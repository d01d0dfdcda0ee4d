"""All published points, in the order in which they are measured."""

from __future__ import annotations

from waferc_runtime.validate import collectives, operations, reduce, stencil
from waferc_runtime.validate.point import Point

POINTS: tuple[Point, ...] = (
    *operations.POINTS,
    *collectives.POINTS,
    *reduce.POINTS,
    *stencil.POINTS,
)
