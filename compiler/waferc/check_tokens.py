"""Whether a decoder on the wafer gives the logits that PyTorch gives for the same tokens."""

from __future__ import annotations

import numpy as np

from waferc.compiled import Compiled
from waferc.generate import Tokens
from waferc.tolerance import Verification, compare


def check_tokens(compiled: Compiled, model: object, tokens: Tokens) -> Verification:
    """Compare the logits of every token of `tokens` [batch, tokens], given those before it.

    The bound follows from element types and accumulations; `Verification.used` is the share of it
    that is used. The states are those of a new text, before and after.

    Args:
        compiled: the decoder, one token per row and call.
        model: the PyTorch model that it was made of.
        tokens: ids, at most as many as the cache holds.
    """
    from waferc.frontend.decoder import logits_of

    expected = logits_of(model, tokens)
    compiled.session.reset()
    found = [
        np.asarray(compiled(tokens[:, t : t + 1], np.asarray([t]))) for t in range(tokens.shape[1])
    ]
    compiled.session.reset()
    dtype = compiled.bundle.manifest.dtype
    return compare(
        {"logits": np.concatenate(found, axis=1)}, {"logits": expected}, compiled.tolerance, dtype
    )
