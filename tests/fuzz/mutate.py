"""Damaged CSL: tokens dropped, doubled, exchanged, numbers made huge, expressions nested."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_TOKEN = re.compile(r'//[^\n]*|\s+|@?\w+|"[^"\n]*"|\.\{|[^\w\s]')
_NUMBERS = ("0", "-1", "1", "7", "65535", "70000", "4294967296", "1" + "0" * 30, "1.5", "0xffff")
_TEXT = """
    ( ) { } [ ] , ; : . .{ .* & | + - * / % == < = and or if else while for fn task const
    var param comptime return break continue switch struct layout @as @zeros @range
    @get_dsd @get_color @fadds @mov32 @map @activate @block @import_module @set_rectangle
    @get_input_queue @concat_structs @constants @bitcast @ptrcast f32 f16 u16 i16 u32 bool
    color type anytype true false comptime_int comptime_struct undefined
"""
_WORDS = _TEXT.split()

Tokens = list[str]


def _place(tokens: Tokens, random: random.Random) -> int:
    return random.randrange(len(tokens))


def _drop(tokens: Tokens, random: random.Random) -> None:
    del tokens[_place(tokens, random)]


def _double(tokens: Tokens, random: random.Random) -> None:
    place = _place(tokens, random)
    tokens[place:place] = tokens[place : place + random.randint(1, 12)]


def _exchange(tokens: Tokens, random: random.Random) -> None:
    a, b = _place(tokens, random), _place(tokens, random)
    tokens[a], tokens[b] = tokens[b], tokens[a]


def _replace(tokens: Tokens, random: random.Random) -> None:
    tokens[_place(tokens, random)] = random.choice(_WORDS)


def _like_another(tokens: Tokens, random: random.Random) -> None:
    """A name in place of another, a number in place of another: mostly still CSL."""
    a, b = _place(tokens, random), _place(tokens, random)
    kind = tokens[a][:1].isalnum(), tokens[a][:1].isdigit()
    for _ in range(20):
        if (tokens[b][:1].isalnum(), tokens[b][:1].isdigit()) == kind:
            break
        b = _place(tokens, random)
    tokens[a] = tokens[b]


def _number(tokens: Tokens, random: random.Random) -> None:
    places = [place for place, token in enumerate(tokens) if token[:1].isdigit()]
    if places:
        tokens[random.choice(places)] = random.choice(_NUMBERS)


def _nest(tokens: Tokens, random: random.Random) -> None:
    place, depth = _place(tokens, random), random.choice((3, 50, 5_000))
    open, close = random.choice((("(", ")"), ("{", "}"), ("[", "]"), ("-", ""), ("if (true) ", "")))
    tokens[place] = open * depth + tokens[place] + close * depth


_WAYS: Sequence[Callable[[Tokens, random.Random], None]] = (
    _drop, _double, _exchange, _replace, _like_another, _like_another, _number, _number, _nest,
)  # fmt: skip


def mutated(text: str, random: random.Random) -> str:
    """The text after one to three faults; the same for the same state of `random`."""
    tokens = [token for token in _TOKEN.findall(text) if not token.startswith("//")]
    for _ in range(random.randint(1, 3)):
        if tokens:
            random.choice(_WAYS)(tokens, random)
    return "".join(tokens)
