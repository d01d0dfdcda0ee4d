"""A small model in two regions, compiled once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import waferc
from waferc.compiled import Compiled


@pytest.fixture(scope="session")
def two_regions() -> Compiled:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 6), nn.Softmax(-1)).eval()
    return waferc.compile(model, (torch.randn(4, 12),), region=(3, 2), stages=2, name="net")
