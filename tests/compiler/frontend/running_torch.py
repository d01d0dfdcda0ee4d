"""Runs a captured and lowered model on the graph evaluator, next to torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from waferc.evaluate.graph import evaluate
from waferc.frontend.capture import capture
from waferc.frontend.lower import Lowered, lower
from waferc.unit import Unit
from waferc_ir.machine import machine
from waferc_ir.verify import verify


def lower_model(model: nn.Module, *args: Any) -> Lowered:
    """The model as a verified graph program."""
    lowered = lower(capture(model, args))
    verify(lowered.program)
    return lowered


def arrays_for(lowered: Lowered, args: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments as arrays by input label, in the program's element types."""
    tensors = lowered.arguments.flatten((args, {}))
    return {
        spec.label: np.asarray(tensors[spec.label]).astype(spec.dtype.numpy)
        for spec in lowered.inputs
    }


def unit_of(lowered: Lowered) -> Unit:
    """The program as passes take it."""
    return Unit(lowered.program, lowered.weights, machine("wse3"))


def differences(lowered: Lowered, model: nn.Module, args: tuple[Any, ...]) -> dict[str, str]:
    """What is not as torch has it, by label: shape, or relative to the largest magnitude > 1e-5."""
    with torch.no_grad():
        expected = lowered.returns.flatten(model(*args))
    found = evaluate(lowered.program, arrays_for(lowered, args), lowered.weights)
    wrong: dict[str, str] = {}
    for label, tensor in expected.items():
        want, got = tensor.numpy(), found[label]
        if want.shape != got.shape:
            wrong[label] = f"shape {got.shape}, not {want.shape}"
        elif want.dtype.kind == "f":
            tolerance = 2e-3 if want.dtype == np.float16 else 1e-5
            scale = max(1.0, float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0)))
            if not np.allclose(got, want, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
                wrong[label] = f"{got}, not {want}"
        elif not np.array_equal(got, want):
            wrong[label] = f"{got}, not {want}"
    return wrong
