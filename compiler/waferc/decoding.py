"""A compiled decoder: the prompt in chunks, then one token per row and call.

Its entry `decode` (or its only one) takes ids [batch, 1] and a position [1]; `prefill`, if it has
that, ids [batch, chunk] and as many positions. Both give logits, `prefill` those of each token or
of the last alone, and keep what they need of earlier tokens in the same buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.compiled import Compiled
from waferc_ir.diagnostics import WaferError

PREFILL, DECODE = "prefill", "decode"
MOST_TOKENS = 2**31 - 1

Tokens = NDArray[np.int64]


class GenerateError(WaferError):
    """A prompt or a model with which no text can be generated."""

    code = "generate"


@dataclass(frozen=True, slots=True)
class Decoding:
    """A decoder of `batch` rows, whose cache holds `capacity` tokens.

    `chunk` is how many tokens of a prompt a call of `prefill` takes, `told` of how many it gives
    the logits: all, or the last.
    """

    decode: Compiled
    prefill: Compiled | None
    batch: int
    vocabulary: int
    capacity: int
    chunk: int
    told: int

    @staticmethod
    def of(compiled: Compiled, batch: int, context: int | None) -> Decoding:
        """A compiled program as a decoder for so many rows, with at most `context` tokens.

        Raises:
            GenerateError: it is none.
        """
        has_prefill = set(compiled.entries) == {PREFILL, DECODE}
        decode = compiled[DECODE] if has_prefill else compiled
        prefill = compiled[PREFILL] if has_prefill else None
        vocabulary, _ = _logits(decode, batch, 1)
        if not any(placement.is_mutable for placement in compiled.bundle.manifest.state):
            raise GenerateError(
                "the program keeps nothing between calls: it has no cache of earlier tokens",
                help="write forward(ids, position) with the cache in buffers",
            )
        capacity = min(context or MOST_TOKENS, _capacity(decode))
        if prefill is None:
            return Decoding(decode, None, batch, vocabulary, capacity, 1, 1)
        chunk = max(shape[-1] for shape in _input_shapes(prefill))
        _, told = _logits(prefill, batch, chunk)
        return Decoding(decode, prefill, batch, vocabulary, capacity, chunk, told)

    def logits(
        self, rows: Tokens, *, by_token: bool = False
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Places in a prompt and the logits [batch, places, vocabulary] behind them, to the last.

        The cache then has the prompt. Where the cache or, if logits are those of a last token, the
        prompt ends before the last chunk does, that begins with tokens that stand in the cache
        already, and are written again. Else it is filled up with tokens behind the prompt: none of
        the prompt's sees them, and their places in the cache are written anew before they are read.
        What is too short for a chunk goes token by token, and everything with `by_token`.
        """
        length = rows.shape[1]
        start = 0
        while start < length:
            begin = min(start, self._last_begin(length))
            if by_token or self.prefill is None or length - start == 1 or begin < 0:
                yield slice(start, start + 1), self.step(rows[:, start], start)[:, np.newaxis]
                start += 1
                continue
            ids = np.zeros((self.batch, self.chunk), np.int64)
            given = rows[:, begin : begin + self.chunk]
            ids[:, : given.shape[1]] = given
            logits = np.asarray(self.prefill(ids, np.arange(begin, begin + self.chunk)))
            end = begin + given.shape[1]
            first = max(start, begin + self.chunk - self.told)
            yield slice(first, end), logits[:, first - begin - self.chunk :][:, : end - first]
            start = end

    def _last_begin(self, length: int) -> int:
        """Where the last chunk of a prompt may begin; negative if there is no place for one."""
        end = length if self.told < self.chunk else self.capacity
        return end - self.chunk

    def step(self, tokens: Tokens, position: int) -> NDArray[Any]:
        """Logits [batch, vocabulary] behind the tokens [batch] at a position."""
        return np.asarray(self.decode(tokens[:, np.newaxis], np.asarray([position])))[:, 0]


def _input_shapes(entry: Compiled) -> list[tuple[int, ...]]:
    return [tuple(placement.shape) for placement in entry.entry.inputs]


def _capacity(decode: Compiled) -> int:
    """How many positions the program has; without end where it does not number them."""
    limits = decode.signature.limits
    positions = [p.label for p in decode.entry.inputs if tuple(p.shape) == (1,)]
    return min(
        (limits[label][1] + 1 for label in positions if label in limits), default=MOST_TOKENS
    )


def _logits(program: Compiled, batch: int, tokens: int) -> tuple[int, int]:
    """Vocabulary, and of how many tokens logits are given: all, or the last.

    The entry is checked to take and give so many rows and tokens.
    """
    entry = program.entry
    inputs = _input_shapes(program)
    outputs = [tuple(placement.shape) for placement in entry.outputs]
    wanted: Sequence[tuple[int, ...]] = [(tokens,), (batch, tokens)]
    is_decoder = sorted(set(inputs), key=len) == wanted and len(outputs) == 1
    if not is_decoder or outputs[0][:-1] not in ((batch, tokens), (batch, 1)):
        raise GenerateError(
            f"the program takes {', '.join(map(str, entry.inputs))} and gives"
            f" {', '.join(map(str, entry.outputs))}",
            help=f"a decoder for this prompt takes ids [{batch}, {tokens}] and a position"
            f" [{tokens}] and gives logits [{batch}, {tokens}, vocabulary]",
        )
    return outputs[0][-1], outputs[0][1]
