"""What emission says in layout, manifest and errors."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compiler.emit.examples_tiles import EXAMPLES, example
from tests.compiler.emit.strategies_tiles import Case

from waferc.emit.cost import array_bytes, cycles
from waferc.emit.diagnostics import EmitError
from waferc.emit.emit import emit
from waferc.emit.layout import idle_rectangles
from waferc.emit.names import Names, identifier
from waferc.emit.regions import emit_regions
from waferc.emit.routes import stream_routes
from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE2, WSE3
from waferc_ir.ops import collective, tile_compute, tile_structure
from waferc_ir.program import Program
from waferc_ir.types import Layout, Path, Region, Split
from waferc_runtime.csl.parse import parse
from waferc_runtime.host.manifest import read_manifest


def _integer_product() -> Case:
    case = Case(Region("r0", 1, 1, 0, 0))
    case.builder.at = Location("model.py", 7)
    a = case.input(np.zeros((2, 2), np.int32), Layout((None, None)))
    case.output(case.add(tile_compute.Contract(a, a, "mk", "kn", "mn")))
    padded = case.input(np.zeros((1, 1, 4, 4), np.float32), Layout((None,) * 4))
    case.output(case.add(tile_compute.Pool2d(padded, "max", (2, 2), (1, 1), (1, 1))), "pool")
    return case


def test_operations_without_kernel_are_refused_together_at_the_users_line() -> None:
    with pytest.raises(EmitError) as caught:
        emit(_integer_product().unit())
    text = caught.value.render()
    assert text == (
        "error[emit]: tile.contract has no kernel for i32 elements\n"
        " --> model.py:7:1\n"
        "  = help: convert the operands to a float type first\n\n"
        "error[emit]: tile.pool2d with padding has no kernel\n"
        " --> model.py:7:1\n"
        "  = help: decompose writes padding as an own step"
    )


def test_a_program_that_lacks_a_pass_is_refused() -> None:
    unit = example("contract")
    regions = tuple(replace(region, x=None, y=None) for region in unit.program.regions)
    with pytest.raises(EmitError, match="has no place"):
        emit(unit.with_program(replace(unit.program, regions=regions)))
    with pytest.raises(EmitError, match="has no buffer"):
        emit(unit.with_program(replace(unit.program, buffers=())))
    uncolored = tuple(replace(region, colors=()) for region in unit.program.regions)
    with pytest.raises(EmitError, match="no colors for its collectives"):
        emit(unit.with_program(replace(unit.program, regions=uncolored)))
    streaming = example("streams")
    with pytest.raises(EmitError, match="has no path"):
        emit(streaming.with_program(replace(streaming.program, paths=())))
    with pytest.raises(EmitError, match="is a graph program"):
        emit(unit.with_program(replace(unit.program, kind="graph")))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_runtime_reads_the_manifest(name: str) -> None:
    unit = example(name)
    manifest = read_manifest(emit(unit).manifest)
    labels = [s.op.attributes()["label"] for s in unit.program.statements if s.result is None]
    assert [placement.label for placement in manifest.entry().outputs] == labels


def test_a_grid_of_the_users_travels_in_the_manifest() -> None:
    unit = replace(example("contract"), machine=replace(WSE2, name="mine", hop_cycles=3))
    assert read_manifest(emit(unit).manifest).machine.hop_cycles == 3


def test_accumulation_counts_the_terms_over_all_pes() -> None:
    assert emit(example("contract")).manifest["entries"][0]["tolerance"] == {
        "accumulation": 12,
        "depth": 2,
    }


def test_the_host_script_is_python_and_names_the_architecture() -> None:
    script = emit(example("contract", "wse2")).host_script
    ast.parse(script)
    assert "--arch=wse2 --fabric-dims=10,4" in script


@given(st.lists(st.tuples(*(st.integers(0, 4) for _ in range(4))), max_size=4))
def test_idle_rectangles_are_what_the_regions_leave(spans: list[tuple[int, ...]]) -> None:
    taken: set[tuple[int, int]] = set()
    regions: list[Region] = []
    for x, y, width, height in spans:
        pes = {(x + i, y + j) for i in range(width + 1) for j in range(height + 1)}
        if not pes & taken:
            taken |= pes
            regions.append(Region(f"r{len(regions)}", width + 1, height + 1, x, y))
    program = Program("tiled", "p", (), tuple(regions))
    free = [
        (r.x + i, r.y + j)
        for r in idle_rectangles(program)
        for i in range(r.width)
        for j in range(r.height)
    ]
    right = max((x for x, _ in taken), default=0) + 1
    bottom = max((y for _, y in taken), default=0) + 1
    assert len(free) == len(set(free))
    assert set(free) == {(x, y) for x in range(right) for y in range(bottom)} - taken


def test_a_route_is_connected_and_rows_that_run_alike_are_one_loop() -> None:
    straight = [Path(0, row, 6, ((1, row), (4, row))) for row in range(3)]
    (group,) = stream_routes([*straight, straight[0]])
    assert [(r.columns, r.rows, r.rx, r.tx) for r in group.runs] == [
        (range(1, 2), range(3), "RAMP", "EAST"),
        (range(2, 4), range(3), "WEST", "EAST"),
        (range(4, 5), range(3), "WEST", "RAMP"),
    ]
    bent = Path(1, 0, 7, ((1, 0), (3, 0), (3, 2), (2, 2)))
    (group,) = stream_routes([bent])
    assert [(r.columns.start, r.rows.start, r.rx, r.tx) for r in group.runs] == [
        (1, 0, "RAMP", "EAST"),
        (2, 0, "WEST", "EAST"),
        (3, 0, "WEST", "SOUTH"),
        (3, 1, "NORTH", "SOUTH"),
        (3, 2, "NORTH", "WEST"),
        (2, 2, "EAST", "RAMP"),
    ]


@given(st.lists(st.text(max_size=6), max_size=8))
def test_names_are_csl_and_never_given_twice(labels: list[str]) -> None:
    names = Names("tensor")
    given_out = [names.take(label) for label in [*labels, *labels, "if", "main", "i", "x_next"]]
    assert len(set(given_out)) == len(given_out)
    for name in given_out:
        parse(f"var {name}: f32;", "names.csl")
        assert name == identifier(name)


def test_the_same_label_in_two_regions_has_two_symbols() -> None:
    case = Case(Region("r0", 1, 1), others=(Region("r1", 1, 1),))
    for region in ("r0", "r1"):
        layout = Layout((None,))
        value = case.add(tile_structure.Input("x", (2,), DType.F32, region, layout))
        case.output(value, f"from {region}")
    manifest = emit(case.unit()).manifest
    inputs = manifest["entries"][0]["inputs"]
    assert [p["label"] for p in inputs] == ["x", "x"]
    assert len({p["symbol"] for p in inputs}) == 2


def test_a_wide_vector_is_chosen_where_setup_dominates() -> None:
    case = Case(Region("r0", 1, 1, 0, 0))
    x = case.input(np.zeros((2, 64), np.float32), Layout((None, None)))
    w = case.input(np.zeros((64, 256), np.float32), Layout((None, None)))
    case.output(case.add(tile_compute.Contract(x, w, "mk", "kn", "mn")))
    text = emit(case.unit()).sources["r0.csl"]
    assert "@fmacs(row_at_m, row_at_m, rhs_at_k, b0[" in text
    (program,) = emit_regions(case.unit().program, WSE3).programs
    assert 2 * 64 * 256 < cycles(program.functions[0].body, WSE3) < 2 * 64 * (256 + 50)
    assert array_bytes(program) == 4 * (2 * 64 + 64 * 256 + 2 * 256)


def test_code_is_reckoned_for_every_region() -> None:
    emitted = emit(example("streams"))
    assert set(emitted.code_bytes) == {"r0", "r1"}
    assert all(0 < size < WSE3.sram_bytes for size in emitted.code_bytes.values())


def test_collectives_of_a_line_of_one_send_nothing() -> None:
    case = Case(Region("r0", 1, 1, 0, 0), DType.F16)
    x = case.input(np.zeros((3,), np.float16), Layout((Split("x", 3),)))
    case.output(case.add(collective.AllGather(x, "x")))
    text = emit(case.unit()).sources["r0.csl"]
    assert "fabout" not in text
    assert "color" not in text
