"""Every knob of a compilation, with its unit, default and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from waferc_ir.diagnostics import WaferError
from waferc_ir.dtypes import DTYPES, DType
from waferc_ir.machine import Machine, machine

MIXED = "mixed"
FLOATS = ("f32", "f16", MIXED)
LEVELS = (0, 1, 2)
BUDGET_SECONDS = 60.0  # of -O2, where nobody says
MOST_CALLS = 1_000_000
MOST_WAFERS = 1_000


class OptionError(WaferError):
    """A knob has a value that it cannot have."""

    code = "option"


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How to compile a model.

    `target` is the name of a known machine or a machine. `region` is the PEs (width, height) that
    each stage's region takes; None lets the compiler choose the smallest grid that fits.
    `dtype` is the element type that floats have on the wafer; "mixed" stores weights and states in
    f16 and computes in f32, products of f16 factors included. `stages` is the number of regions
    that the model is cut into, joined by streams; "auto" makes one for each block that repeats in
    the model, and for what is between; None stands for 1, and at level 2 for the better of both.
    `name` is what the program is called; by default the name of the model's class or file.
    `wafers` is how many wafers the regions may take; they take as few as they fit on.

    `optimize` is how hard layouts and grids are searched for: 0 takes for each operation in turn
    the layouts that need least memory, 1 searches layouts in the smallest grid, 2 searches plans of
    all kinds for `time_budget` seconds at most. Plans are compared by the cost model; then the best
    `measure` of them are run without data, and the fastest is taken. `calls` says how often entries
    are expected to be called, one beside the others (1 each): what is called often is made fast.
    """

    target: str | Machine = "wse3"
    region: tuple[int, int] | None = None
    dtype: str = "f32"
    stages: int | Literal["auto"] | None = None
    name: str | None = None
    optimize: int = 1
    time_budget: float | None = None
    measure: int = 0
    calls: Mapping[str, int] = field(default_factory=lambda: {})
    wafers: int = 1

    def __post_init__(self) -> None:
        if self.dtype not in FLOATS:
            raise OptionError(
                f"dtype is {self.dtype!r}", help=f"floats on the wafer are {' or '.join(FLOATS)}"
            )
        if self.stages not in ("auto", None) and self.stages < 1:
            raise OptionError(f"stages is {self.stages}", help="a model has at least one stage")
        if not 1 <= self.wafers <= MOST_WAFERS:
            raise OptionError(
                f"wafers is {self.wafers}", help=f"a program takes 1 to {MOST_WAFERS} wafers"
            )
        if self.region is not None:
            width, height = self.region
            self.machine.grid(width, height)
        self._check_search()

    def _check_search(self) -> None:
        if self.optimize not in LEVELS:
            raise OptionError(f"the level is {self.optimize}", help="levels are 0, 1 and 2")
        for value, name in ((self.time_budget, "a time budget"), (self.measure or None, "measure")):
            if value is not None and self.optimize < max(LEVELS):
                raise OptionError(
                    f"{name} is given, and level {self.optimize} compares no plans",
                    help=f"it goes with level {max(LEVELS)}",
                )
        if self.time_budget is not None and not 0 < self.time_budget < math.inf:
            raise OptionError(
                f"the time budget is {self.time_budget} seconds", help="give more than 0"
            )
        if self.measure < 0:
            raise OptionError(f"measure is {self.measure}", help="it is a number of plans")
        wrong = [f"{k} {n}" for k, n in self.calls.items() if not 0 < n <= MOST_CALLS]
        if wrong:
            raise OptionError(
                f"entries are called {', '.join(wrong)} times",
                help=f"calls are 1 to {MOST_CALLS:,}",
            )

    @property
    def budget_seconds(self) -> float:
        """How long plans are searched for."""
        return BUDGET_SECONDS if self.time_budget is None else self.time_budget

    @property
    def machine(self) -> Machine:
        """The machine to compile for. Raises MachineError if there is none of that name."""
        return machine(self.target) if isinstance(self.target, str) else self.target

    @property
    def element(self) -> DType:
        """The element type in which floats are computed."""
        return DType.F32 if self.dtype == MIXED else DTYPES[self.dtype]


def parse_stages(text: str) -> int | Literal["auto"]:
    """Stages out of a text: a number, or `auto`.

    Raises:
        OptionError: the text is not of that form.
    """
    if text == "auto":
        return "auto"
    if not (text.isdecimal() and len(text) < 10):
        raise OptionError(f"stages is {text!r}", help="write a number, 1 or more, or auto")
    return int(text)


def parse_calls(texts: Sequence[str]) -> dict[str, int]:
    """Calls of entries out of texts such as `decode=8`.

    Raises:
        OptionError: a text is not of that form.
    """
    found: dict[str, int] = {}
    for text in texts:
        label, equals, number = text.partition("=")
        if not (label and equals and number.isdecimal() and len(number) < 10):
            raise OptionError(f"calls are {text!r}", help="write ENTRY=NUMBER, such as decode=8")
        found[label] = int(number)
    return found


def parse_region(text: str) -> tuple[int, int]:
    """Width and height out of a text such as `16x8`.

    Raises:
        OptionError: the text is not of that form.
    """
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and len(text) < 20):
        raise OptionError(f"region is {text!r}", help="write it as WIDTHxHEIGHT, such as 16x16")
    return int(width), int(height)
