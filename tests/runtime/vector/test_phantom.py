"""A run without data takes the same cycles, and says where it would need data."""

from __future__ import annotations

import numpy as np
import pytest
from bench.programs import gemm, gemv, reduce, stencil
from bench.programs.parts import Program
from hypothesis import HealthCheck, given, settings
from tests.runtime.agreement.strategies_core import Drawn, programs
from tests.runtime.agreement.test_emitted import NAMES, sources_of
from tests.runtime.csl.programs import build

from waferc_ir.machine import MACHINES, machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.run_error import RunError
from waferc_runtime.statistics import Statistics
from waferc_runtime.vector import VectorEngine
from waferc_runtime.vector.forgetful import AbsentBlock


def run(program: Elaborated, phantom: bool) -> Statistics:
    engine = VectorEngine(program, MACHINES[program.arch], phantom=phantom)
    engine.launch("main")
    return engine.statistics()


def assert_same(program: Elaborated) -> None:
    a, b = run(program, phantom=False), run(program, phantom=True)
    assert a.cycles == b.cycles
    np.testing.assert_array_equal(a.busy_cycles, b.busy_cycles)
    np.testing.assert_array_equal(a.link_load, b.link_load)
    assert (a.macs, a.flops, a.wavelets_sent) == (b.macs, b.flops, b.wavelets_sent)


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize(
    "program",
    [
        reduce.program(5, 4, 40),
        gemv.program(4, 3, 8, 5),
        gemm.program(4, 6),
        gemm.program(3, 8, "f16"),
        stencil.program(4, 5, 24, 3),
    ],
    ids=lambda program: program.name,
)
def test_programs_take_the_same_cycles(program: Program, arch: str) -> None:
    assert_same(elaborate(program.sources, "layout.csl", machine(arch), {}))


@pytest.mark.parametrize("name", NAMES)
def test_emitted_kernels_take_the_same_cycles(name: str) -> None:
    assert_same(elaborate(sources_of(name), "layout.csl", machine("wse3"), {}))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_drawn_programs_take_the_same_cycles_or_are_refused(drawn: Drawn) -> None:
    found, error = outcome(drawn.program, phantom=True)
    if "depends on data" not in error:
        assert (found, error) == outcome(drawn.program, phantom=False)


def outcome(program: Elaborated, phantom: bool) -> tuple[int, str]:
    """Cycles, and what was wrong."""
    try:
        return run(program, phantom).cycles, ""
    except RunError as error:
        return 0, str(error)


HEAD = """
var data = @zeros([64]f32);
var count: i16 = 3;
const data_ptr: [*]f32 = &data;
const dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> data[i] });
"""


def one_pe(body: str, top: str = "") -> Elaborated:
    pe = f"{HEAD}{top} fn main() void {{ {body} }} comptime {{ @export_symbol(main);"
    pe += ' @export_symbol(data_ptr, "data"); }'
    exports = '@export_name("main", fn()void); @export_name("data", [*]f32, true);'
    return build(pe, exports=exports, width=2)


@pytest.mark.parametrize(
    "body",
    [
        "if (data[3] > 0.0) { count = 1; }",
        "const n = @as(i16, data[0]); for (@range(i16, n)) |i| { count += i; }",
        "while (data[1] < 0.5) { data[1] += 1.0; }",
        "data[@as(u16, data[2])] = 1.0;",
        "const d = @set_dsd_length(dsd, @as(u16, data[2])); @fmovs(d, 0.0);",
        "count = @as(i16, data[0]); if (count == 2) { data[0] = 1.0; }",
        "for (@range(i16, 4)) |i| { if (data[i] > 0.0) { count += 1; } }",
    ],
)
def test_what_depends_on_data_is_refused_with_its_place(body: str) -> None:
    program = one_pe(body)
    run(program, phantom=False)
    with pytest.raises(RunError, match="depends on data") as caught:
        run(program, phantom=True)
    assert caught.value.at is not None
    assert caught.value.at.file == "pe.csl"


@pytest.mark.parametrize(
    "body",
    [
        "for (@range(i16, count)) |i| { data[i] = 2.0 * data[i + 1]; count += 0; }",
        "var n: i16 = 0; while (n < count * 2) : (n += 1) { @fmuls(dsd, dsd, data[n]); }",
        "const x = data[5] * 2.0; data[6] = if (count > 2) x else 0.0; @assert(x == 0.0);",
        "count = @as(i16, data[0]); count = 2; if (count == 2) { data[0] = 1.0; }",
        "const d = @increment_dsd_offset(dsd, count, f32); @fmovs(@set_dsd_length(d, 4), data[0]);",
    ],
)
def test_what_is_known_without_data_stays_known(body: str) -> None:
    assert_same(one_pe(body))


def test_an_address_out_of_bounds_is_found_without_data() -> None:
    with pytest.raises(RunError, match="element 64 of data"):
        run(one_pe("@fmovs(@increment_dsd_offset(dsd, 1, f32), 0.0);"), phantom=True)


def test_arrays_take_no_memory_and_cannot_be_read() -> None:
    engine = VectorEngine(one_pe("@fmovs(dsd, 1.0);"), machine("wse3"), phantom=True)
    engine.launch("main")
    blocks = engine._classes[0].blocks  # pyright: ignore[reportPrivateUsage]
    (data,) = [block for item, block in blocks.items() if item.name == "data"]
    assert isinstance(data, AbsentBlock)
    assert data.array.nbytes == 0
    with pytest.raises(RunError, match="without data"):
        engine.read("data", 0, 0, 2, 1, 64)
