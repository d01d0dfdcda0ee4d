"""A small character-level GPT in plain torch.nn, trained on the text that ships with Python."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn import functional

ALPHABET = "\n" + "".join(chr(code) for code in range(32, 127))


def encode(text: str) -> Tensor:
    """Character numbers [length] of a text; characters outside the alphabet are left out."""
    return torch.tensor([ALPHABET.index(character) for character in text if character in ALPHABET])


def decode(ids: Tensor) -> str:
    """The text of character numbers [length]."""
    return "".join(ALPHABET[int(number)] for number in ids)


def training_text() -> str:
    """The help texts of the Python language reference, about 700,000 characters."""
    return "\n\n".join(topics[name] for name in sorted(topics))


@dataclass(frozen=True)
class Config:
    """Extents of the model."""

    context: int = 64
    width: int = 96
    layers: int = 3
    heads: int = 4


class Block(nn.Module):
    """Causal self-attention and a GELU network, each behind a layer norm, on a residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.project = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, 4 * config.width)
        self.contract = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        query, key, value = self.qkv(self.norm1(x)).split(width, dim=-1)
        heads = (batch, tokens, self.heads, width // self.heads)
        mixed = functional.scaled_dot_product_attention(
            query.view(heads).transpose(1, 2),
            key.view(heads).transpose(1, 2),
            value.view(heads).transpose(1, 2),
            is_causal=True,
        )
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.contract(functional.gelu(self.expand(self.norm2(x))))


class CharGPT(nn.Module):
    """Character numbers [batch, tokens] to logits [batch, tokens, alphabet]; the head is tied."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(len(ALPHABET), config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, len(ALPHABET), bias=False)
        self.head.weight = self.tokens.weight
        self.apply(_initialise)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1])
        x = self.tokens(ids) + self.positions(places)
        return self.head(self.norm(self.blocks(x)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.04)
    for name, parameter in module.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(parameter)


@dataclass(frozen=True)
class Training:
    """What a training run came to: mean loss of the last steps in nats, and its seconds."""

    loss: float
    seconds: float


def train(
    config: Config,
    *,
    steps: int,
    batch: int = 32,
    seed: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[CharGPT, Training]:
    """A trained model in evaluation mode. The same arguments give the same model."""
    torch.manual_seed(seed)
    model = CharGPT(config)
    data = encode(training_text())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=0.05)
    generator = torch.Generator().manual_seed(seed)
    spread = torch.arange(config.context + 1)
    losses: list[float] = []
    start = time.perf_counter()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = _rate(step, steps)
        starts = torch.randint(len(data) - config.context, (batch, 1), generator=generator)
        window = data[starts + spread]
        logits = model(window[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            recent = sum(losses[-100:]) / 100
            progress(f"step {step + 1:,} of {steps:,}: loss {recent:.3f}")
    model.eval()
    last = losses[-50:]
    return model, Training(sum(last) / max(1, len(last)), time.perf_counter() - start)


def _rate(step: int, steps: int, peak: float = 3e-3) -> float:
    """Learning rate: linear warm-up over a tenth of the steps, then half a cosine down."""
    warm = max(1, steps // 10)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2)


def model() -> tuple[CharGPT, tuple[Tensor]]:
    """An untrained model and example inputs, for `waferc compile samples/char_gpt.py:model`."""
    torch.manual_seed(1)
    config = Config()
    return CharGPT(config).eval(), (torch.zeros(1, config.context, dtype=torch.int64),)
