"""How many tokens a call is about, where an entry is that of a language model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Shape = tuple[int, ...]


def tokens_of(inputs: Iterable[Shape], outputs: Sequence[Shape]) -> int | None:
    """Tokens per call, of all rows, by the shapes of an entry's inputs and outputs.

    A language model takes ids [batch, tokens] and positions [tokens], and gives logits
    [batch, tokens, vocabulary], or those of a last token [batch, 1, vocabulary]. None otherwise.
    """
    given = sorted(set(inputs), key=len)
    if [len(shape) for shape in given] != [1, 2] or [len(shape) for shape in outputs] != [3]:
        return None
    (positions,), (batch, tokens) = given
    is_decoder = positions == tokens and outputs[0][:2] in ((batch, tokens), (batch, 1))
    return batch * tokens if is_decoder else None


def rates(
    clock_hz: int, cycles: float, slowest: tuple[str, float] | None, tokens: int | None
) -> str:
    """Calls or tokens per second: one after the other, and following one another in regions.

    `slowest` is the region that works longest in a call, and for how many cycles.
    """
    count, what = (1, "calls") if tokens is None else (tokens, "tokens")
    text = f"{count * clock_hz / max(1.0, cycles):,.1f} {what} per second, one after the other"
    if tokens is not None:
        text = f"{text} (one stream)"
    if slowest is None:
        return text
    region, work = slowest
    return (
        f"{text}; at most {count * clock_hz / max(1.0, work):,.1f} if they follow one another"
        f" through the regions, as {region} works for {work:,.0f} cycles"
    )
