"""Whether a decoder on the wafer gives the logits that PyTorch gives for the same tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.compiled import Compiled
from waferc.decoding import Decoding, Tokens
from waferc.tolerance import Verification, compare


def check_tokens(compiled: Compiled, model: object, tokens: Tokens) -> Verification:
    """Compare the logits of every token of `tokens` [batch, tokens], given those before it.

    Of a prefill those that it tells.

    The bound follows from element types and accumulations; `Verification.used` is the share of it
    that is used. The states are those of a new text, before and after.

    Args:
        compiled: the decoder; one with a prefill is checked with it and without.
        model: the PyTorch model that it was made of.
        tokens: ids, at most as many as the cache holds.
    """
    from waferc.frontend.decoder import logits_of

    expected = logits_of(model, tokens)
    decoding = Decoding.of(compiled, tokens.shape[0], None)
    found: dict[str, NDArray[Any]] = {}
    wanted: dict[str, NDArray[Any]] = {}
    for way in ("by token",) if decoding.prefill is None else ("by token", "by chunk"):
        compiled.wafers.reset()
        told = list(decoding.logits(tokens, by_token=way == "by token"))
        found[f"logits {way}"] = np.concatenate([logits for _, logits in told], axis=1)
        wanted[f"logits {way}"] = np.concatenate([expected[:, where] for where, _ in told], axis=1)
    compiled.wafers.reset()
    limits = [one.tolerance for one in (decoding.decode, decoding.prefill) if one is not None]
    return compare(
        found,
        wanted,
        max(limits, key=lambda limit: limit.relative_l2),
        compiled.bundle.manifest.dtype,
    )
