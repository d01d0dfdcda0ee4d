"""Whole models keep their meaning through capture, lowering and the graph passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.compiler.frontend.models_torch import Gpt, cnn
from tests.compiler.frontend.running_torch import (
    arrays_for,
    differences,
    lower_model,
    unit_of,
)
from torch import nn

from waferc.evaluate.graph import evaluate
from waferc.frontend.lower import Lowered
from waferc.passes.decompose import Decompose
from waferc.passes.eliminate_dead import EliminateDead
from waferc.passes.fold_constants import FoldConstants
from waferc.passes.simplify_graph import SimplifyGraph
from waferc.unit import Unit
from waferc_ir.program import Program
from waferc_ir.verify import verify

Made = tuple[nn.Module, tuple[torch.Tensor, ...], Lowered, Unit]
MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.Tensor]]] = {
    "gpt": (Gpt, lambda: torch.arange(14).reshape(1, 14)),
    "gpt_by_hand": (lambda: Gpt(by_hand=True), lambda: torch.arange(28).reshape(2, 14)),
    "cnn": (cnn, lambda: torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)),
}


@pytest.fixture(scope="module", params=list(MODELS))
def made(request: pytest.FixtureRequest) -> Made:
    torch.manual_seed(0)
    make, example = MODELS[request.param]
    model, args = make().eval(), (example(),)
    lowered = lower_model(model, *args)
    unit = unit_of(lowered)
    passes = (FoldConstants(), Decompose(), SimplifyGraph(), FoldConstants(), EliminateDead())
    for one in passes:
        unit = one.run(unit)
        verify(unit.program)
    return model, args, lowered, unit


def names(program: Program) -> list[str]:
    return [s.op.name.removeprefix("graph.") for s in program.statements]


def test_the_program_means_what_the_model_means(made: Made) -> None:
    model, args, lowered, _ = made
    assert differences(lowered, model, args) == {}


def test_passes_keep_the_meaning(made: Made) -> None:
    _, args, lowered, unit = made
    inputs = arrays_for(lowered, args)
    expected = evaluate(lowered.program, inputs, lowered.weights)["output"]
    found = evaluate(unit.program, inputs, unit.weights)["output"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_statements_know_the_users_line(made: Made) -> None:
    program = made[2].program
    computed = [s for s in program.statements if s.op.operands() and s.result is not None]
    assert all(s.at is not None and s.at.text for s in computed)


@pytest.mark.parametrize("made", ["gpt", "gpt_by_hand"], indirect=True)
def test_attention_needs_no_moves(made: Made) -> None:
    left = names(made[3].program)
    assert left.count("causal_mask") == 2
    assert not {"permute", "slice", "concat", "expand", "select"} & set(left)


@pytest.mark.parametrize("made", ["gpt"], indirect=True)
def test_tied_weights_are_one_parameter(made: Made) -> None:
    _, _, lowered, _ = made
    shape = (40, 24)
    assert [d.shape for d in lowered.weights.values()].count(shape) == 1


@pytest.mark.parametrize("made", ["cnn"], indirect=True)
def test_batch_norm_becomes_a_product_and_a_sum(made: Made) -> None:
    left = names(made[3].program)
    assert left.count("unary") == 2
    assert not {"rsqrt"} & set(left)


def test_weights_are_copies(made: Made) -> None:
    model, _, lowered, _ = made
    before = {label: np.array(data) for label, data in lowered.weights.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    changed: dict[str, Any] = {
        label: data for label, data in lowered.weights.items() if not (data == before[label]).all()
    }
    assert changed == {}
