"""The compile function: capture, lower, run the passes, emit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waferc.compiled import Compiled, positional
from waferc.emit.emit import Emitted, emit
from waferc.frontend.capture import capture
from waferc.frontend.captured import Captured
from waferc.frontend.eager import eager
from waferc.frontend.lower import lower
from waferc.options import CompileOptions
from waferc.pipeline import Observe, passes_for, run_passes
from waferc.signature import Signature
from waferc.tolerance import accumulation
from waferc.unit import Unit
from waferc_ir.machine import Machine
from waferc_ir.ops import tile_structure
from waferc_ir.program import Program
from waferc_runtime.host.bundle import make_bundle


@dataclass(frozen=True, slots=True)
class Lowered:
    """A model as a graph program, and how it is called."""

    unit: Unit
    signature: Signature


def compile(
    model: object,
    example_inputs: object = None,
    example_kwargs: Mapping[str, Any] | None = None,
    *,
    target: str | Machine = "wse3",
    region: tuple[int, int] | None = None,
    dtype: str = "f32",
    stages: int = 1,
    name: str | None = None,
    observe: Observe = lambda one, unit, seconds: None,
) -> Compiled:
    """Compile a PyTorch model for a wafer-scale engine.

    Args:
        model: an `nn.Module` (also a `torch.fx.GraphModule`), an `ExportedProgram`, or the path
            of a file that `torch.export.save` wrote.
        example_inputs: positional arguments of the model: a tuple or list, or one tensor. Their
            shapes and dtypes are those of all later calls.
        example_kwargs: arguments by keyword.
        target: a machine or the name of one (`waferc machines`).
        region: PEs (width, height) of each stage's region; by default the smallest that fits.
        dtype: element type of floats on the wafer, "f32" or "f16".
        stages: number of regions that the model is cut into, joined by streams.
        name: what the program is called; by default the name of the model's class or file.
        observe: called after every pass with the pass, what it made, and its seconds.

    Raises:
        WaferError: an option is wrong, the model cannot be captured or has operations that are
            not supported, or it does not fit.
    """
    options = CompileOptions(target, region, dtype, stages, name)
    lowered = lower_model(model, example_inputs, example_kwargs, options)
    unit = run_passes(lowered.unit, passes_for(options), observe)
    example = None
    if example_inputs is not None or example_kwargs is not None:
        example = (positional(example_inputs), dict(example_kwargs or {}))
    return assemble(unit, emit(unit), lowered.signature, reference_model=model, example=example)


def lower_model(
    model: object,
    example_inputs: object,
    example_kwargs: Mapping[str, Any] | None,
    options: CompileOptions,
) -> Lowered:
    """Capture a model and lower it to a graph program. Raises WaferError as `compile`."""
    machine = options.machine
    captured = capture(model, positional(example_inputs), example_kwargs, options.name)
    lowered = lower(captured)
    unit = Unit(lowered.program, lowered.weights, machine)
    signature = Signature(captured.arguments, captured.returns, _dtypes(captured), lowered.limits)
    return Lowered(unit, signature)


def assemble(
    unit: Unit,
    emitted: Emitted,
    signature: Signature,
    *,
    reference_model: object = None,
    example: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None,
) -> Compiled:
    """A compiled model out of what the passes and emission made."""
    found = accumulation(unit.program)
    document: dict[str, object] = {
        **emitted.manifest,
        "tolerance": {
            "accumulation": found.longest_sum,
            "weight": math.ceil(found.weight),
            "depth": found.depth,
        },
        "structure": signature.document(),
    }
    missing = [label for label in _stated(unit.program) if label not in unit.weights]
    if missing:  # the model's tensors are on torch's meta device
        document["without_data"] = missing
    bundle = make_bundle(document, emitted.sources, unit.weights)
    has_state = any(placement.is_mutable for placement in bundle.manifest.state)
    reference = eager(reference_model, has_state=has_state)
    return Compiled(bundle, signature, emitted.host_script, reference, example)


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
