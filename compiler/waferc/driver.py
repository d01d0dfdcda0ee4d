"""The compile function: capture, lower, run the passes, emit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from waferc.analysis.liveness import float_type
from waferc.compiled import Compiled, positional
from waferc.emit.emit import Emitted, emit
from waferc.emit.host_script import HOST_SCRIPT, wafers_script
from waferc.frontend.capture import ExampleCall, capture, capture_entries
from waferc.frontend.captured import Captured
from waferc.frontend.eager import Reference, eager
from waferc.frontend.join import join
from waferc.frontend.lower import lower
from waferc.options import CompileOptions, OptionError
from waferc.pipeline import Observe, Placed
from waferc.planning import plan
from waferc.signature import Signature
from waferc.tolerance import accumulation
from waferc.unit import Unit
from waferc_ir.entries import MAIN, single
from waferc_ir.entries import entries as entries_of
from waferc_ir.machine import Machine
from waferc_ir.ops import tile_structure
from waferc_ir.program import Program
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.joined import join as join_wafers


@dataclass(frozen=True, slots=True)
class Lowered:
    """A model as a graph program, and how its entries are called."""

    unit: Unit
    signatures: Mapping[str, Signature]


def compile(
    model: object,
    example_inputs: object = None,
    example_kwargs: Mapping[str, Any] | None = None,
    *,
    entries: Mapping[str, object] | None = None,
    target: str | Machine = "wse3",
    region: tuple[int, int] | None = None,
    dtype: str = "f32",
    stages: int | Literal["auto"] | None = None,
    wafers: int = 1,
    name: str | None = None,
    optimize: int = 1,
    time_budget: float | None = None,
    measure: int = 0,
    calls: Mapping[str, int] = MappingProxyType({}),
    observe: Observe = lambda one, unit, seconds: None,
) -> Compiled:
    """Compile a PyTorch model for a wafer-scale engine.

    Args:
        model: an `nn.Module` (also a `torch.fx.GraphModule`), an `ExportedProgram`, or the path
            of a file that `torch.export.save` wrote.
        example_inputs: positional arguments of the model: a tuple or list, or one tensor. Their
            shapes and dtypes are those of all later calls.
        example_kwargs: arguments by keyword.
        entries: instead of `example_inputs`, several ways to call the module, over the same weights
            and buffers: for each name an `ExampleCall`, or positional arguments of `forward`.
        target: a machine or the name of one (`waferc machines`).
        region: PEs (width, height) of each stage's region; by default the smallest that fits.
        dtype: element type of floats on the wafer: "f32", "f16", or "mixed" (see `CompileOptions`).
        stages: number of regions that the model is cut into, joined by streams; "auto": one for
            each block that repeats in the model, and for what is between; by default 1, or what
            level 2 finds better.
        wafers: how many wafers the regions may take; they take as few as they fit on.
        name: what the program is called; by default the name of the model's class or file.
        optimize: how hard grid and layouts are searched for: 0, 1 or 2 (see `CompileOptions`).
        time_budget: seconds for level 2 (60).
        measure: of level 2, how many of the best plans are run without data, the fastest is taken.
        calls: how often entries are expected to be called, one beside the others.
        observe: called after every pass with the pass, what it made, and its seconds.

    Raises:
        WaferError: an option is wrong, the model cannot be captured or has operations that are
            not supported, or it does not fit.
    """
    options = CompileOptions(
        target, region, dtype, stages, name, optimize, time_budget, measure, calls, wafers
    )
    examples = example_calls(entries, example_inputs, example_kwargs)
    lowered = lower_model(model, examples, options, has_entries=entries is not None)
    placed = plan(lowered.unit, options, observe).plan.placed
    return assemble(placed, lowered.signatures, reference_model=model, calls=examples)


def example_calls(
    entries: Mapping[str, object] | None,
    example_inputs: object = None,
    example_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, ExampleCall]:
    """How each entry is called, by its name; `main` where there is but one.

    Raises:
        OptionError: both entries and inputs are given.
    """
    if entries is None:
        if example_inputs is None and example_kwargs is None:
            return {}
        return {MAIN: ExampleCall(positional(example_inputs), dict(example_kwargs or {}))}
    if example_inputs is not None or example_kwargs is not None:
        raise OptionError(
            "example inputs are given, and entries too", help="give the inputs of every entry"
        )
    return {
        label: call if isinstance(call, ExampleCall) else ExampleCall(positional(call))
        for label, call in entries.items()
    }


def lower_model(
    model: object,
    calls: Mapping[str, ExampleCall],
    options: CompileOptions,
    *,
    has_entries: bool = False,
) -> Lowered:
    """Capture a model and lower it to a graph program. Raises WaferError as `compile`."""
    machine = options.machine
    unknown = [label for label in options.calls if label not in calls]
    if unknown or (options.calls and not has_entries):
        raise OptionError(
            f"calls of {', '.join(options.calls)} are given",
            help=f"entries are {', '.join(calls)}" if has_entries else "the model has one entry",
        )
    if has_entries:
        captured = capture_entries(model, calls, options.name)
    else:
        call = calls.get(MAIN, ExampleCall())
        captured = {MAIN: capture(model, call.args, call.kwargs, options.name)}
    lowered = {label: lower(one) for label, one in captured.items()}
    signatures = {
        label: Signature(one.arguments, one.returns, _dtypes(one), lowered[label].limits)
        for label, one in captured.items()
    }
    if has_entries:
        program, weights = join(lowered, options.calls)
        return Lowered(Unit(program, weights, machine), signatures)
    main = lowered[MAIN]
    return Lowered(Unit(main.program, main.weights, machine), signatures)


def assemble(
    placed: Placed,
    signatures: Mapping[str, Signature],
    *,
    reference_model: object = None,
    calls: Mapping[str, ExampleCall] = MappingProxyType({}),
) -> Compiled:
    """A compiled model out of what the passes made: emission, and the parts of a bundle."""
    emitted = [emit(unit) for unit in placed.wafers]
    whole = [
        {**entry, "structure": signatures[label].document()}
        for label, entry in _tolerances(placed.whole.program).items()
    ]
    if len(emitted) == 1:
        bundle = _bundle(placed.wafers[0], emitted[0], whole)
        scripts = {HOST_SCRIPT: emitted[0].host_script}
    else:
        bundle, scripts = _joined(placed, emitted, whole)
    has_state = any(placement.is_mutable for placement in bundle.manifest.state)
    references: dict[str, Reference] = {}
    for label in signatures:
        method = calls[label].method if label in calls else "forward"
        reference = eager(reference_model, has_state=has_state, method=method)
        if reference is not None:
            references[label] = reference
    examples = {label: (positional(call.args), call.kwargs) for label, call in calls.items()}
    return Compiled(bundle, signatures, scripts, references, examples)


def _joined(
    placed: Placed, emitted: Sequence[Emitted], entries: list[dict[str, object]]
) -> tuple[Bundle, dict[str, str]]:
    """The bundle for several wafers, and the host scripts by file."""
    names = [f"wafer{number}" for number in range(len(emitted))]
    wafers = [
        _bundle(unit, one, [*_tolerances(unit.program).values()])
        for unit, one in zip(placed.wafers, emitted, strict=True)
    ]
    first = emitted[0].manifest
    document = {
        key: first[key] for key in ("format", "version", "target", "machine") if key in first
    }
    document |= {
        "name": placed.whole.program.name,
        "dtype": float_type(placed.whole.program).label,
        "wafers": names,
        "links": [
            {"entry": link.entry, "label": link.label, "from": link.source, "to": link.target}
            for link in placed.links
        ],
        "entries": entries,
    }
    scripts = {HOST_SCRIPT: wafers_script(placed.whole.program)}
    scripts |= {
        f"{name}/{HOST_SCRIPT}": one.host_script for name, one in zip(names, emitted, strict=True)
    }
    return join_wafers(document, wafers), scripts


def _bundle(unit: Unit, emitted: Emitted, entries: Sequence[Mapping[str, object]]) -> Bundle:
    """The bundle of one wafer; `entries` say more of each entry."""
    for document, more in zip(emitted.manifest["entries"], entries, strict=True):
        document |= more
    missing = [label for label in _stated(unit.program) if label not in unit.weights]
    if missing:  # the model's tensors are on torch's meta device
        emitted.manifest["without_data"] = missing
    return make_bundle(emitted.manifest, emitted.sources, unit.weights)


def _tolerances(program: Program) -> dict[str, dict[str, object]]:
    """What bounds the errors of each entry, by its label."""
    found: dict[str, dict[str, object]] = {}
    for entry in entries_of(program):
        errors = accumulation(single(program, entry))
        tolerance = {
            "accumulation": errors.longest_sum,
            "weight": math.ceil(errors.weight),
            "depth": errors.depth,
        }
        found[entry.label] = {"label": entry.label, "tolerance": tolerance}
    return found


def _stated(program: Program) -> dict[str, None]:
    """Labels of the weights and states of a tiled program."""
    ops = [s.op for s in program.statements]
    return {op.label: None for op in ops if isinstance(op, tile_structure.State)}


def _dtypes(captured: Captured) -> dict[str, str]:
    """NumPy dtypes of the outputs by label."""
    found: dict[str, str] = {item.node: item.meta.dtype for item in captured.inputs}
    for item in captured.constants:  # NumPy has no bfloat16
        found[item.node] = "float32" if item.torch_dtype == "bfloat16" else item.torch_dtype
    for node in captured.nodes:
        first = node.results[0] if node.results else None
        if first is not None:
            found[node.name] = first.dtype
    return {label: found[ref.node] for label, ref in captured.outputs}
