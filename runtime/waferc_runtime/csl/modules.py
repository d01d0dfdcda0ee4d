"""Instances of files: binding, importing, and what a file does before the program starts."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from waferc_runtime.csl import syntax
from waferc_runtime.csl.context import Context, Global, Instance, Program
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import MAX_CALLS, Evaluator, arguments, builtin
from waferc_runtime.csl.globals import global_value
from waferc_runtime.csl.interpret import run_setup
from waferc_runtime.csl.libraries import import_native, is_native
from waferc_runtime.csl.values import ModuleValue, StructValue, Value, Void


def new_instance(
    program: Program, file: syntax.File, params: Mapping[str, Value], prefix: str
) -> Instance:
    """A file with its params bound; nothing is evaluated yet. Names declared twice are problems."""
    instance = Instance(file, params, prefix)
    for decl in file.declarations:
        if not isinstance(decl, (syntax.VariableDecl, syntax.ParamDecl, syntax.FunctionDecl)):
            continue
        first = instance.globals.get(decl.name)
        if first is None:
            instance.globals[decl.name] = Global(decl)
            continue
        program.problems.add(
            CslError(
                f"{decl.name!r} is declared twice",
                decl.at,
                notes=[f"first on line {first.decl.at.line}"],
            )
        )
    return instance


def import_modules(context: Context, instance: Instance, calls: int) -> None:
    """Evaluate the globals that import modules, as their comptime blocks run in any case."""
    for name, entry in instance.globals.items():
        decl = entry.decl
        if isinstance(decl, syntax.VariableDecl) and _imports(decl.value):
            with context.program.problems.collecting():
                global_value(Evaluator(context, instance, calls=calls), instance, name, decl.at)


def run_comptime_blocks(context: Context, instance: Instance, calls: int) -> None:
    """Run the comptime blocks of a file; problems are collected."""
    for decl in instance.syntax.declarations:
        if isinstance(decl, syntax.ComptimeBlock):
            run_setup(Evaluator(context, instance, calls=calls), decl.body)


def _imports(node: syntax.Expr | None) -> bool:
    match node:
        case syntax.BuiltinCall():
            return node.name == "@import_module"
        case syntax.IfExpr():
            return any(
                isinstance(body, syntax.Expr) and _imports(body) for _, body in node.branches
            )
        case _:
            return False


@builtin("@import_module")
def _import_module(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    first, *rest = arguments(node, 1, 2)
    if not ev.context.is_layout:
        ev.require_all()
    path = ev.text(first)
    params = ev.known(rest[0]) if rest else StructValue({})
    if isinstance(params, Void):
        params = StructValue({})
    if not isinstance(params, StructValue):
        raise CslError(f"a struct of params is expected, not {ev.name_of(params)}", node.at)
    if path.startswith("<"):
        ev.context.libraries.add(path)
    if is_native(path, ev.instance.file):
        return import_native(ev, path, params.fields, first.at)
    if ev.calls >= MAX_CALLS:
        raise CslError(f"more than {MAX_CALLS} modules import one another", node.at)
    program = ev.context.program
    file = program.file(program.find(path, ev.instance.file, first.at), first.at)
    name = ev.import_name or posixpath.splitext(posixpath.basename(file.name.strip("<>")))[0]
    instance = new_instance(program, file, params.fields, f"{ev.instance.prefix}{name}.")
    import_modules(ev.context, instance, ev.calls + 1)
    run_comptime_blocks(ev.context, instance, ev.calls + 1)
    return ModuleValue(instance)
