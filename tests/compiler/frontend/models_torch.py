"""Whole models, small: a GPT, one with attention written out, a CNN."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int, by_hand: bool) -> None:
        super().__init__()
        self.heads, self.by_hand = heads, by_hand
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.register_buffer("triangle", torch.ones(32, 32).tril())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, width = x.shape
        parts = self.project(self.before(x)).split(width, dim=2)
        q, k, v = (p.view(count, tokens, self.heads, -1).transpose(1, 2) for p in parts)
        if self.by_hand:
            scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5
            hidden = cast(torch.Tensor, self.triangle)[:tokens, :tokens] == 0
            y = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.merge(y.transpose(1, 2).reshape(count, tokens, width))
        return x + self.mlp(self.between(x))


class Gpt(nn.Module):
    """Characters to logits; the output head is the embedding."""

    def __init__(self, by_hand: bool = False) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(40, 24), nn.Embedding(32, 24)
        self.blocks = nn.ModuleList([Block(24, 3, by_hand) for _ in range(2)])
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 40, bias=False)
        self.head.weight = self.characters.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.characters(ids) + self.places(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def cnn() -> nn.Module:
    """Digits to classes."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(12, 10),
    )  # fmt: skip
