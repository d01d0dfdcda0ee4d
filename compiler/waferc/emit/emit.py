"""Placed, routed and allocated program to CSL sources, manifest and host script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from waferc.emit.cost import code_bytes
from waferc.emit.diagnostics import EmitError
from waferc.emit.environment import render
from waferc.emit.host_script import host_script
from waferc.emit.layout import IDLE, LAYOUT, extent, file_name, idle_rectangles, layout_text
from waferc.emit.links import used_registers
from waferc.emit.manifest import manifest
from waferc.emit.pe_program import REGISTERS, PeProgram
from waferc.emit.print_csl import FunctionPrinter
from waferc.emit.regions import emit_regions
from waferc.unit import Unit


@dataclass(frozen=True)
class Emitted:
    """What emission yields.

    `sources` are the texts of `layout.csl` and the PE files by file name; `manifest` is a JSON
    document; `code_bytes` is the code that each region's PEs are reckoned to need.
    """

    sources: dict[str, str]
    manifest: dict[str, Any]
    host_script: str
    code_bytes: dict[str, int]


def emit(unit: Unit) -> Emitted:
    """Emit a tiled program whose regions are placed and routed and whose values have buffers.

    The same program gives the same text.

    Raises:
        EmitError: something has no kernel, or a pass has not run; all such problems together.
    """
    program = unit.program
    if program.kind != "tiled":
        raise EmitError(
            f"program {program.name!r} is a {program.kind} program", help="run the pass tile first"
        )
    width, height = extent(program)
    emitted = emit_regions(program, unit.machine)
    sources = {LAYOUT: layout_text(program, emitted.programs, list(emitted.entries.values()))}
    for pe_program in emitted.programs:
        sources[file_name(pe_program.region)] = pe_file(program.name, pe_program)
    if idle_rectangles(program):
        sources[IDLE] = render("idle.csl.j2", entries=list(emitted.entries.values()))
    return Emitted(
        sources=sources,
        manifest=manifest(program, unit.machine, emitted),
        host_script=host_script(program, unit.machine, width, height),
        code_bytes={p.region: code_bytes(p) for p in emitted.programs},
    )


def pe_file(name: str, program: PeProgram) -> str:
    """The PE file of a region of the program called `name`."""
    functions = [FunctionPrinter(function).text() for function in program.functions]
    scalars = [function.text for function in program.scalar_functions if function.text]
    return render(
        "pe_file.csl.j2",
        program=name,
        region=program.region,
        width=program.width,
        height=program.height,
        color_params=program.color_params,
        constants=program.constants,
        registers=[(name, *REGISTERS[name]) for name in used_registers(program.functions)],
        links=program.links,
        arrays=program.arrays,
        exports=program.exports,
        scalar_functions=scalars,
        functions=functions,
        entries=program.entries,
        uses_math=any("math." in text for text in [*functions, *scalars]),
    )
