"""Entries of a program: what they share, where they end, what may not cross them."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.ir.strategies import graph_programs, tiled_programs

from waferc_ir import WaferError, parse, print_program, verify
from waferc_ir.entries import MAIN, common, entries, is_marker, own, single
from waferc_ir.program import Program

TWO = """\
graph @g {
  %0 = graph.parameter {label = "w", shape = [4], dtype = f32} : tensor<4xf32>
  %1 = graph.state {label = "s", shape = [4], dtype = f32} : tensor<4xf32>
  graph.entry {label = "fill"}
  %2 = graph.input {label = "x", shape = [4], dtype = f32} : tensor<4xf32>
  %3 = graph.binary %2, %0 {fn = "add"} : tensor<4xf32>
  graph.output %3 {label = "y"}
  graph.store %1, %3
  graph.entry {label = "step"}
  %4 = graph.input {label = "x", shape = [4], dtype = f32} : tensor<4xf32>
  %5 = graph.binary %4, %1 {fn = "mul"} : tensor<4xf32>
  graph.output %5 {label = "y"}
  graph.store %1, %5
}
"""


def test_each_entry_has_what_is_common_and_its_own() -> None:
    program = parse(TWO)
    verify(program)
    assert print_program(program) == TWO
    assert [(e.label, e.start, e.stop) for e in entries(program)] == [
        ("fill", 3, 7),
        ("step", 8, 12),
    ]
    alone = single(program, entries(program)[1])
    verify(alone)
    assert print_program(alone).splitlines()[1:5] == [
        *TWO.splitlines()[1:3],
        '  %2 = graph.input {label = "x", shape = [4], dtype = f32} : tensor<4xf32>',
        '  %3 = graph.binary %2, %1 {fn = "mul"} : tensor<4xf32>',
    ]


@given(graph_programs() | tiled_programs())
def test_entries_are_programs_and_together_the_whole(program: Program) -> None:
    found = entries(program)
    for entry in found:
        verify(single(program, entry))
    statements = [*common(program), *(s for entry in found for s in own(program, entry))]
    assert statements == [s for s in program.statements if not is_marker(s.op)]
    if len(statements) == len(program.statements):
        assert [entry.label for entry in found] == [MAIN]


def _wrong(old: str, new: str) -> str:
    assert old in TWO
    return TWO.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_wrong("%5 = graph.binary %4, %1", "%5 = graph.binary %4, %3"), "%3 is made in another"),
        (_wrong('"step"', '"fill"'), "two entries are called 'fill'"),
        (_wrong('"step"', '""'), "the label is empty"),
        (
            _wrong('graph.entry {label = "fill"}', 'graph.output %1 {label = "z"}'),
            "graph.output stands before the first entry",
        ),
        (
            TWO.replace("  graph.store %1, %3\n", "").replace(
                "graph.output %5", "graph.store %1, %5\n  graph.output %5"
            ),
            "a state is stored twice",
        ),
        (
            _wrong(
                "  graph.store %1, %5\n",
                '  %6 = graph.state {label = "t", shape = [4], dtype = f32} : tensor<4xf32>\n',
            ),
            "graph.state stands in an entry",
        ),
        (
            _wrong('"step"}\n', '"step"}\n  graph.output %0 {label = "y"}\n'),
            "output 'y' stands twice",
        ),
    ],
)
def test_what_entries_may_not_do_is_refused(text: str, message: str) -> None:
    with pytest.raises(WaferError, match=message):
        verify(parse(text))
