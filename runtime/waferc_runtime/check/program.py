"""The whole check of an elaborated program."""

from __future__ import annotations

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_runtime.check.pairing import check_pairing
from waferc_runtime.check.placement import check_memory, check_placement
from waferc_runtime.check.routes import check_routes
from waferc_runtime.csl.core import Elaborated


def check_program(elaborated: Elaborated, machine: Machine) -> list[WaferError]:
    """Everything that is wrong with a program on its rectangle; empty if nothing is.

    One program per PE; objects, code and stack within SRAM; routes that connect, with one source
    and no circle; a sender for every wait and a receiver for every send; one color per queue.
    """
    placement = check_placement(elaborated)
    if placement:
        return placement  # what follows draws programs on the grid
    return [
        *check_memory(elaborated, machine),
        *check_routes(elaborated, machine),
        *check_pairing(elaborated, machine),
    ]
