"""Whatever the text is, the front end answers with a program or with an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.csl.programs import HEAD, layout
from tests.runtime.csl.test_descriptors import TOP as DESCRIPTORS
from tests.runtime.csl.test_lanes import CHAIN, CONFIGS, EXPORTS, PARAMS

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import machine
from waferc_runtime.csl import context
from waferc_runtime.csl.elaborate import elaborate

LAYOUT = layout(5, 2, params=PARAMS, configs=CONFIGS, exports=EXPORTS)
PE = (
    HEAD
    + CHAIN
    + DESCRIPTORS.replace("param n", "param k").replace("out[", "x[").replace("n}", "k}")
)
_WORDS = """
    ( ) { } [ ] , ; : . .{ .* & | + - * / % == < = and or if else while for fn task const
    var param comptime return @as @zeros @range @get_dsd @get_color @fadds @import_module
    @set_rectangle f32 u16 i16 color type true 0 1 -1 70000 1.5 px x out mem iq .async "x"
    undefined 1000000
"""
WORDS = _WORDS.split()


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """The text with a few tokens dropped, doubled, exchanged or inserted."""
    tokens = text.replace("\n", " \n ").split(" ")
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del tokens[place]
            case 1:
                tokens.insert(place, draw(st.sampled_from(WORDS)))
            case 2:
                tokens[place] = draw(st.sampled_from(WORDS))
            case _:
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[place], tokens[other] = tokens[other], tokens[place]
    return " ".join(tokens)


def attempt(layout_text: str, pe: str) -> None:
    try:
        elaborate({"l.csl": layout_text, "pe.csl": pe}, "l.csl", machine("wse3"), {})
    except WaferError as error:
        error.render()


@pytest.fixture(autouse=True)
def _short_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_ITERATIONS", 2_000)


@settings(max_examples=120)
@given(mutated(PE))
def test_a_damaged_pe_file_is_no_crash(text: str) -> None:
    attempt(LAYOUT, text)


@settings(max_examples=60)
@given(mutated(LAYOUT))
def test_a_damaged_layout_is_no_crash(text: str) -> None:
    attempt(text, HEAD + CHAIN)


@settings(max_examples=30)
@given(st.integers(0, len(PE)))
def test_a_truncated_file_is_no_crash(length: int) -> None:
    attempt(LAYOUT, PE[:length])


@given(st.text(max_size=60))
def test_any_text_is_no_crash(text: str) -> None:
    attempt(text, text)
