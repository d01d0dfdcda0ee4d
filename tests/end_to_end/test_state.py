"""Models that keep a state between calls equal PyTorch, call after call."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import waferc


class Cached(nn.Module):
    """A decoder block that keeps keys and values of earlier tokens."""

    keys: Tensor
    values: Tensor

    def __init__(self, batch: int, context: int, width: int = 12, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.table = nn.Embedding(17, width)
        self.places = nn.Embedding(context, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        for name in ("keys", "values"):
            cache = torch.zeros(batch, heads, context, width // heads)
            self.register_buffer(name, cache)

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        x = self.table(ids) + self.places(position)
        batch, tokens, width = x.shape
        query, key, value = (
            part.view(batch, tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        self.keys.index_copy_(2, position, key)
        self.values.index_copy_(2, position, value)
        seen = torch.arange(self.keys.shape[2]) <= position[:, None]
        mixed = functional.scaled_dot_product_attention(query, self.keys, self.values, seen)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return functional.linear(x, self.table.weight)


@pytest.mark.parametrize(
    ("batch", "context", "region", "dtype", "engine"),
    [
        (1, 9, (3, 2), "f32", "vector"),
        (2, 10, (2, 4), "f32", "vector"),
        (1, 7, (4, 3), "f16", "vector"),
        (2, 5, (3, 2), "mixed", "vector"),
        (1, 5, (2, 2), "f32", "reference"),
    ],
)
def test_a_decoder_with_a_cache_equals_torch_token_by_token(
    batch: int, context: int, region: tuple[int, int], dtype: str, engine: str
) -> None:
    torch.manual_seed(context)
    model = Cached(batch, context).eval()
    reference = copy.deepcopy(model)
    example = (torch.zeros(batch, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long))
    compiled = waferc.compile(model, example, region=region, dtype=dtype)
    compiled.engine = engine
    ids = torch.randint(0, 17, (batch, context))
    limit = 1e-5 if dtype == "f32" else 2e-2
    for t in range(context):
        args = ids[:, t : t + 1], torch.tensor([t])
        with torch.no_grad():
            expected = reference(*args)
        assert float((compiled(*args) - expected).abs().max()) < limit
    states = compiled.session.states()
    np.testing.assert_allclose(states["keys"], reference.keys.numpy(), atol=limit)
    compiled.session.reset()
    assert not compiled.session.states()["keys"].any()


def test_several_tokens_at_once_and_then_one_by_one() -> None:
    torch.manual_seed(1)
    model = Cached(1, 8).eval()
    reference = copy.deepcopy(model)
    example = (torch.zeros(1, 4, dtype=torch.long), torch.arange(4))
    compiled = waferc.compile(model, example, region=(3, 3))
    ids = torch.randint(0, 17, (1, 8))
    for start in (0, 4):
        args = ids[:, start : start + 4], torch.arange(start, start + 4)
        with torch.no_grad():
            expected = reference(*args)
        assert float((compiled(*args) - expected).abs().max()) < 1e-5


def test_verification_leaves_the_state_of_a_first_call() -> None:
    model = Cached(1, 6).eval()
    args = (torch.tensor([[3]]), torch.tensor([0]))
    compiled = waferc.compile(model, args, region=(2, 2))
    first = compiled(*args)
    assert compiled.verify().passed
    assert compiled.verify().passed
    torch.testing.assert_close(compiled(*args), first)
    assert not model.keys.any()
