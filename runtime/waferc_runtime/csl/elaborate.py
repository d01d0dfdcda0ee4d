"""From CSL text to core programs: the layout, then each class of PEs.

PEs whose params are of the same kinds are evaluated together, numbers that differ as lanes. Where
that does not work the class is split and its parts are evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_runtime.csl import (
    blocks,
    builtin_dsd,
    builtin_events,
    builtin_handles,
    builtin_layout,
    builtin_operations,
    builtin_registers,
    builtin_simprint,
    builtin_values,
    core,
    syntax,
    tensor,
    type_expressions,
)
from waferc_runtime.csl.builtin_layout import check_color
from waferc_runtime.csl.calls import whole_function
from waferc_runtime.csl.check import check_blocked, check_class, check_exports, check_initialised
from waferc_runtime.csl.context import Context, Program
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, Split
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.globals import global_value
from waferc_runtime.csl.layout import run_layout
from waferc_runtime.csl.libraries import STRINGS
from waferc_runtime.csl.lower import lower_pending
from waferc_runtime.csl.modules import import_modules, new_instance, run_comptime_blocks
from waferc_runtime.csl.placement import Group, LayoutUse, Placement
from waferc_runtime.csl.size import code_bytes, place_objects
from waferc_runtime.csl.types import type_name
from waferc_runtime.csl.values import (
    FunctionValue,
)

# the modules of builtins and handlers that nothing else here refers to
HANDLERS = (
    blocks,
    builtin_dsd,
    builtin_events,
    builtin_handles,
    builtin_layout,
    builtin_operations,
    builtin_registers,
    builtin_simprint,
    builtin_values,
    tensor,
    type_expressions,
)


def elaborate(
    sources: Mapping[str, str],
    layout: str,
    machine: Machine,
    params: Mapping[str, int],
    import_paths: Sequence[str] = (),
) -> core.Elaborated:
    """The core program of the layout file `layout` with its params bound.

    `sources` maps the names of all files to their text; `import_paths` are folders among them in
    which `<name>` is looked for if no library is called so.

    Raises:
        WaferError: the program is wrong; all independent problems are found in one run.
    """
    try:
        return _elaborate(Program(sources, machine, tuple(import_paths)), layout, params)
    except RecursionError:
        raise CslError(f"{layout} nests expressions, statements and calls too deeply") from None


def _elaborate(program: Program, path: str, params: Mapping[str, int]) -> core.Elaborated:
    try:
        layout = run_layout(program, path, params)
    except WaferError as error:
        program.problems.add(error)
        program.problems.check()
        raise
    program.problems.check()
    assert layout.placement is not None
    contexts: list[Context] = []
    classes = [
        cls
        for group in layout.placement.groups()
        for cls in _evaluate(program, layout, group, contexts)
    ]
    check_initialised(contexts)
    _add_local_configs(program, layout.placement, contexts)
    program.problems.check()
    types = {name: type_name(type) for name, (type, _) in layout.exports.items()}
    return core.Elaborated(
        program.machine.arch,
        program.width,
        program.height,
        classes,
        layout.placement.routes(),
        types,
        frozenset(program.host_inputs),
        frozenset(program.host_outputs),
        layout.color_names,
    )


def _evaluate(
    program: Program, layout: LayoutUse, group: Group, contexts: list[Context]
) -> list[core.PEClass]:
    """The classes of a group: one, unless it has to be split."""
    classes: list[core.PEClass] = []
    work = [group]
    while work:
        part = work.pop(0)
        before = len(program.problems.errors)
        try:
            context = Context(program, part.file, part.x, part.y, None)
            classes.append(_class(context, part, layout))
            contexts.append(context)
        except Split as split:
            program.problems.forget(before)
            work[:0] = part.parts(split.groups)
    return classes


def _class(context: Context, group: Group, layout: LayoutUse) -> core.PEClass:
    program = context.program
    instance = new_instance(program, program.file(group.file, None), group.params.fields, "")
    import_modules(context, instance, 0)
    run_comptime_blocks(context, instance, 0)
    check_blocked(context)
    ev = Evaluator(context, instance)
    for name, entry in instance.globals.items():
        decl = entry.decl
        if isinstance(decl, syntax.VariableDecl) and decl.is_export:
            with program.problems.collecting():
                global_value(ev, instance, name, decl.at)
        if isinstance(decl, syntax.FunctionDecl) and decl.is_export:
            whole_function(ev, FunctionValue(decl, instance), decl.at)
    lower_pending(context)
    check_class(context)
    check_exports(context, layout)
    _keep_strings(context)
    place_objects(context)
    functions = list(context.functions.values())
    return core.PEClass(
        file=group.file,
        x=group.x,
        y=group.y,
        objects=context.objects,
        slots=context.slots,
        functions=functions,
        tasks=[core.TaskBinding(task.kind, task.id, task.function) for task in context.tasks],
        activated=frozenset(context.activated),
        blocked=frozenset(context.blocked),
        input_queues=_colors(context, "input"),
        output_queues=_colors(context, "output"),
        exports={name: use.export for name, use in context.exports.items()},
        code_bytes=code_bytes(functions),
        fifos=context.fifos,
        dsrs=context.dsrs,
        configs=context.configs,
        teardown_handlers=context.teardown_handlers,
        empty_queue_handlers=context.empty_queue_handlers,
        high_priority=frozenset(context.high_priority),
        symbols=context.symbols,
    )


def _keep_strings(context: Context) -> None:
    """Lay down the strings that `<debug>` records by number, one behind the other."""
    if context.strings:
        text = "".join(f"{string}\0" for string in context.strings).encode("latin-1", "replace")
        words = np.frombuffer(text + b"\0" * (len(text) % 2), "<u2").astype(np.uint16)
        table = core.MemoryObject(STRINGS, Scalar.U16, len(words), words)
        context.objects.append(table)
        context.symbols[STRINGS] = table


def _colors(context: Context, kind: str) -> dict[int, int | core.Lanes]:
    uses = context.input_queues if kind == "input" else context.output_queues
    colors: dict[int, int | core.Lanes] = {}
    for id, use in sorted(uses.items()):
        if isinstance(use.color, np.ndarray):
            colors[id] = use.color.astype(np.int32)
        elif use.color is not None:
            colors[id] = int(use.color)
    return colors


def _add_local_configs(program: Program, placement: Placement, contexts: list[Context]) -> None:
    """Enter the routes that PEs configure themselves; problems are collected."""
    for context in contexts:
        for color, config in context.colors:
            numbers = np.broadcast_to(np.asarray(color), (context.pes,))
            for number in np.unique(numbers):
                pes = np.flatnonzero(numbers == number)
                x, y = context.x[pes].astype(np.intp), context.y[pes].astype(np.intp)
                with program.problems.collecting():
                    check_color(program, int(number), config, config.at)
                    placement.add_color(int(number), config.part(pes), x, y)
