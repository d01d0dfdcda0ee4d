"""A causal language model of `transformers` as a module that keeps its cache in buffers.

`transformers` keeps caches in objects beside the model. Here their tensors are buffers of a module
that are bound to the cache anew in every call, so that torch.export sees that they change. Layers
with a sliding window get a whole cache and a mask: their own cache branches on the position.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from waferc.frontend.captured import CaptureError

_TENSORS = ("keys", "values", "cumulative_length")
_CHECKED_TOKENS = 6
_LARGEST_ERROR = 0.02  # f16 and bf16 models round; another mask or position changes far more


def is_language_model(model: Any) -> bool:
    """Whether `model` is a causal language model of `transformers`."""
    library = sys.modules.get("transformers")
    if library is None or not isinstance(model, library.PreTrainedModel):
        return False
    return bool(model.can_generate()) and not model.config.is_encoder_decoder


def without_data(model: Any) -> list[str]:
    """Names of the parameters and buffers of a module that are on the meta device."""
    if not isinstance(model, torch.nn.Module):
        return []
    tensors = (*model.named_parameters(), *model.named_buffers())
    return [name for name, tensor in tensors if tensor.is_meta]


def logits_of(model: Any, tokens: NDArray[np.int64]) -> NDArray[Any]:
    """Logits [batch, tokens, vocabulary] of PyTorch, from an empty cache or without one.

    Raises:
        CaptureError: the model does not take such tokens.
    """
    ids = torch.from_numpy(np.array(tokens))
    try:
        with torch.no_grad():
            if is_language_model(model):
                return model(input_ids=ids, use_cache=False).logits.float().numpy()
            fresh = copy.deepcopy(model)
            steps = [fresh(ids[:, t : t + 1], torch.tensor([t])) for t in range(ids.shape[1])]
            return torch.cat(steps, 1).float().numpy()
    except Exception as problem:  # the user's own code runs in here
        raise CaptureError(
            f"PyTorch cannot run the model on these tokens: {type(problem).__name__}: {problem}",
            help="it takes ids [batch, 1] and a position [1]",
        ) from None


class CachedDecoder(torch.nn.Module):
    """`forward(ids [batch, tokens], position [tokens]) -> logits [batch, 1, vocabulary]`.

    The logits are those behind the last of the tokens; behind all of them where the model does not
    take `logits_to_keep`.

    Raises:
        CaptureError: the model has no key and value cache of a fixed size.
    """

    def __init__(self, model: Any, batch: int, context: int) -> None:
        super().__init__()
        self.model = model
        caches = importlib.import_module("transformers.cache_utils")  # an optional package
        whole: Any = caches.StaticLayer
        cache: Any = caches.StaticCache(model.config.get_text_config(), max_cache_len=context)
        cache.layers = [layer if type(layer) is whole else whole(context) for layer in cache.layers]
        start = torch.zeros(batch, 1, dtype=torch.long, device=model.device)
        try:
            with torch.no_grad():  # gives every layer its number of heads and their widths
                model(input_ids=start, past_key_values=cache, use_cache=True)
            for number, layer in enumerate(cache.layers):
                for name in _TENSORS:
                    buffer = torch.zeros_like(getattr(layer, name))
                    self.register_buffer(f"{name}_{number}", buffer, persistent=False)
        except (AttributeError, TypeError, ValueError) as problem:
            raise CaptureError(
                f"{type(model).__name__} takes no static cache: {problem}",
                help="write forward(ids, position) with the cache in buffers",
            ) from None
        self.cache = cache
        self.batch = batch
        self.context = context
        self.keeps = {"logits_to_keep": 1} if _takes(model, "logits_to_keep") else {}

    def check(self) -> None:
        """Compare the first tokens' logits with those of the model without a cache.

        Raises:
            CaptureError: they differ: the model's own code does not follow a cache of fixed size.
        """
        if without_data(self):
            return
        tokens = min(self.context, _CHECKED_TOKENS)
        known = int(self.model.config.get_text_config().vocab_size)
        ids = (torch.arange(self.batch * tokens).view(self.batch, tokens) * 7 + 1) % known
        with torch.no_grad():
            wanted = self.model(input_ids=ids, use_cache=False).logits.float()
            steps = [self(ids[:, t : t + 1], torch.tensor([t])) for t in range(tokens)]
            for name, buffer in self.named_buffers():
                if name.rpartition("_")[0] in _TENSORS:
                    buffer.zero_()
        error = float((torch.cat(steps, 1).float() - wanted).norm() / wanted.norm())
        if not error < _LARGEST_ERROR:
            raise CaptureError(
                f"{type(self.model).__name__} with a static cache gives other logits than without:"
                f" relative error {error:.2g} over the first {tokens} tokens",
                help="write forward(ids, position) with the cache in buffers",
            )

    def forward(self, ids: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Logits behind the tokens at `position`, which follow those that the cache holds."""
        for number, layer in enumerate(self.cache.layers):
            for name in _TENSORS:
                setattr(layer, name, self.get_buffer(f"{name}_{number}"))
            layer.cumulative_length.copy_(position[0])
        batch = ids.shape[0]
        return self.model(
            input_ids=ids,
            position_ids=position[None].expand(batch, -1),
            past_key_values=self.cache,
            use_cache=True,
            **self.keeps,
        ).logits


def _takes(model: torch.nn.Module, argument: str) -> bool:
    return argument in inspect.signature(model.forward).parameters
