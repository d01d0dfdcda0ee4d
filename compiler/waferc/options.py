"""Every knob of a compilation, with its unit, default and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from waferc_ir.diagnostics import WaferError
from waferc_ir.dtypes import DTYPES, DType
from waferc_ir.machine import Machine, machine

MIXED = "mixed"
FLOATS = ("f32", "f16", MIXED)


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
    the model, and for what is between. `name` is what the program is called; by
    default the name of the model's class or file.
    """

    target: str | Machine = "wse3"
    region: tuple[int, int] | None = None
    dtype: str = "f32"
    stages: int | Literal["auto"] = 1
    name: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in FLOATS:
            raise OptionError(
                f"dtype is {self.dtype!r}", help=f"floats on the wafer are {' or '.join(FLOATS)}"
            )
        if self.stages != "auto" and self.stages < 1:
            raise OptionError(f"stages is {self.stages}", help="a model has at least one stage")
        if self.region is not None:
            width, height = self.region
            self.machine.grid(width, height)

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


def parse_region(text: str) -> tuple[int, int]:
    """Width and height out of a text such as `16x8`.

    Raises:
        OptionError: the text is not of that form.
    """
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and len(text) < 20):
        raise OptionError(f"region is {text!r}", help="write it as WIDTHxHEIGHT, such as 16x16")
    return int(width), int(height)
