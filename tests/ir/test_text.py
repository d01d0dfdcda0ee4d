"""Laws of the text form: round trip, and no answer to bad text but a `WaferError`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ir.strategies import graph_programs, tiled_programs

from waferc_ir import WaferError, parse, print_program, verify
from waferc_ir.program import Program

PROGRAMS = graph_programs() | tiled_programs()
SNIPPETS = st.sampled_from(
    (
        *("%0", "%99", "{", "}", "[", "]", '"', "\\", "none", "x/", "@", ":", "-inf", "nan"),
        *("tile.reduce", "region", " sum(x)", "tensor<", "\n", "//", "1e999", "=", ",", "é"),
        *("\0", "9" * 5000, "graph", "[" * 3000),
    )
)


@given(PROGRAMS)
def test_drawn_programs_verify(program: Program) -> None:
    verify(program)


@given(PROGRAMS)
def test_print_of_parse_of_print_is_print(program: Program) -> None:
    text = print_program(program)
    assert print_program(parse(text)) == text


@given(PROGRAMS)
def test_parsed_programs_verify_and_have_the_same_types(program: Program) -> None:
    parsed = parse(print_program(program))
    verify(parsed)
    assert parsed.regions == program.regions
    assert parsed.paths == program.paths
    assert parsed.buffers == program.buffers
    assert parsed.attributes == program.attributes
    for old, new in zip(program.statements, parsed.statements, strict=True):
        assert type(old.op) is type(new.op)
        assert (old.result and old.result.type) == (new.result and new.result.type)


@given(PROGRAMS)
def test_places_come_back(program: Program) -> None:
    parsed = parse(print_program(program, places=True), "own.wir")
    for old, new in zip(program.statements, parsed.statements, strict=True):
        assert new.at is not None
        assert new.at.file == "own.wir" if old.at is None else str(new.at) == str(old.at)


@given(PROGRAMS, st.data())
def test_mutated_text_raises_wafer_errors_only(program: Program, data: st.DataObject) -> None:
    text = print_program(program)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(SNIPPETS | st.just("")) + text[stop:]
    with suppress(WaferError):
        verify(parse(text))


@given(st.text())
def test_arbitrary_text_raises_wafer_errors_only(text: str) -> None:
    with pytest.raises(WaferError):
        parse(text)
