"""The host scripts of a bundle, for the vendor's host API."""

from __future__ import annotations

from waferc.emit.environment import render
from waferc_ir.machine import Machine
from waferc_ir.program import Program

HOST_SCRIPT = "run.py"


def host_script(program: Program, machine: Machine, width: int, height: int) -> str:
    """The text of `run.py`: it reads the manifest beside it, so it holds no shapes itself.

    The fabric of the simulator is 7 columns and 2 rows larger than the program (reference: the
    vendor's `--fabric-dims`, with the program at offset 4, 1).
    """
    return render(
        "run.py.j2",
        program=program.name,
        arch=machine.arch,
        fabric_width=width + 7,
        fabric_height=height + 2,
    )


def wafers_script(program: Program) -> str:
    """The text of the `run.py` that runs those of all wafers, one after the other."""
    return render("run_wafers.py.j2", program=program.name)
