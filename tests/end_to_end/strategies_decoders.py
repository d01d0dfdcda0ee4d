"""Random decoders in plain torch: a token per row and call, keys and values kept in buffers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 13
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": torch.relu,
    "silu": functional.silu,
}


@dataclass(frozen=True)
class Shape:
    """Everything that makes one decoder differ from another, but its weights."""

    batch: int
    context: int
    layers: int
    heads: int
    groups: int  # heads of keys and values
    head_width: int
    width: int
    inner: int  # of the feed-forward network
    norm: str  # "layer" or "rms"
    positions: str  # "learned", "rotary", "partial rotary", "alibi"
    activation: str
    is_gated: bool
    is_parallel: bool  # attention and feed-forward network read the same
    has_bias: bool
    has_head_norm: bool  # queries and keys are normalised by head
    is_tied: bool
    window: int | None  # how many tokens back attention looks
    softcap: float | None  # of scores and logits


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Decoders of up to three layers; extents are small and rarely divide a grid."""
    groups = draw(st.integers(1, 3))
    heads = groups * draw(st.integers(1, 3))
    return Shape(
        batch=draw(st.integers(1, 3)),
        context=draw(st.integers(2, 7)),
        layers=draw(st.sampled_from([1, 1, 1, 2, 3])),
        heads=heads,
        groups=groups,
        head_width=draw(st.sampled_from([2, 4, 6])),
        width=draw(st.integers(3, 14)),
        inner=draw(st.integers(2, 17)),
        norm=draw(st.sampled_from(["layer", "rms"])),
        positions=draw(st.sampled_from(["learned", "rotary", "partial rotary", "alibi"])),
        activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
        is_gated=draw(st.booleans()),
        is_parallel=draw(st.booleans()),
        has_bias=draw(st.booleans()),
        has_head_norm=draw(st.booleans()),
        is_tied=draw(st.booleans()),
        window=draw(st.none() | st.integers(1, 4)),
        softcap=draw(st.none() | st.just(2.0)),
    )


def _norm(shape: Shape, width: int) -> nn.Module:
    return nn.LayerNorm(width) if shape.norm == "layer" else nn.RMSNorm(width, eps=1e-5)


class Attention(nn.Module):
    """Attention of one token per row to those before it, which lie in two buffers."""

    keys: Tensor
    values: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        heads, groups, width = shape.heads, shape.groups, shape.head_width
        self.query = nn.Linear(shape.width, heads * width, bias=shape.has_bias)
        self.key = nn.Linear(shape.width, groups * width, bias=shape.has_bias)
        self.value = nn.Linear(shape.width, groups * width, bias=shape.has_bias)
        self.out = nn.Linear(heads * width, shape.width, bias=shape.has_bias)
        self.query_norm = _norm(shape, width) if shape.has_head_norm else nn.Identity()
        self.key_norm = _norm(shape, width) if shape.has_head_norm else nn.Identity()
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(shape.batch, groups, shape.context, width))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        shape = self.shape
        query = self.query_norm(self._heads(self.query(x), shape.heads))
        key = self.key_norm(self._heads(self.key(x), shape.groups))
        value = self._heads(self.value(x), shape.groups)
        if "rotary" in shape.positions:
            query, key = self._turned(query, position), self._turned(key, position)
        self.keys.index_copy_(2, position, key)
        self.values.index_copy_(2, position, value)
        repeats = shape.heads // shape.groups
        keys = self.keys.repeat_interleave(repeats, dim=1)
        values = self.values.repeat_interleave(repeats, dim=1)
        scores = query @ keys.transpose(2, 3) / math.sqrt(shape.head_width)
        if shape.softcap is not None:
            scores = shape.softcap * torch.tanh(scores / shape.softcap)
        back = position[:, None] - torch.arange(shape.context)
        if shape.positions == "alibi":
            slopes = torch.tensor([2.0**-n for n in range(1, shape.heads + 1)])
            scores = scores - slopes[:, None, None] * back
        seen = back >= 0
        if shape.window is not None:
            seen = seen & (back < shape.window)
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        mixed = torch.softmax(scores, dim=-1) @ values
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)

    def _turned(self, x: Tensor, position: Tensor) -> Tensor:
        """Pairs of elements turned by angles that grow with the position."""
        width = x.shape[-1] if self.shape.positions == "rotary" else 2
        rates = 10.0 ** -(torch.arange(0, width, 2) / width)
        angles = position[:, None] * torch.cat([rates, rates])
        turned, rest = x[..., :width], x[..., width:]
        first, second = turned.chunk(2, dim=-1)
        crossed = torch.cat([-second, first], dim=-1)
        return torch.cat([turned * angles.cos() + crossed * angles.sin(), rest], dim=-1)


class Layer(nn.Module):
    """Attention and a feed-forward network, in turn or side by side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attention = Attention(shape)
        self.before, self.between = _norm(shape, shape.width), _norm(shape, shape.width)
        self.up = nn.Linear(shape.width, shape.inner, bias=shape.has_bias)
        self.gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=shape.has_bias)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        mixed: Tensor = x + self.attention(self.before(x), position)
        y = self.between(x if self.shape.is_parallel else mixed)
        inner = ACTIVATIONS[self.shape.activation](self.up(y))
        if self.shape.is_gated:
            inner = inner * self.gate(y)
        fed: Tensor = self.down(inner)
        return mixed + fed


class Decoder(nn.Module):
    """`forward(ids [batch, 1], position [1]) -> logits [batch, 1, vocabulary]`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.table = nn.Embedding(VOCABULARY, shape.width)
        self.places = nn.Embedding(shape.context, shape.width)
        self.layers = nn.ModuleList([Layer(shape) for _ in range(shape.layers)])
        self.last = _norm(shape, shape.width)
        self.head = nn.Linear(shape.width, VOCABULARY, bias=False)
        if shape.is_tied:
            self.head.weight = self.table.weight

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        x = self.table(ids)
        if self.shape.positions == "learned":
            x = x + self.places(position)
        for layer in self.layers:
            x = layer(x, position)
        logits = self.head(self.last(x))
        if self.shape.softcap is not None:
            logits = self.shape.softcap * torch.tanh(logits / self.shape.softcap)
        return logits


@st.composite
def decoders(draw: st.DrawFn) -> Decoder:
    """Decoders with weights large enough that every part of them shows in the logits."""
    shape = draw(shapes())
    torch.manual_seed(draw(st.integers(0, 1000)))
    decoder = Decoder(shape).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder
