"""Models of layers, a region for each: sizes that differ, shelves, against PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import waferc
from waferc_ir.diagnostics import WaferError


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(24)
        self.first, self.second = torch.nn.Linear(24, 64), torch.nn.Linear(64, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu(self.first(self.norm(x))))


class Layers(torch.nn.Module):
    """An embedding, layers, and a head that has more weights than they."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(50, 24)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(layers))
        self.head = torch.nn.Linear(24, 700)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def compiled(width: int, height: int, sram_bytes: int = 12_000) -> waferc.Compiled:
    torch.manual_seed(0)
    small = waferc.machine("wse2").grid(width, height)
    machine = replace(small, sram_bytes=sram_bytes, reserved_bytes=2_048)
    ids = torch.tensor([[3, 7]])
    return waferc.compile(Layers(4).eval(), ids, target=machine, stages="auto")


def test_layers_lie_on_shelves_and_compute_what_the_model_does() -> None:
    found = compiled(12, 60)
    regions = found.bundle.manifest.regions
    assert len(regions) >= 6
    assert len({region.height for region in regions}) == 1
    assert len({region.width for region in regions}) > 1
    assert len({region.y for region in regions}) > 1
    pes = [
        (x, y)
        for region in regions
        for x in range(region.x, region.x + region.width)
        for y in range(region.y, region.y + region.height)
    ]
    assert len(set(pes)) == len(pes)
    assert found.verify().passed


def test_what_does_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(WaferError, match="such wafers"):
        compiled(4, 4)
