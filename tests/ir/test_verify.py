"""Rules of whole programs that text cannot break, or that golden errors do not show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ir.strategies import graph_programs, tiled_programs
from tests.ir.values import layout, value

from waferc_ir import WaferError, parse, verify
from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops import stream
from waferc_ir.ops import tile_structure as tiles
from waferc_ir.ops.declare import VerifyError
from waferc_ir.program import Builder, Program, Statement, Value
from waferc_ir.types import Buffer, Region

X = structure.Input("x", (4,), DType.F32)
TYPE = "tensor<4xf32>"


def _refused(program: Program) -> WaferError:
    with pytest.raises(VerifyError) as caught:
        verify(program)
    return caught.value


def test_operand_from_outside_of_the_program() -> None:
    program = Program("graph", "g", (Statement(structure.Output(value(TYPE), "y"), None),))
    error = _refused(program)
    assert error.message == "graph.output: an operand is not defined before it is used"
    assert error.notes == ('in graph.output %? {label = "y"}',)


def test_operand_that_is_defined_later() -> None:
    x, y = value(TYPE), value(TYPE)
    statements = (Statement(compute.Unary(x, "exp"), y), Statement(X, x))
    assert "%1 is not defined before it is used" in str(_refused(Program("graph", "g", statements)))


def test_result_of_two_statements() -> None:
    x = value(TYPE)
    statements = (Statement(X, x), Statement(compute.Unary(x, "exp"), x))
    error = _refused(Program("graph", "g", statements))
    assert "its result is the result of an earlier statement too" in error.message


def test_results_are_where_operations_have_them() -> None:
    x, y = value(TYPE), value(TYPE)
    assert "graph.input has a result" in str(_refused(Program("graph", "g", (Statement(X, None),))))
    statements = (Statement(X, x), Statement(structure.Output(x, "y"), y))
    assert "graph.output has no result" in str(_refused(Program("graph", "g", statements)))


def test_graph_program_says_nothing_of_the_wafer() -> None:
    program = Program("graph", "g", regions=(Region("r0", 1, 1),))
    assert "a graph program has regions, paths or buffers" in str(_refused(program))


def test_operation_of_the_other_kind_of_program() -> None:
    error = _refused(Program("tiled", "g", (Statement(X, value(TYPE)),)))
    assert error.message == "graph.input stands in a tiled program"


def test_problems_are_collected_with_their_places() -> None:
    x = value(TYPE)
    statements = tuple(
        Statement(compute.Unary(x, fn), value(TYPE), Location("model.py", line))
        for line, fn in enumerate(("cube", "exp", "root"), 1)
    )
    error = _refused(Program("graph", "g", (Statement(X, x), *statements)))
    problems = [error, *error.related]
    assert [str(problem.at) for problem in problems] == ["model.py:1:1", "model.py:3:1"]


def test_many_problems_are_cut_short() -> None:
    x = value(TYPE)
    bad = tuple(Statement(compute.Unary(x, "cube"), value(TYPE)) for _ in range(500))
    error = _refused(Program("graph", "g", (Statement(X, x), *bad)))
    assert 1 + len(error.related) == 50


def _state(region: str, splits: str, shape: tuple[int, ...] = (4, 4)) -> Statement:
    op = tiles.State("w", shape, DType.F32, region, layout(splits))
    return Statement(op, Value(op.result_type()))


def test_a_state_may_stand_in_several_regions_and_layouts_as_one_tensor() -> None:
    regions = (Region("r0", 2, 2), Region("r1", 2, 2))
    one, other, third = _state("r0", "[*, *]"), _state("r1", "[*, *]"), _state("r0", "[x/2, *]")
    verify(Program("tiled", "g", (one, other, third), regions))
    again = Program("tiled", "g", (one, _state("r0", "[*, *]")), regions)
    assert "state 'w' stands twice in the program" in str(_refused(again))
    resized = Program("tiled", "g", (one, _state("r1", "[*, *]", (4, 5))), regions)
    assert "another shape or element type" in str(_refused(resized))


def test_stream_split_along_y_joins_regions_of_one_height() -> None:
    builder = Builder()
    x = builder.add(tiles.Fill(0.0, (4,), DType.F32, "r0", layout("[y/2]")))
    builder.add(stream.Transfer(x, "r1"))
    program = Program(
        "tiled", "g", tuple(builder.statements), (Region("r0", 2, 2), Region("r1", 2, 3))
    )
    assert "@r0 is 2 PEs high and @r1 3" in str(_refused(program))


def test_lines_of_a_region_have_their_root_inside_and_colors_for_groups() -> None:
    region = Region("r0", 4, 2, 0, 0, tuple(range(6)), lines=(2, 0, 1, 0))
    program = Program("tiled", "g", regions=(region,))
    verify(program)
    wrong = {
        (4, 0, 1, 0): "4 PEs along x, and PE 4 as root",
        (2, 0, 1, -1): "groups of -1 PEs along y",
        (2, 2, 1, 0): "6 colors, not 10",
        (2, 0): "2 numbers for its lines, not 4",
    }
    for lines, message in wrong.items():
        broken = replace(program, regions=(replace(region, lines=lines),))
        assert message in str(_refused(broken))


def test_bool_values_fit_buffers_of_any_element_type() -> None:
    builder = Builder()
    builder.add(tiles.Fill(0.0, (4,), DType.BOOL, "r0", layout("[*]")))
    program = Program(
        "tiled",
        "g",
        tuple(builder.statements),
        (Region("r0", 1, 1),),
        buffers=(Buffer("b", "r0", DType.F32, 4, (0,)),),
    )
    verify(program)
    small = replace(program, buffers=(Buffer("b", "r0", DType.F32, 3, (0,)),))
    assert "buffer @b has 3 elements and the tile of %0 has 4" in str(_refused(small))
    unknown = replace(program, buffers=(Buffer("b", "r0", DType.F32, 4, (1,)),))
    assert "%1 is no value of the program" in str(_refused(unknown))


@given(graph_programs() | tiled_programs(), st.data())
def test_a_stated_type_is_checked(program: Program, data: st.DataObject) -> None:
    results = [i for i, s in enumerate(program.statements) if s.result is not None]
    at = data.draw(st.sampled_from(results))
    statements = list(program.statements)
    wrong = Value(replace(statements[at].op.result_type(), shape=(3, 7, 11)))  # type: ignore[type-var]
    statements[at] = replace(statements[at], result=wrong)
    assert "is stated as" in str(_refused(program.with_statements(statements)))


def test_builder_puts_the_place_on_what_it_refuses() -> None:
    builder = Builder()
    builder.at = Location("model.py", 7, 3)
    with pytest.raises(VerifyError) as caught:
        builder.add(compute.Unary(value(TYPE), "cube"))
    assert str(caught.value.at) == "model.py:7:3"
    assert builder.statements == []


def test_empty_programs_verify() -> None:
    verify(parse("graph @g {\n}\n"))
    verify(parse("tiled @g {\n}\n"))
