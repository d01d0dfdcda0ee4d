"""Language models of `transformers` give PyTorch's tokens and logits; none is known by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import waferc
from waferc.check_tokens import check_tokens
from waferc.generate import decoder

PROMPT = np.asarray([[3, 1], [11, 5]])
MORE = 4

GPT = {"n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2}
GROUPED = {
    "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 16, "pad_token_id": 0,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8, "rope_theta": 10000.0,
}  # fmt: skip
WINDOW = {"sliding_window": 3, "head_dim": 6, "query_pre_attn_scalar": 6, "num_hidden_layers": 2}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT2": ("GPT2LMHeadModel", GPT),  # learned positions, tied weights
    "Llama": ("LlamaForCausalLM", {**GROUPED, "rope_parameters": LLAMA3, "num_hidden_layers": 2}),
    "Mistral": ("MistralForCausalLM", {**GROUPED, "sliding_window": 3}),
    "Qwen2": ("Qwen2ForCausalLM", GROUPED),  # biases of queries, keys and values
    "Qwen3": ("Qwen3ForCausalLM", {**GROUPED, "head_dim": 6}),  # norms of queries and keys
    "Gemma": ("GemmaForCausalLM", {**GROUPED, "num_key_value_heads": 1, "head_dim": 6}),
    "Gemma2": ("Gemma2ForCausalLM", {**GROUPED, **WINDOW}),  # capped scores and logits
    "Phi3": ("Phi3ForCausalLM", GROUPED),  # queries, keys and values in one matrix
    "GPTNeoX": ("GPTNeoXForCausalLM", {**GROUPED, "rotary_pct": 0.5}),  # side by side
    "GPTJ": ("GPTJForCausalLM", {**GPT, "rotary_dim": 4}),  # interleaved pairs
    "Bloom": ("BloomForCausalLM", {"hidden_size": 16, "n_layer": 1, "n_head": 4}),  # ALiBi
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", MODELS)
def test_tokens_and_logits_are_those_of_torch(family: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(2)
    name, sizes = MODELS[family]
    model = getattr(transformers, name)(getattr(transformers, f"{family}Config")(
        vocab_size=40, bos_token_id=1, eos_token_id=2, **sizes)).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():  # random weights of 0.02 hide what layers do
            parameter.mul_(4) if parameter.dim() > 1 else parameter.add_(
                0.1 * torch.randn_like(parameter)
            )
    prefill = 3 if sizes.get("num_hidden_layers") != 2 else 1  # code of one program at a time
    compiled = decoder(model, 2, 7, prefill=prefill, region=(3, 2))
    tokens = waferc.generate(compiled, PROMPT, MORE)
    ids = torch.from_numpy(PROMPT)
    for _ in range(MORE):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    np.testing.assert_array_equal(tokens, ids.numpy())
    result = check_tokens(compiled, model, tokens)
    assert result.passed, str(result)
