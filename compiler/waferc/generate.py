"""Text from a language model on the wafer: one token after the other, caches in SRAM.

The model is a program of one token per row: `forward(ids [batch, 1], position [1])` gives logits
[batch, 1, vocabulary] and keeps what it needs of earlier tokens in buffers. The prompt goes
through the same program, token by token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.compiled import Compiled
from waferc.driver import compile
from waferc_ir.diagnostics import WaferError, collect

_MOST_TOKENS = 2**31 - 1

Tokens = NDArray[np.int64]
Observe = Callable[[Tokens], None]


class GenerateError(WaferError):
    """A prompt or a model with which no text can be generated."""

    code = "generate"


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
        compiled = decoder(model, batch, context, **options)
    vocabulary = _vocabulary(compiled, batch)
    _check(length, max_new_tokens, min(context or _MOST_TOKENS, _capacity(compiled)), temperature)
    wrong = rows[(rows < 0) | (rows >= vocabulary)]
    if wrong.size:
        raise GenerateError(
            f"the prompt has token {int(wrong[0])}, and the model knows 0 to {vocabulary - 1:,}"
        )
    choose = Choice(temperature, seed).chooser()
    compiled.session.reset()
    tokens = [rows[:, n] for n in range(length)]
    for position in range(length + max_new_tokens - 1):
        logits = np.asarray(compiled(tokens[position][:, np.newaxis], np.asarray([position])))
        if position + 1 >= length:
            tokens.append(choose(logits[:, 0]))
            observe(tokens[-1])
    return np.stack(tokens, axis=1)


def decoder(model: object, batch: int, context: int, **options: Any) -> Compiled:
    """A module compiled as a decoder of one token per row. Options are those of `waferc.compile`.

    Raises:
        WaferError: as `waferc.compile`; CaptureError if the model takes no cache.
    """
    from waferc.frontend.decoder import CachedDecoder, is_language_model

    if is_language_model(model):
        options.setdefault("name", type(model).__name__)
        model = CachedDecoder(model, batch, context)
        model.check()
    example = np.zeros((batch, 1), np.int64), np.zeros(1, np.int64)
    return compile(model, example, **options)


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


def _capacity(compiled: Compiled) -> int:
    """How many positions the program has; without end where it does not number them."""
    entry, limits = compiled.entry, compiled.signature.limits
    positions = [p.label for p in entry.inputs if tuple(p.shape) == (1,)]
    return min(
        (limits[label][1] + 1 for label in positions if label in limits), default=_MOST_TOKENS
    )


def _vocabulary(compiled: Compiled, batch: int) -> int:
    """Extent of the logits; the program is checked to be a decoder for so many rows."""
    entry = compiled.entry
    inputs = [tuple(placement.shape) for placement in entry.inputs]
    outputs = [tuple(placement.shape) for placement in entry.outputs]
    is_decoder = sorted(set(inputs), key=len) in ([(1,), (batch, 1)],) and len(outputs) == 1
    if not is_decoder or outputs[0][:-1] != (batch, 1):
        raise GenerateError(
            f"the program takes {', '.join(map(str, entry.inputs))} and gives"
            f" {', '.join(map(str, entry.outputs))}",
            help=f"a decoder for this prompt takes ids [{batch}, 1] and a position [1] and gives"
            f" logits [{batch}, 1, vocabulary]",
        )
    if not any(placement.is_mutable for placement in compiled.bundle.manifest.state):
        raise GenerateError(
            "the program keeps nothing between calls: it has no cache of earlier tokens",
            help="write forward(ids, position) with the cache in buffers",
        )
    return outputs[0][-1]
