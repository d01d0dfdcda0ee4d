"""Text from a language model on the wafer: one token after the other, caches in SRAM.

The model is a module `forward(ids [batch, tokens], position [tokens])` that gives logits
[batch, tokens, vocabulary] and keeps what it needs of earlier tokens in buffers. It is compiled
for one token, and for a chunk of the prompt, over the same weights and buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.compiled import Compiled
from waferc.decoding import DECODE, PREFILL, Decoding, GenerateError, Tokens
from waferc.driver import compile
from waferc.passes.allocate import AllocateError
from waferc_ir.diagnostics import WaferError, collect

Observe = Callable[[Tokens], None]
_CHUNK = 8  # tokens of a prompt per call, where the caller does not say


@dataclass(frozen=True, slots=True)
class Choice:
    """How the next token is chosen: the likeliest at temperature 0, else drawn with `seed`."""

    temperature: float = 0.0
    seed: int = 0

    def chooser(self) -> Callable[[NDArray[Any]], Tokens]:
        """A function from logits [batch, vocabulary] to tokens [batch]; draws in order."""
        random = np.random.default_rng(self.seed)

        def choose(logits: NDArray[Any]) -> Tokens:
            if self.temperature == 0.0:
                return logits.argmax(axis=-1)
            # the largest of logits with Gumbel noise is a draw from their softmax
            noise = random.gumbel(size=logits.shape)
            return (logits.astype(np.float64) / self.temperature + noise).argmax(axis=-1)

        return choose


def generate(
    model: object,
    prompt: object,
    max_new_tokens: int,
    *,
    context: int | None = None,
    prefill: int | None = None,
    temperature: float = 0.0,
    seed: int = 0,
    observe: Observe = lambda tokens: None,
    **options: Any,
) -> Tokens:
    """Go on with a prompt.

    Args:
        model: a `Compiled` decoder; or a module to compile as one: a causal language model of
            `transformers`, or `forward(ids, position)` as this file's head says.
        prompt: token ids, [tokens] or [batch, tokens].
        max_new_tokens: how many tokens to add to each row.
        context: how many tokens the model's cache holds; a `Compiled` one knows it.
        prefill: as for `decoder`, where the model is a module.
        temperature: 0 takes the likeliest token; larger ones draw from softmax(logits / t).
        seed: of the draws.
        observe: called with the tokens [batch] of every new position as they come.
        options: those of `waferc.compile`, where the model is a module.

    Returns:
        The prompt and the new tokens, [batch, tokens].

    Raises:
        GenerateError: prompt and new tokens exceed the context, ids are out of range, or the
            program is no decoder.
        WaferError: as `waferc.compile`.
    """
    rows = _rows(prompt)
    batch, length = rows.shape
    if isinstance(model, Compiled):
        compiled = model
    elif context is None:
        raise GenerateError("the context is not given", help="say how many tokens the cache holds")
    else:
        _check(length, max_new_tokens, context, temperature)  # before the work of compiling
        _check_weights(model)
        compiled = decoder(model, batch, context, prefill=prefill, **options)
    decoding = Decoding.of(compiled, batch, context)
    _check(length, max_new_tokens, decoding.capacity, temperature)
    vocabulary = decoding.vocabulary
    wrong = rows[(rows < 0) | (rows >= vocabulary)]
    if wrong.size:
        raise GenerateError(
            f"the prompt has token {int(wrong[0])}, and the model knows 0 to {vocabulary - 1:,}"
        )
    choose = Choice(temperature, seed).chooser()
    compiled.wafers.reset()
    *_, (_, told) = decoding.logits(rows)
    logits = told[:, -1]
    found = [rows]
    for position in range(length, length + max_new_tokens):
        tokens = choose(logits)
        observe(tokens)
        found.append(tokens[:, np.newaxis])
        if position + 1 < length + max_new_tokens:
            logits = decoding.step(tokens, position)
    return np.concatenate(found, axis=1)


def decoder(
    model: object, batch: int, context: int, *, prefill: int | None = None, **options: Any
) -> Compiled:
    """A module compiled as a decoder, with the entries `prefill` and `decode`.

    `prefill` is how many tokens of a prompt one call takes; 1 sends them through `decode`, the
    only entry then. By default it is 8, or the context if that is shorter, for a model of
    `transformers`, unless the SRAM holds the code of one entry alone; and 1 for another module.
    With more, a module must keep what it knows of a token by its position, to be written again, and
    read from later positions only, as caches of keys and values do. Options are those of
    `waferc.compile`.

    Raises:
        GenerateError: `prefill` is less than 1 or more than the context.
        WaferError: as `waferc.compile`; CaptureError if the model takes no cache.
    """
    from waferc.frontend.decoder import CachedDecoder, is_language_model

    chunk = 1 if prefill is None else prefill
    if not 1 <= chunk <= context:
        raise GenerateError(
            f"{chunk} tokens of a prompt per call, of a cache of {context}",
            help=f"prefill is 1 to {context}",
        )
    if is_language_model(model):
        options.setdefault("name", type(model).__name__)
        model = CachedDecoder(model, batch, context)
        model.check()
        chunk = min(_CHUNK, context) if prefill is None else prefill

    def example(tokens: int) -> tuple[Tokens, Tokens]:
        return np.zeros((batch, tokens), np.int64), np.arange(tokens)

    if chunk > 1:
        entries = {PREFILL: example(chunk), DECODE: example(1)}
        if not options.get("calls"):  # an answer about as long as the prompt
            options["calls"] = {PREFILL: 1, DECODE: chunk}
        try:
            return compile(model, entries=entries, **options)
        except AllocateError:
            if prefill is not None:
                raise
    options.pop("calls", None)  # there is but one entry
    return compile(model, example(1), **options)


def _check_weights(model: object) -> None:
    from waferc.frontend.decoder import without_data

    missing = without_data(model)
    if missing:
        raise GenerateError(
            f"{len(missing):,} weights of the model have no data, the first is {missing[0]}",
            help="generate with a model that is not on the meta device",
        )


def _rows(prompt: object) -> Tokens:
    try:
        array = np.asarray(prompt)
    except ValueError:
        raise GenerateError("the rows of the prompt have different lengths") from None
    rows = array[np.newaxis] if array.ndim == 1 else array
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in "iu":
        raise GenerateError(
            f"the prompt is {list(array.shape)} {array.dtype}",
            help="give token ids: [tokens] or [batch, tokens], at least one per row",
        )
    return rows.astype(np.int64)


def _check(length: int, more: int, context: int, temperature: float) -> None:
    problems: list[WaferError] = []
    if more < 1:
        problems.append(GenerateError(f"{more} new tokens are none", help="ask for 1 or more"))
    if length + more - 1 > context:
        problems.append(
            GenerateError(
                f"{length} tokens of prompt and {more} new ones need a context of"
                f" {length + more - 1}, and the cache holds {context}",
                help=f"ask for at most {max(0, context - length + 1)} new tokens",
            )
        )
    if not temperature >= 0 or temperature == np.inf:
        problems.append(GenerateError(f"the temperature is {temperature}", help="0 or larger"))
    problem = collect(problems)
    if problem is not None:
        raise problem
