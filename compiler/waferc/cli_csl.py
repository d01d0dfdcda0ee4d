"""`waferc csl`: checks, runs, profiles and traces CSL programs that have no host script."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waferc import cli_files as files
from waferc.cli_sdk import add_engine, choices
from waferc.function_table import function_table
from waferc.progress import Progress
from waferc_ir.diagnostics import collect
from waferc_runtime.check.placement import check_memory, check_placement
from waferc_runtime.check.program import check_program
from waferc_runtime.csl import core
from waferc_runtime.host.artifact import Artifact, compile_artifact
from waferc_runtime.host.cslc_options import add_program_flags, program_of
from waferc_runtime.host.engines import ENGINES, Engine
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.exports import Exports
from waferc_runtime.host.recorder import Recorder, perfetto, text_lines
from waferc_runtime.profile import Profiler
from waferc_runtime.statistics import class_sram_bytes

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

Array = NDArray[Any]
_LAUNCH = re.compile(r"(\w+)(?:\((.*)\))?\Z")


def add_parser(verbs: Verbs) -> None:
    """Add the verb and its own verbs to the command line."""
    parser = verbs.add_parser("csl", help="check, run, profile or trace a CSL program")
    inner = parser.add_subparsers(dest="action", required=True, metavar="VERB")

    one = inner.add_parser(
        "check",
        help="what can be seen without running",
        description="Elaborate a CSL program, look for faults that can be seen without running it, "
        "and say what it consists of.",
    )
    add_program_flags(one)
    one.add_argument(
        "--strict", action="store_true",
        help="also what emitted programs never do: routes that lead nowhere or off the rectangle, "
        "sends and waits without a counterpart on any branch",
    )  # fmt: skip

    one = inner.add_parser(
        "run",
        help="copy arrays in, call functions, copy arrays out",
        description="Run a CSL program: write arrays to exported symbols, call exported functions "
        "in turn, read exported symbols.",
    )
    add_program_flags(one)
    _add_run(one)
    one.add_argument(
        "-o", "--output", type=Path, metavar="Y.npz",
        help="all exported arrays behind it, [h, w, n] by symbol",
    )  # fmt: skip

    one = inner.add_parser(
        "profile",
        help="what tasks and functions took",
        description="Run a CSL program and tell what its tasks and functions took: computing, "
        "moving words, waiting for memory, waiting.",
    )
    add_program_flags(one)
    _add_run(one)

    one = inner.add_parser(
        "trace",
        help="tasks, operations and wavelets over time",
        description="Run a CSL program and tell what happened when.",
    )
    add_program_flags(one)
    _add_run(one)
    one.add_argument("--wavelets", action="store_true", help="wavelets that leave routers, too")
    one.add_argument(
        "--pe", action="append", default=[], metavar="X,Y", help="only this PE; repeatable"
    )
    one.add_argument(
        "-o", "--output", type=Path, metavar="TRACE.json",
        help="for ui.perfetto.dev or chrome://tracing, instead of text",
    )  # fmt: skip


def _add_run(parser: argparse.ArgumentParser) -> None:
    add_engine(parser)
    parser.add_argument(
        "--launch", action="append", default=[], metavar="FN[(ARG,...)]",
        help="call an exported function; repeatable, in this order",
    )  # fmt: skip
    parser.add_argument(
        "--input", type=Path, metavar="X.npz",
        help="arrays by symbol: [h, w, n] for the whole rectangle, or [n] for every PE",
    )  # fmt: skip


def run_verb(arguments: argparse.Namespace) -> int:
    """`waferc csl`: the exit code."""
    match arguments.action:
        case "check":
            return _check(arguments)
        case "run":
            return _run(arguments)
        case "profile":
            return _profile(arguments)
        case _:
            return _trace(arguments)


def _program(arguments: argparse.Namespace) -> tuple[Artifact, core.Elaborated]:
    with Progress().step(f"elaborate {arguments.layout}"):
        return compile_artifact(program_of(arguments), Path())


def _check(arguments: argparse.Namespace) -> int:
    artifact, program = _program(arguments)
    found = check_placement(program) or check_memory(program, artifact.machine)
    if arguments.strict and not found:
        found = check_program(program, artifact.machine)
    problem = collect(found)
    if problem is not None:
        raise problem
    print(f"{arguments.layout}: {program.width} x {program.height} PEs for {program.arch}")
    for pes in program.classes:
        bytes_used = class_sram_bytes(pes)
        print(
            f"  {len(pes.x):,} x {pes.file}: {bytes_used:,} of {artifact.machine.sram_bytes:,} "
            f"bytes, {len(pes.functions)} functions, {len(pes.tasks)} tasks"
        )
    if program.routes:
        print(f"  colors with routes: {', '.join(map(str, sorted(program.routes)))}")
    for name, written in program.export_types.items():
        print(f"  exports {name}: {written}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    artifact, program = _program(arguments)
    engine = ENGINES[arguments.engine](
        program, artifact.machine, choices(arguments), max_cycles=arguments.max_cycles
    )
    _play(arguments, program, engine)
    print(f"{engine.statistics().cycles:,} cycles", file=sys.stderr)
    if arguments.output is not None:
        files.write_arrays(arguments.output, _outputs(program, engine))
        print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def _profile(arguments: argparse.Namespace) -> int:
    artifact, program = _program(arguments)
    profiler = Profiler(program)
    engine = ENGINES[arguments.engine](
        program, artifact.machine, choices(arguments), profiler, max_cycles=arguments.max_cycles
    )
    profiler.begin(0)
    _play(arguments, program, engine)
    print(function_table(profiler.end(engine.statistics().cycles)))
    return 0


def _trace(arguments: argparse.Namespace) -> int:
    artifact, program = _program(arguments)
    places = frozenset(_place(text) for text in arguments.pe)
    recorder = Recorder(arguments.wavelets, places or None)
    engine = ENGINES[arguments.engine](
        program, artifact.machine, choices(arguments), recorder, max_cycles=arguments.max_cycles
    )
    try:
        _play(arguments, program, engine)
    finally:  # what happened before a stall is what a trace is for
        _tell(recorder, arguments.output)
    return 0


def _tell(recorder: Recorder, output: Path | None) -> None:
    events = recorder.ordered()
    if output is None:
        for line in text_lines(events):
            print(line)
    else:
        files.write_text(output, perfetto(events))
        print(f"wrote {output}", file=sys.stderr)
    if recorder.lost:
        print(f"{recorder.lost:,} further events are not shown", file=sys.stderr)


def _play(arguments: argparse.Namespace, program: core.Elaborated, engine: Engine) -> None:
    """Copy in, start, call."""
    exports = Exports(program.export_types)
    calls = [_call(exports, text) for text in arguments.launch]
    inputs = {} if arguments.input is None else files.read_arrays(arguments.input)
    with Progress().step(f"run {arguments.layout}"):
        engine.start()
        for name, array in inputs.items():
            _, element = exports.array(exports.handle(name))
            engine.write(name, 0, 0, _tiles(name, array, element, program))
        for name, values in calls:
            engine.launch(name, *values, wait=False)
            engine.finish()
        engine.expect_rest()


def _call(exports: Exports, text: str) -> tuple[str, list[int | float]]:
    match = _LAUNCH.match(text)
    if match is None:
        raise HostError(f"--launch {text}: write the name of a function, or NAME(1, 2.5)")
    parts = [part.strip() for part in (match[2] or "").split(",") if part.strip()]
    return match[1], exports.arguments(match[1], [_number(part) for part in parts])


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise HostError(f"{text!r} is no number") from None


def _tiles(name: str, array: Array, element: core.Scalar, program: core.Elaborated) -> Array:
    shape = program.height, program.width
    if array.dtype != np.dtype(element.numpy):
        raise HostError(f"{name} has elements of {element.label}, and is given {array.dtype}")
    if array.ndim == 1:
        return np.broadcast_to(array, (*shape, array.shape[0]))
    if array.ndim != 3 or array.shape[:2] != shape:
        raise HostError(
            f"{name} is given {'x'.join(map(str, array.shape))} elements",
            help=f"give {shape[0]}x{shape[1]}xN for all PEs, or N for every PE",
        )
    return array


def _outputs(program: core.Elaborated, engine: Engine) -> dict[str, Array]:
    """Exported arrays as far as all their PEs have elements; PEs without them have zeros."""
    outputs: dict[str, Array] = {}
    for name in program.export_types:
        holders = [pes for pes in program.classes if name in pes.exports]
        counts = [_extent(pes.exports[name]) for pes in holders]
        if not counts or None in counts:
            continue
        count = min(n for n in counts if n is not None)
        element = _element(holders[0].exports[name])
        whole = np.zeros((program.height, program.width, count), element.numpy)
        for pes in holders:
            for x, y in zip(pes.x.tolist(), pes.y.tolist(), strict=True):
                whole[y, x] = engine.read(name, x, y, 1, 1, count)[0, 0]
        outputs[name] = whole
    return outputs


def _address(export: core.Export) -> core.AddressOf | None:
    target = export.target
    if isinstance(target, core.Slot):
        return target.initial if isinstance(target.initial, core.AddressOf) else None
    return target if isinstance(target, core.AddressOf) else None


def _extent(export: core.Export) -> int | None:
    """Elements from where an exported pointer points at first to the end of its variable."""
    address = _address(export)
    if address is None or not isinstance(address.index, core.Const):
        return None
    variable = address.object
    words = variable.count * variable.element.words
    words -= int(np.max(np.asarray(address.index.value))) * variable.element.words
    return words // address.type.target.words


def _element(export: core.Export) -> core.Scalar:
    address = _address(export)
    assert address is not None, "only exports with an extent are read"
    return address.type.target


def _place(text: str) -> tuple[int, int]:
    x, comma, y = text.partition(",")
    if not comma or not x.strip().isdecimal() or not y.strip().isdecimal():
        raise HostError(f"--pe {text}: write X,Y")
    return int(x), int(y)
