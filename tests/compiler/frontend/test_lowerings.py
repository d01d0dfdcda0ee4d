"""Every lowering means what torch means."""

from __future__ import annotations

import functools

import pytest
import torch
from tests.compiler.frontend.cases_torch import FAMILIES, Functions
from tests.compiler.frontend.running_torch import differences
from torch import nn

from waferc.frontend.capture import capture
from waferc.frontend.captured import Captured
from waferc.frontend.lower import FAMILIES as LOWERING_FAMILIES
from waferc.frontend.lower import lower, torch_operators
from waferc_ir.verify import verify


@functools.cache
def captured(family: str) -> tuple[Functions, tuple[torch.Tensor, ...], Captured]:
    cases, inputs, buffers = FAMILIES[family]
    model = Functions(cases, buffers).eval()
    return model, inputs, capture(model, inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_means_what_torch_means(family: str) -> None:
    model, inputs, graph = captured(family)
    lowered = lower(graph)
    verify(lowered.program)
    assert differences(lowered, model, inputs) == {}


class Modules(nn.Module):
    """Operators that come from modules rather than functions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.embedding = nn.Embedding(10, 6)
        self.dropout = nn.Dropout(0.5)
        for buffer in (self.norm.running_mean, self.norm.running_var):
            assert buffer is not None
            nn.init.uniform_(buffer, 0.5, 2.0)

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.norm(x), self.dropout(self.embedding(ids)), self.embedding.weight[ids[0]]


@functools.cache
def captured_modules() -> tuple[Modules, tuple[torch.Tensor, ...], Captured]:
    inputs = torch.rand(2, 4, 3, 3), torch.tensor([[1, 9, 0]])
    model = Modules().eval()
    return model, inputs, capture(model, inputs)


def test_modules_mean_what_torch_means() -> None:
    model, inputs, graph = captured_modules()
    assert differences(lower(graph), model, inputs) == {}


def test_every_lowering_is_reached() -> None:
    graphs = [captured(family)[2] for family in FAMILIES] + [captured_modules()[2]]
    reached = {node.target for graph in graphs for node in graph.nodes}
    assert sorted({target for target, _ in torch_operators()} - reached) == []


def test_operators_are_listed_with_their_family() -> None:
    assert ("aten.linear.default", "matmul") in torch_operators()
    assert {family for _, family in torch_operators()} <= set(LOWERING_FAMILIES)
