"""Models on torch's meta device: compiled and measured without the data of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import waferc
from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.engines import PHANTOM


class Block(torch.nn.Module):
    """Attention over a cache, a norm and a feed-forward layer, as decoders have them."""

    cache: torch.Tensor
    frequencies: torch.Tensor
    slopes: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(20, 16)
        self.norm = torch.nn.LayerNorm(16)
        self.conv = torch.nn.Conv1d(16, 16, 1)
        self.first, self.second = torch.nn.Linear(16, 24), torch.nn.Linear(24, 16)
        self.register_buffer("cache", torch.zeros(6, 16))
        self.register_buffer("frequencies", torch.linspace(0.1, 1.0, 16))
        self.register_buffer("slopes", torch.linspace(-1.0, 0.5, 6))  # by place in the cache

    def forward(self, ids: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.embedding(ids))
        x = x + torch.cos(position[:, None] * self.frequencies)
        x = self.conv(x.T[None])[0].T
        cache = self.cache.index_copy(0, position, x)
        self.cache.copy_(cache)
        mask = torch.arange(6, device=x.device)[None] <= position[:, None]
        scores = torch.where(mask, x @ cache.T + self.slopes, float("-inf")).softmax(-1)
        return self.second(torch.nn.functional.silu(self.first(scores @ cache)))


def compiled(device: str, target: str = "wse2", dtype: str = "f32") -> waferc.Compiled:
    torch.manual_seed(0)
    with torch.device(device):
        model = Block().eval()
    if device == "cpu":  # PyTorch begins norms with ones and zeros, which become fills
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter))
    example: Any = torch.tensor([3]), torch.tensor([2])
    return waferc.compile(model, example, target=target, region=(3, 2), stages=2, dtype=dtype)


@pytest.mark.parametrize(("target", "dtype"), [("wse2", "f32"), ("wse3", "f16"), ("wse2", "mixed")])
def test_a_model_without_data_becomes_the_same_program_with_the_same_cycles(
    target: str, dtype: str, tmp_path: Path
) -> None:
    full, bare = compiled("cpu", target, dtype), compiled("meta", target, dtype)
    assert bare.bundle.sources == full.bundle.sources
    assert bare.bundle.manifest.state == full.bundle.manifest.state
    missing = bare.bundle.manifest.without_data
    for name in ("first.weight", "embedding.weight", "slopes", "cache"):  # passes add to a name
        assert any(label.startswith(name) for label in missing), name
    assert full.verify().passed
    expected = full.profile()
    bare.save(tmp_path / "bare")
    found = waferc.load(tmp_path / "bare", engine=PHANTOM).profile()
    assert (found.cycles, found.macs) == (expected.cycles, expected.macs)


def test_a_program_without_data_is_not_run_with_data() -> None:
    bare = compiled("meta")
    with pytest.raises(WaferError) as caught:
        bare.session.states()
    count = len(bare.bundle.manifest.without_data)
    assert caught.value.render() == (
        f"error[input]: {count} weights and states of Block are without data, such as 'cache'\n"
        "  = help: compile the model with its weights to run it; `waferc report --engine phantom`"
        " measures it without them"
    )


def test_states_that_are_single_numbers_survive_on_disk(tmp_path: Path) -> None:
    class Counter(torch.nn.Module):
        total: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.tensor(2.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total.add_(x.sum())
            return self.total * x

    waferc.compile(Counter(), torch.ones(3), target="wse2").save(tmp_path / "counter")
    again = waferc.load(tmp_path / "counter")
    assert [float(again(torch.ones(3))[0]) for _ in range(2)] == [5.0, 8.0]
