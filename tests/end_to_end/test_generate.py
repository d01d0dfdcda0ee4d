"""Text generated on the wafer is what PyTorch generates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.end_to_end.test_state import Cached
from torch import Tensor

import waferc
from waferc.check_tokens import check_tokens
from waferc.generate import Choice, GenerateError, decoder
from waferc_ir.machine import machine

GREEDY = Choice()
PROMPT = np.asarray([[3, 1, 4], [1, 5, 9]])


def by_torch(
    model: Any, prompt: NDArray[Any], more: int, choice: Choice = GREEDY
) -> list[list[int]]:
    """Generation without a cache: `model(ids)` gives the logits of all tokens."""
    ids, choose = torch.from_numpy(prompt), choice.chooser()
    for _ in range(more):
        with torch.no_grad():
            tokens = choose(model(ids)[:, -1].numpy())
        ids = torch.cat([ids, torch.from_numpy(tokens)[:, None]], 1)
    return [[int(token) for token in row] for row in ids]


class Last(Cached):
    """Gives the logits of the last token alone."""

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        return super().forward(ids, position)[:, -1:]


@pytest.mark.parametrize(("prefill", "kind"), [(None, Cached), (5, Cached), (5, Last)])
def test_tokens_of_a_batch_are_those_of_torch_and_come_one_by_one(
    prefill: int | None, kind: type[Cached]
) -> None:
    torch.manual_seed(7)
    model = kind(2, 9).eval()
    weights = model.state_dict()

    def whole(ids: Tensor) -> Tensor:
        fresh = Cached(2, 9).eval()
        fresh.load_state_dict({**weights, "keys": fresh.keys, "values": fresh.values})
        return fresh(ids, torch.arange(ids.shape[1]))

    seen: list[list[int]] = []
    compiled = decoder(model, 2, 9, region=(3, 2), prefill=prefill)
    assert compiled.entries == (("main",) if prefill is None else ("prefill", "decode"))
    found = waferc.generate(
        compiled, PROMPT, 6, context=9, observe=lambda tokens: seen.append(tokens.tolist())
    )
    assert found.tolist() == by_torch(whole, PROMPT, 6)
    assert np.asarray(seen).T.tolist() == found[:, 3:].tolist()
    again = waferc.generate(compiled, PROMPT[:, :2], 3, context=9)  # nothing is left of before
    assert again.tolist() == by_torch(whole, PROMPT[:, :2], 3)
    # whole chunks, a last one that is filled up, one that begins earlier, one token alone
    rows = np.random.default_rng(5).integers(0, 17, (2, 9))
    for length in (1, 5, 6, 8, 9):
        more = min(2, 10 - length)
        found = waferc.generate(compiled, rows[:, :length], more, context=9)
        assert found.tolist() == by_torch(whole, rows[:, :length], more)
    drawn = waferc.generate(compiled, PROMPT, 6, context=9, temperature=20.0, seed=4)
    choice = Choice(temperature=20.0, seed=4)
    assert drawn.tolist() == by_torch(whole, PROMPT, 6, choice)
    assert len(np.unique(drawn[:, 3:])) > 6
    assert check_tokens(compiled, kind(2, 9).eval(), rows).passed is False  # other weights
    assert check_tokens(compiled, model, rows).passed


def test_draws_follow_the_softmax_of_the_logits() -> None:
    logits = np.log(np.asarray([[0.7, 0.2, 0.1]]))
    choose = Choice(temperature=1.0, seed=3).chooser()
    drawn = np.bincount([int(choose(logits)[0]) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0.7, 0.2, 0.1], atol=0.03)
    cold = Choice(temperature=0.25, seed=3).chooser()
    assert np.mean([int(cold(logits)[0]) == 0 for _ in range(500)]) > 0.95


@pytest.mark.parametrize(
    ("prompt", "more", "temperature", "message"),
    [
        (PROMPT, 8, 0.0, "need a context of 10, and the cache holds 9"),
        (PROMPT, 0, 0.0, "0 new tokens are none"),
        (PROMPT + 12, 2, 0.0, "token 17, and the model knows 0 to 16"),
        (PROMPT / 2, 2, 0.0, r"the prompt is \[2, 3\] float64"),
        (PROMPT[0], 2, 0.0, r"a decoder for this prompt takes ids \[1, 1\]"),
        (PROMPT, 2, -1.0, "the temperature is -1.0"),
    ],
)
def test_what_cannot_be_generated_is_said(
    prompt: Any, more: int, temperature: float, message: str, compiled_pair: waferc.Compiled
) -> None:
    with pytest.raises(GenerateError, match=message):
        waferc.generate(compiled_pair, prompt, more, context=9, temperature=temperature)


@pytest.fixture(scope="module")
def compiled_pair() -> waferc.Compiled:
    return decoder(Cached(2, 9).eval(), 2, 9, region=(2, 2))


def test_without_room_for_two_programs_the_prompt_goes_token_by_token() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    model = transformers.GPT2LMHeadModel(config).eval()
    target = replace(machine("wse3"), sram_bytes=24_000)
    assert decoder(model, 1, 4, region=(2, 2), target=target).entries == ("main",)
    with pytest.raises(waferc.WaferError, match="bytes of SRAM and has 24,000"):
        decoder(model, 1, 4, prefill=4, region=(2, 2), target=target)


@pytest.mark.parametrize("prefill", [0, 10])
def test_a_chunk_fits_the_cache(prefill: int) -> None:
    with pytest.raises(GenerateError, match=f"{prefill} tokens of a prompt per call, of a cache"):
        decoder(Cached(2, 9).eval(), 2, 9, prefill=prefill)
