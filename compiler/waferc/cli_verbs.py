"""What each verb of the command line does: one function per verb, arguments in, exit code out."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from waferc import cli_files as files
from waferc import cli_plan
from waferc.cli_report import called
from waferc.cli_validate import validate_machines
from waferc.compiled import Compiled, positional
from waferc.driver import assemble, example_calls, lower_model
from waferc.frontend.eager import as_array, eager
from waferc.frontend.lower import torch_operators
from waferc.options import LEVELS, CompileOptions, OptionError
from waferc.outlook import outlook
from waferc.passes.base import Pass, PassError, option_types, parse_passes
from waferc.pipeline import PASSES, PIPELINE, run_passes
from waferc.planning import plan
from waferc.progress import Progress
from waferc.unit import Unit
from waferc_ir.machine import MACHINES, Machine, machine
from waferc_ir.ops import OPS
from waferc_ir.parser import parse
from waferc_ir.printer import print_program

Array = NDArray[Any]


def compile_model(arguments: argparse.Namespace) -> int:
    """`waferc compile`: write a bundle, or print a form of the program."""
    if arguments.output is None and arguments.emit is None and not arguments.dump_after:
        raise OptionError(
            "nothing to do with the compiled model",
            help="give a folder with -o, or a form to print with --emit",
        )
    unknown = [name for name in arguments.dump_after if name not in PASSES]
    if unknown:
        raise PassError(
            f"no pass is called {', '.join(unknown)}", help=f"known: {', '.join(PASSES)}"
        )
    options = CompileOptions(name=arguments.name, **cli_plan.options(arguments))
    machine_known = options.machine  # an unknown target is refused before the model is run
    progress = Progress()
    with progress.step(f"load {arguments.model}"):
        given = files.load_model(arguments.model)
        example = tuple(map(files.example_input, arguments.input)) or given.inputs
        entries = given.entries if example is None else None
    with progress.step("capture and lower"):
        calls = example_calls(entries, example)
        lowered = lower_model(given.model, calls, options, has_entries=entries is not None)
    if arguments.emit == "graph":
        sys.stdout.write(print_program(lowered.unit.program))
        if arguments.output is None and not arguments.dump_after:
            return 0
    watch = _Watch(arguments.dump_after)
    with progress.step(f"tile, place and route for {machine_known.name}"):
        planned = plan(lowered.unit, options, watch, progress.note)
        placed = planned.plan.placed
    if options.optimize == max(LEVELS):
        print(planned, file=sys.stderr)
    print(outlook(planned.plan), file=sys.stderr)
    if arguments.time_passes:
        watch.print_times()
    if arguments.emit == "tiled":
        for unit in placed.wafers:
            sys.stdout.write(print_program(unit.program))
    if arguments.output is None and arguments.emit != "csl":
        return 0
    with progress.step("emit CSL"):
        compiled = assemble(placed, lowered.signatures)
    if arguments.emit == "csl":
        for number, wafer in enumerate(compiled.bundle.wafers or [compiled.bundle]):
            folder = f"wafer{number}/" if compiled.bundle.wafers else ""
            for name, text in wafer.sources.items():
                sys.stdout.write(f"// ---- {folder}{name}\n{text}")
    if arguments.output is not None:
        compiled.save(arguments.output)
        print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def run_bundle(arguments: argparse.Namespace) -> int:
    """`waferc run`: outputs of a bundle for the inputs in a file."""
    compiled = called(arguments)
    inputs = _arrays(arguments)
    with Progress().step(f"run {compiled.bundle.manifest.name}"):
        outputs = compiled.run(inputs)
    files.write_arrays(arguments.output, outputs)
    print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def verify_bundle(arguments: argparse.Namespace) -> int:
    """`waferc verify`: exit code 0 if the outputs are equal within the tolerance, else 1."""
    compiled = called(arguments)
    if arguments.expected is not None:
        inputs, expected = _arrays(arguments), files.read_arrays(arguments.expected)
    else:
        inputs, expected = _eager_outputs(compiled, arguments)
    missing = [p.label for p in compiled.entry.outputs if p.label not in expected]
    if missing:
        raise files.FileError(f"there are no expected outputs {', '.join(missing)}")
    with Progress().step(f"run {compiled.bundle.manifest.name}"):
        verification = compiled.verify_outputs(inputs, expected, tolerance=arguments.tolerance)
    print(verification)
    return 0 if verification.passed else 1


def optimise(arguments: argparse.Namespace) -> int:
    """`waferc opt`: a program through passes, text to text."""
    target = machine(arguments.target)
    passes = parse_passes(arguments.passes, PASSES) if arguments.passes.strip() else ()
    name, text = files.read_text(arguments.file)
    unit = Unit(parse(text, name), files.read_weights(arguments.weights), target)
    watch = _Watch([])
    unit = run_passes(unit, passes, watch)
    if arguments.time_passes:
        watch.print_times()
    sys.stdout.write(print_program(unit.program, places=arguments.places))
    return 0


def list_machines(arguments: argparse.Namespace) -> int:
    """`waferc machines`: all in one line each, or every constant of one with its source."""
    if arguments.validate:
        return validate_machines(arguments)
    if arguments.name is not None:
        _print_constants(machine(arguments.name))
        return 0
    for known in MACHINES.values():
        print(
            f"{known.name:8} {known.program_width} x {known.program_height} PEs, "
            f"{known.sram_bytes:,} bytes of SRAM each, {known.clock_hz / 1e6:,.0f} MHz, "
            f"hop {known.hop_cycles} cycles"
        )
    return 0


def list_ops(arguments: argparse.Namespace) -> int:
    """`waferc ops`: operations of the IR with their meaning, or PyTorch operators."""
    wanted = arguments.name or ""
    if arguments.torch:
        rows = [(name, family) for name, family in torch_operators() if wanted in name]
    else:
        rows = [(name, _first_line(op)) for name, op in OPS.items() if wanted in name]
    if not rows:
        raise PassError(f"no operation's name contains {wanted!r}")
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}")
    return 0


def list_passes(arguments: argparse.Namespace) -> int:
    """`waferc passes`: the pipeline in order, or help and options of one pass."""
    if arguments.name is None:
        for cls in PIPELINE:
            print(f"{cls.name:16} {_first_line(cls)}")
        return 0
    if arguments.name not in PASSES:
        raise PassError(f"no pass is called {arguments.name}", help=f"known: {', '.join(PASSES)}")
    cls = PASSES[arguments.name]
    print(f"{cls.name}: {inspect.getdoc(cls)}")
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    for option, kind in option_types(cls).items():
        print(f"  {option} ({kind}, default {defaults[option]})")
    return 0


class _Watch:
    """Prints programs after chosen passes, and remembers what each pass took."""

    def __init__(self, dump_after: list[str]) -> None:
        self._dump_after = dump_after
        self._times: list[tuple[str, float, int]] = []

    def __call__(self, one: Pass, unit: Unit, seconds: float) -> None:
        self._times.append((one.describe(), seconds, len(unit.program.statements)))
        if one.name in self._dump_after:
            sys.stdout.write(print_program(unit.program))

    def print_times(self) -> None:
        """One line per pass on standard error."""
        for name, seconds, statements in self._times:
            print(f"{seconds:8.3f} s  {name} ({statements:,} statements)", file=sys.stderr)


def _arrays(arguments: argparse.Namespace) -> dict[str, Array]:
    return {} if arguments.input is None else files.read_arrays(arguments.input)


def _eager_outputs(
    compiled: Compiled, arguments: argparse.Namespace
) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """Inputs and PyTorch's outputs by label."""
    signature = compiled.signature
    given = files.load_model(arguments.model)
    entry = compiled.entry.label
    calls = example_calls(given.entries, given.inputs)
    call = calls.get(entry)
    reference = eager(given.model, method="forward" if call is None else call.method)
    if reference is None:
        raise files.ModelError(f"{arguments.model} yields {type(given.model).__name__}, no model")
    if arguments.input is not None:
        inputs: Mapping[str, Array] = _arrays(arguments)
        lacking = [label for label in signature.arguments.labels() if label not in inputs]
        if lacking:
            raise files.FileError(f"{arguments.input} lacks the inputs {', '.join(lacking)}")
        args, kwargs = signature.arguments.build(inputs)
    elif call is not None:
        args, kwargs = positional(call.args), dict(call.kwargs)
        labelled = signature.arguments.flatten((args, kwargs), "example inputs")
        inputs = {label: as_array(value) for label, value in labelled.items()}
    else:
        raise files.FileError(
            f"{arguments.model} brings no inputs", help="give them with --input X.npz"
        )
    with Progress().step("run PyTorch"):
        outputs = signature.returns.flatten(reference(args, kwargs), "outputs")
    return inputs, {label: as_array(value) for label, value in outputs.items()}


def _print_constants(known: Machine) -> None:
    constants = {
        field.name: getattr(known, field.name)
        for field in dataclasses.fields(known)
        if field.name != "provenance"
    }
    for name, value in constants.items():
        source = known.provenance.get(name)
        note = "" if source is None else f"  {source.confidence}: {source.source}"
        print(f"{name:26} {value!s:28}{note}")


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]
