"""A published measurement: what was measured, where it is from, and how near we have to come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Confidence
from waferc_runtime.host.engines import EngineName


class ValidationError(WaferError):
    """A program of a measurement computes something wrong."""

    code = "validate"


@dataclass(frozen=True, slots=True)
class Point:
    """A number of cycles that someone published, and how to measure it here.

    `measure` runs our program on an engine and returns cycles. `bar` is the relative error that
    is allowed. `is_quick` points take about a second on the vector engine; those that are
    `is_small` can be measured on the reference engine too. `engine`: the one on which it has to
    be measured, if only one models what matters.
    """

    name: str
    machine: str
    published: float
    bar: float
    source: str
    confidence: Confidence
    measure: Callable[[EngineName], float]
    is_quick: bool = True
    is_small: bool = False
    engine: EngineName | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A point with what was measured."""

    point: Point
    ours: float

    @property
    def error(self) -> float:
        """The relative error."""
        return self.ours / self.point.published - 1

    @property
    def passed(self) -> bool:
        """Whether it is within the bar."""
        return abs(self.error) <= self.point.bar


def measure(point: Point, engine: EngineName = "vector") -> Outcome:
    """Measure one point, on its own engine if it has one.

    Raises:
        WaferError: the program does not run, or computes something wrong.
    """
    return Outcome(point, point.measure(point.engine or engine))
