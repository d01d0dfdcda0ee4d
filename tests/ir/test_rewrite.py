"""Changes of programs: what is rebuilt, renamed or dropped, and what stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.ir.strategies import graph_programs, tiled_programs

from waferc_ir import parse, print_program, verify
from waferc_ir.diagnostics import Location
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.ops.declare import Op, VerifyError
from waferc_ir.program import Builder, Program, Value
from waferc_ir.rewrite import eliminate_dead, keep, rebuild, rename_regions, replace_values

CHAIN = """\
graph @g {
  %0 = graph.input {label = "x", shape = [4], dtype = f32} : tensor<4xf32> // m.py:1:1
  %1 = graph.unary %0 {fn = "exp"} : tensor<4xf32> // m.py:2:1
  %2 = graph.unary %1 {fn = "log"} : tensor<4xf32> // m.py:3:1
  %3 = graph.binary %2, %1 {fn = "add"} : tensor<4xf32> // m.py:4:1
  graph.output %3 {label = "y"} // m.py:5:1
}
"""

DEAD = """\
tiled @g {
  region @r0 {width = 1, height = 1, x = 0, y = 0}
  region @r1 {width = 1, height = 1, x = 1, y = 0}
  path {stream = 0, row = 0, color = 8, corners = [[0, 0], [1, 0]]}
  path {stream = 1, row = 0, color = 9, corners = [[0, 0], [1, 0]]}
  buffer @a {region = @r0, dtype = f32, elements = 4, values = [0, 2]}
  buffer @b {region = @r1, dtype = f32, elements = 4, values = [1]}
  buffer @c {region = @r1, dtype = f32, elements = 4, values = [3]}
  %0 = tile.input {label = "x", shape = [4], dtype = f32, region = @r0, layout = [*]}
    : tiled<4xf32 @r0 [*]>
  %1 = stream.transfer %0 {region = @r1} : tiled<4xf32 @r1 [*]>
  %2 = tile.unary %0 {fn = "neg"} : tiled<4xf32 @r0 [*]>
  %3 = stream.transfer %2 {region = @r1} : tiled<4xf32 @r1 [*]>
  tile.output %3 {label = "y"}
}
"""


@given(graph_programs())
def test_rebuilding_as_it_was_changes_nothing(program: Program) -> None:
    rebuilt = rebuild(program, keep)
    assert print_program(rebuilt, places=True) == print_program(program, places=True)


def test_rebuild_replaces_and_removes() -> None:
    def visit(builder: Builder, op: Op) -> Value | None:
        match op:
            case compute.Unary(x=x, fn="log"):
                return x
            case compute.Unary(x=x, fn="exp"):
                return builder.add(compute.BinaryScalar(x, "mul", 2.0))
            case _:
                return keep(builder, op)

    rebuilt = rebuild(parse(CHAIN), visit)
    verify(rebuilt)
    text = print_program(rebuilt, places=True)
    assert (
        '%1 = graph.binary_scalar %0 {fn = "mul", value = 2.0} : tensor<4xf32> // m.py:2:1' in text
    )
    assert '%2 = graph.binary %1, %1 {fn = "add"} : tensor<4xf32> // m.py:4:1' in text


def test_rebuild_puts_the_statements_place_on_errors() -> None:
    def visit(builder: Builder, op: Op) -> Value | None:
        if isinstance(op, compute.Binary):
            return builder.add(compute.Unary(op.lhs, "cube"))
        return keep(builder, op)

    with pytest.raises(VerifyError) as caught:
        rebuild(parse(CHAIN), visit)
    assert caught.value.at == Location("m.py", 4, 1)


def test_replaced_values_are_used_no_more() -> None:
    program = parse(CHAIN)
    x, exp, log, _ = (s.result for s in program.statements if s.result is not None)
    replaced = replace_values(program, {log: exp, exp: x})
    assert "%3 = graph.binary %0, %0" in print_program(replaced)
    assert "%1 = graph.binary %0, %0" in print_program(eliminate_dead(replaced))


def test_dead_statements_go_with_their_paths_and_buffers() -> None:
    program = eliminate_dead(parse(DEAD))
    verify(program)
    assert [path.color for path in program.paths] == [9]
    assert [path.stream for path in program.paths] == [0]
    assert [(buffer.name, buffer.values) for buffer in program.buffers] == [
        ("a", (0, 1)),
        ("c", (2,)),
    ]


@given(graph_programs() | tiled_programs())
def test_eliminating_dead_statements_keeps_programs_whole(program: Program) -> None:
    alive = eliminate_dead(program)
    verify(alive)
    assert eliminate_dead(alive) is alive

    def kept(of: Program) -> list[str]:
        kinds = (
            graph_structure.Input,
            graph_structure.Output,
            tile_structure.Input,
            tile_structure.Output,
        )
        return [s.op.label for s in of.statements if isinstance(s.op, kinds)]

    assert kept(alive) == kept(program)
    uses = alive.uses()
    for statement in alive.statements:
        is_input = isinstance(statement.op, graph_structure.Input | tile_structure.Input)
        assert statement.result is None or is_input or uses[statement.result]


@given(tiled_programs())
def test_renamed_regions_are_renamed_everywhere(program: Program) -> None:
    renamed = rename_regions(program, {"r0": "left", "r1": "right"})
    verify(renamed)
    assert "@r0" not in print_program(renamed)
    back = rename_regions(renamed, {"left": "r0", "right": "r1"})
    assert print_program(back) == print_program(program)
