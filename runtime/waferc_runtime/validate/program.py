"""Runs a program of `programs/` and reads the clocks of its PEs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import machine
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.engines import ENGINES, Engine, EngineName
from waferc_runtime.validate.point import ValidationError

_CHOICES: Mapping[EngineName, Choices] = {
    "vector": DEFAULT_CHOICES,
    "reference": Choices(datapath="shared"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has run. PEs note in `stamps.first`, `stamps.last` when they are measured."""

    engine: Engine
    width: int
    height: int

    def values(self, x: int, y: int, name: str) -> NDArray[Any]:
        """A global variable of a PE."""
        return self.engine.symbol(x, y, name)

    def span(self) -> int:
        """Cycles from the first PE's beginning to the last PE's end."""
        places = [(x, y) for y in range(self.height) for x in range(self.width)]
        first = min(self._clock(x, y, "first") for x, y in places)
        return max(self._clock(x, y, "last") for x, y in places) - first

    def span_of(self, x: int, y: int) -> int:
        """Cycles between the two readings on one PE."""
        return self._clock(x, y, "last") - self._clock(x, y, "first")

    def expect(self, x: int, y: int, name: str, wanted: NDArray[Any] | float) -> None:
        """Require what a variable of a PE holds, so that nobody is fast by being wrong.

        Raises:
            ValidationError: it holds something else.
        """
        found = self.values(x, y, name)
        if not np.array_equal(found, np.broadcast_to(np.asarray(wanted), found.shape)):
            raise ValidationError(
                f"{name} of PE ({x}, {y}) is not what the program should compute",
                notes=[f"it begins with {found.reshape(-1)[:4].tolist()}"],
            )

    def _clock(self, x: int, y: int, which: str) -> int:
        words = self.values(x, y, f"stamps.{which}").astype(np.int64).tolist()
        return words[0] + (words[1] << 16) + (words[2] << 32)


@cache
def sources() -> Mapping[str, str]:
    """All CSL files by name."""
    folder = files("waferc_runtime.validate") / "programs"
    return {
        item.name: item.read_text(encoding="utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".csl")
    }


def run(layout: str, on: str, engine: EngineName, **params: int) -> Run:
    """Run a layout on a machine from its start until it is at rest.

    On the reference engine the threads of a PE share its datapath, as on the machine.
    """
    wafer = machine(on)
    program = elaborate(sources(), layout, wafer, params)
    made = ENGINES[engine](program, wafer, _CHOICES[engine])
    made.start()
    return Run(made, program.width, program.height)
