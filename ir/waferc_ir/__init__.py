"""The ground of waferc: places and errors, element types, machines, programs, their text."""

from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.machine import Machine, machine
from waferc_ir.parser import parse
from waferc_ir.printer import print_program
from waferc_ir.program import Program
from waferc_ir.verify import verify

__all__ = [
    "Location",
    "Machine",
    "Program",
    "WaferError",
    "machine",
    "parse",
    "print_program",
    "verify",
]
