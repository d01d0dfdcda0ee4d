"""Prompts, positions and models from which no text can come are refused, and the reason is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.end_to_end.test_state import Cached
from torch import Tensor, nn

import waferc
from waferc.frontend.captured import CaptureError
from waferc.generate import GenerateError, decoder
from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.session import InputError

PROMPT = np.asarray([[3, 1, 4]])


@pytest.fixture(scope="module")
def compiled() -> waferc.Compiled:
    return decoder(Cached(1, 6).eval(), 1, 6, region=(2, 2))


@pytest.mark.parametrize(
    ("token", "position", "message"),
    [
        (17, 0, "'ids' has 1 numbers that the model does not know, the first is 17"),
        (-1, 0, "'ids' has 1 numbers that the model does not know, the first is -1"),
        (3, 6, "'position' has 1 numbers that the model does not know, the first is 6"),
    ],
)
def test_ids_and_positions_that_there_are_not_are_refused(
    compiled: waferc.Compiled, token: int, position: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compiled(np.asarray([[token]]), np.asarray([position]))


def test_both_are_told_at_once_and_a_saved_bundle_knows_them(
    compiled: waferc.Compiled, tmp_path: Any
) -> None:
    compiled.save(tmp_path / "b")
    loaded = waferc.load(tmp_path / "b")
    with pytest.raises(WaferError) as caught:
        loaded(np.asarray([[99]]), np.asarray([-3]))
    assert "the first is 99" in str(caught.value)
    assert "it takes 0 to 5" in str(caught.value)


def test_a_compiled_decoder_knows_its_context(compiled: waferc.Compiled) -> None:
    with pytest.raises(GenerateError, match="need a context of 7, and the cache holds 6"):
        waferc.generate(compiled, PROMPT, 5)
    with pytest.raises(GenerateError, match="the cache holds 4"):
        waferc.generate(compiled, PROMPT, 5, context=4)


class Forgetful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        return self.table(ids) @ self.table.weight.T


class Deciding(Cached):
    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        logits = super().forward(ids, position)
        return logits * 2 if position[0] > 3 else logits


@pytest.mark.parametrize(
    ("model", "context", "error", "message"),
    [
        (Forgetful(), 6, GenerateError, "keeps nothing between calls"),
        (Deciding(1, 6), 6, CaptureError, "control flow or a shape depends on the data"),
        (Cached(1, 6), None, GenerateError, "the context is not given"),
        (Cached(1, 6), 9, GenerateError, "need a context of 7, and the cache holds 6"),
        (Cached(1, 6).to("meta"), 6, GenerateError, "8 weights of the model have no data, the fir"),
        (Cached(1, 6, width=300), 6, WaferError, "bytes of SRAM and has 49,152"),
    ],
)
def test_models_that_cannot_generate(
    model: nn.Module, context: int | None, error: type[WaferError], message: str
) -> None:
    more = 5 if context == 9 else 2
    with pytest.raises(error, match=message):
        waferc.generate(model, PROMPT, more, context=context, region=(2, 2))


def test_rows_of_a_prompt_are_equally_long(compiled: waferc.Compiled) -> None:
    with pytest.raises(GenerateError, match="rows of the prompt have different lengths"):
        waferc.generate(compiled, [[1, 2], [3]], 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "sizes", "message"),
    [
        (
            "GPTNeo",
            {
                "num_layers": 1,
                "attention_types": [[["local"], 1]],
                "num_heads": 2,
                "window_size": 3,
            },
            "with a static cache gives other logits than without: relative error",
        ),
        ("Mamba", {"num_hidden_layers": 1, "state_size": 4}, "takes no static cache"),
    ],
)
def test_models_without_a_cache_of_fixed_size(
    family: str, sizes: dict[str, Any], message: str
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(vocab_size=40, hidden_size=16, **sizes)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    if family == "GPTNeo":
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(10)  # attention shows in the logits
    with pytest.raises(CaptureError, match=message):
        decoder(model, 1, 8)
