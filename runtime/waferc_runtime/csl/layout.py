"""The layout pass: params of the layout file bound, its layout block run once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import syntax
from waferc_runtime.csl.context import Context, Instance, Program
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, suggestion
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.globals import global_value
from waferc_runtime.csl.interpret import run_setup
from waferc_runtime.csl.modules import import_modules, new_instance, run_comptime_blocks
from waferc_runtime.csl.placement import LayoutUse, Placement
from waferc_runtime.csl.types import Meta
from waferc_runtime.csl.values import Known, Value


def run_layout(program: Program, path: str, params: Mapping[str, int]) -> LayoutUse:
    """What the layout block of the file `path` says; problems are collected.

    Raises:
        CslError: the file is missing, not CSL, or has not exactly one layout block.
    """
    file = program.file(path, None)
    blocks = [decl for decl in file.declarations if isinstance(decl, syntax.LayoutBlock)]
    if len(blocks) != 1:
        at = (
            blocks[1].at
            if blocks
            else Location(path, 1, 1, 1, program.sources[path].split("\n")[0])
        )
        number = "two layout blocks" if blocks else "no layout block"
        raise CslError(f"{path} has {number}", at)
    layout = LayoutUse()
    zero = np.zeros(1, np.int32)
    context = Context(program, path, zero, zero, layout)
    instance = new_instance(program, file, _params(program, file, params), "")
    run_setup(Evaluator(context, instance), blocks[0].body)
    if layout.placement is None or not layout.placement.uses(path):
        import_modules(context, instance, 0)
        run_comptime_blocks(context, instance, 0)
    if program.problems.errors:
        return layout
    if layout.placement is None:
        raise CslError("the layout block sets no rectangle", blocks[0].at)
    _check_tiles(program, layout.placement, blocks[0].at)
    layout.color_names = _color_names(context, instance)
    return layout


def _color_names(context: Context, instance: Instance) -> dict[str, int]:
    """The params of the layout that are colors, given or not."""
    names: dict[str, int] = {}
    for name, entry in instance.globals.items():
        match entry.decl:
            case syntax.ParamDecl(type=syntax.Name(name="color")) as decl:
                with context.program.problems.collecting():
                    if name in instance.params or decl.default is not None:
                        value = global_value(Evaluator(context, instance), instance, name, decl.at)
                        assert isinstance(value, Known)
                        names[name] = int(value.data)
            case _:
                pass
    return names


def _params(program: Program, file: syntax.File, params: Mapping[str, int]) -> dict[str, Value]:
    declared = {d.name: d for d in file.declarations if isinstance(d, syntax.ParamDecl)}
    values: dict[str, Value] = {}
    for name, number in params.items():
        decl = declared.get(name)
        if decl is None:
            program.problems.add(
                CslError(
                    f"{file.name} has no param {name!r}",
                    help=suggestion(name, declared) or f"it has {', '.join(declared) or 'none'}",
                )
            )
            continue
        match decl.type:
            case syntax.Name(name="color"):
                if not 0 <= number < program.machine.colors:
                    message = f"there is no color {number} for the param {name!r}"
                    program.problems.add(CslError(message, decl.at))
                values[name] = Known(Handle.COLOR, number)
            case syntax.Name(name="bool"):
                values[name] = Known(Scalar.BOOL, bool(number))
            case _:
                values[name] = Known(Meta.COMPTIME_INT, number)
    return values


def _check_tiles(program: Program, placement: Placement, at: Location) -> None:
    missing = placement.without_code()
    if missing is not None:
        count, first = missing
        program.problems.add(
            CslError(
                f"{count:,} of {program.width * program.height:,} PEs have no code",
                at,
                notes=[f"the first is PE {first}"],
                help="@set_tile_code gives a PE its file",
            )
        )
