"""What passes take and return: a program, the data of its parameters, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_ir.program import Program


@dataclass(frozen=True)
class Unit:
    """A program on its way through the compiler.

    `weights` holds the array of every parameter under its label, in the element type and shape
    that the program states. What comes from torch's meta device has no array.
    """

    program: Program
    weights: Mapping[str, NDArray[Any]]
    machine: Machine

    def with_program(self, program: Program) -> Unit:
        """The same unit with another program."""
        return replace(self, program=program)
