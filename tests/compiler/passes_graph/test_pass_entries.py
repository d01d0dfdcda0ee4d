"""What graph passes share between the entries of a program, and what they do not."""

from __future__ import annotations

import numpy as np

from waferc.passes.fold_constants import FoldConstants
from waferc.passes.share_common import ShareCommon
from waferc.unit import Unit
from waferc_ir.machine import machine
from waferc_ir.parser import parse
from waferc_ir.printer import print_program
from waferc_ir.verify import verify

_BODY = """\
  {x} = graph.input {{label = "x", shape = [2], dtype = f32}} : tensor<2xf32>
  {p} = graph.unary %0 {{fn = "neg"}} : tensor<2xf32>
  {q} = graph.binary {x}, {p} {{fn = "add"}} : tensor<2xf32>
  graph.output {q} {{label = "y"}}
"""
TEXT = (
    "graph @g {\n"
    '  %0 = graph.parameter {label = "w", shape = [2], dtype = f32} : tensor<2xf32>\n'
    '  graph.entry {label = "a"}\n'
    + _BODY.format(x="%1", p="%2", q="%3")
    + '  graph.entry {label = "b"}\n'
    + _BODY.format(x="%4", p="%5", q="%6")
    + "}\n"
)
FOLDED = """\
graph @g {
  %0 = graph.parameter {label = "w.folded", shape = [2], dtype = f32} : tensor<2xf32>
  graph.entry {label = "a"}
  %1 = graph.input {label = "x", shape = [2], dtype = f32} : tensor<2xf32>
  %2 = graph.binary %1, %0 {fn = "add"} : tensor<2xf32>
  graph.output %2 {label = "y"}
  graph.entry {label = "b"}
  %3 = graph.input {label = "x", shape = [2], dtype = f32} : tensor<2xf32>
  %4 = graph.binary %3, %0 {fn = "add"} : tensor<2xf32>
  graph.output %4 {label = "y"}
}
"""


def unit() -> Unit:
    return Unit(parse(TEXT), {"w": np.asarray([1, 2], np.float32)}, machine("wse3"))


def test_equal_constants_of_two_entries_are_one_parameter() -> None:
    folded = FoldConstants().run(unit())
    verify(folded.program)
    assert print_program(folded.program) == FOLDED
    np.testing.assert_array_equal(folded.weights["w.folded"], [-1, -2])


def test_what_one_entry_computes_another_computes_again() -> None:
    shared = ShareCommon().run(unit())
    assert print_program(shared.program) == TEXT
