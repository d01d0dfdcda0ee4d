"""Parts of language models in plain torch, with the sizes of Llama-3-8B unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Sizes:
    """Widths, heads and context of a decoder layer."""

    hidden: int = 4096
    heads: int = 32
    shared_heads: int = 8  # of keys and values
    head: int = 128
    inner: int = 14336
    context: int = 4096


class Gemv(nn.Module):
    """A square matrix times a vector."""

    def __init__(self, extent: int) -> None:
        super().__init__()
        self.weight = nn.Linear(extent, extent, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[extent] -> [extent]`."""
        return self.weight(x)


class DecoderLayer(nn.Module):
    """One token through attention over a cache, and through a gated network."""

    keys: Tensor
    values: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        hidden, own = sizes.hidden, sizes.heads * sizes.head
        shared = sizes.shared_heads * sizes.head
        self.query = nn.Linear(hidden, own, bias=False)
        self.key = nn.Linear(hidden, shared, bias=False)
        self.value = nn.Linear(hidden, shared, bias=False)
        self.out = nn.Linear(own, hidden, bias=False)
        self.gate = nn.Linear(hidden, sizes.inner, bias=False)
        self.up = nn.Linear(hidden, sizes.inner, bias=False)
        self.down = nn.Linear(sizes.inner, hidden, bias=False)
        self.before_attention = nn.RMSNorm(hidden, eps=1e-5)
        self.before_network = nn.RMSNorm(hidden, eps=1e-5)
        cache = (1, sizes.shared_heads, sizes.context, sizes.head)
        self.register_buffer("keys", torch.zeros(cache))
        self.register_buffer("values", torch.zeros(cache))

    def forward(self, x: Tensor, position: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """`x [1, 1, hidden]` of the token at `position [1]`; `cos`, `sin [head]` turn by it."""
        sizes = self.sizes
        h = self.before_attention(x)
        query = self.query(h).view(1, sizes.heads, 1, sizes.head)
        key = self.key(h).view(1, sizes.shared_heads, 1, sizes.head)
        value = self.value(h).view(1, sizes.shared_heads, 1, sizes.head)
        query, key = _turned(query, cos, sin), _turned(key, cos, sin)
        self.keys.index_copy_(2, position, key)
        self.values.index_copy_(2, position, value)
        query = query.view(1, sizes.shared_heads, -1, sizes.head)
        scores = torch.matmul(query, self.keys.transpose(2, 3)) * sizes.head**-0.5
        places = torch.arange(sizes.context, device=position.device)
        scores = scores.masked_fill(~(places <= position[:, None]), float("-inf"))
        mixed = torch.matmul(torch.softmax(scores, -1), self.values).reshape(1, 1, -1)
        x = x + self.out(mixed)
        h = self.before_network(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def layer_arguments(sizes: Sizes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Arguments of a `DecoderLayer`."""
    angles = torch.linspace(0, 1, sizes.head)
    return (
        torch.ones(1, 1, sizes.hidden),
        torch.tensor([sizes.context // 2]),
        angles.cos(),
        angles.sin(),
    )
