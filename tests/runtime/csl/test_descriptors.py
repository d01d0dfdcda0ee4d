"""DSDs: tensor accesses, struct forms, changed descriptors, operations, `@map`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.runtime.csl.programs import build, compute

from waferc_runtime.csl import core

TOP = """
param n = 3;
var v = [12]f32{ 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0 };
var m: [2, 6]f32;
const dest = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> out[i] });
fn from(pointer: *[12]f32) void {
  @fmovs(dest, @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> pointer.*[i + 1] }));
}
"""
FORMS: list[tuple[str, list[float]]] = [
    ("@get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> v[2 * i + 1] })", [1, 3, 5, 7, 9, 11]),
    ("@get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> v[11 - i] })", [11, 10, 9, 8, 7, 6]),
    ("@get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> v[n] })", [3] * 6),
    (
        "@get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2 * n} -> v[(i + 1) * 2 - n + 1] })",
        [0, 2, 4, 6, 8, 10],
    ),
    (
        "@get_dsd(mem1d_dsd, .{ .base_address = &v, .offset = 2, .stride = 2, .extent = 5 })",
        [2, 4, 6, 8, 10],
    ),
    ("@get_dsd(mem1d_dsd, .{ .base_address = v, .extent = 4 })", [0, 1, 2, 3]),
    ("@get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{2, 3} -> v[6 * i + j] })", [0, 1, 2, 6, 7, 8]),
    ("@get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{3, 2} -> v[j] })", [0, 1, 0, 1, 0, 1]),
    (
        "@get_dsd(mem4d_dsd, .{ .base_address = &v, .extent = .{ 2, 3 }, .stride = .{ 1, 4 } })",
        [0, 1, 2, 6, 7, 8],
    ),
    ("@increment_dsd_offset(dv, 4, f32)", [4, 5, 6, 7]),
    ("@increment_dsd_offset(dv, 2, u16)", [1, 2, 3, 4]),
    ("@set_dsd_length(@set_dsd_stride(dv, 3), 3)", [0, 3, 6]),
    ("@set_dsd_base_addr(@increment_dsd_offset(dv, 4, f32), &v[7])", [7, 8, 9, 10]),
]


@pytest.mark.parametrize("is_dynamic", [False, True])
@pytest.mark.parametrize(("text", "values"), FORMS)
def test_a_descriptor_visits_its_elements(text: str, values: list[float], is_dynamic: bool) -> None:
    top = TOP + "const dc = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> v[i] });"
    top += "var dv = dc;" if is_dynamic else "const dv = dc;"
    body = f"const d = {text}; @fmovs(@set_dsd_length(dest, {len(values)}), d);"
    assert compute(body, "f32", 6, top)[: len(values)] == values


def test_a_tensor_access_takes_a_pointer_to_an_array() -> None:
    assert compute("from(&v);", "f32", 6, TOP) == [1, 2, 3, 4, 5, 6]


def test_an_access_to_many_dimensions_is_row_major() -> None:
    body = """
for (@range(i16, 6)) |k| { m[1, k] = @as(f32, 10 * k); }
@fmovs(dest, @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{6} -> m[1, 5 - i] }));
"""
    assert compute(body, "f32", 6, TOP) == [50, 40, 30, 20, 10, 0]


def test_known_descriptors_are_folded() -> None:
    pe = (
        TOP.replace("out[i]", "v[i]")
        + """
var x: [6]f32;
fn main() void {
  const d = @increment_dsd_offset(@set_dsd_length(dest, 2), 3, f32);
  @fmovs(d, dest);
  sys_mod.unblock_cmd_stream();
}
comptime { @export_symbol(main); }
"""
    )
    program = build(pe, exports='@export_name("main", fn()void);')
    target = program.classes[0].exports["main"].target
    assert isinstance(target, core.Function)
    operation = target.body[0]
    assert isinstance(operation, core.DsdOperation)
    dest = operation.dest
    assert isinstance(dest, core.MakeMemDsd)
    assert isinstance(dest.base, core.AddressOf)
    index, extent = dest.base.index, dest.extents[0]
    assert isinstance(index, core.Const)
    assert isinstance(extent, core.Const)
    assert (index.value, extent.value) == (3, 2)


OPERATIONS: list[tuple[str, list[float]]] = [
    ("@fmovs(d, 2.0);", [2, 2, 2]),
    ("@fadds(d, a, b);", [5, 7, 9]),
    ("@fsubs(d, 10.0, a);", [9, 8, 7]),
    ("@fmuls(d, a, s);", [3, 6, 9]),
    ("@fmacs(d, a, b, s);", [13, 17, 21]),
    ("@fmaxs(d, a, 2);", [2, 2, 3]),
    ("@fnegs(d, a);", [-1, -2, -3]),
    ("@fadds(&out[1], s, a);", [0, 9, 0]),
    ("@fmovs(d, a); @mov32(d, @as(u32, 0x3f800000));", [1, 1, 1]),
    ("@map(square, a, d);", [1, 4, 9]),
    ("@map(axpy, a, s, b, d);", [7, 11, 15]),
    ("@map(math.sqrt_f32, b, d); @map(square, d, d);", [4, 5, 6]),
    ("@map(count, a); out[0] = total;", [6, 0, 0]),
    ("@map(fold, a, &total, &total); out[2] = total;", [0, 0, 6]),
    ("@map(as_float, ia, d);", [7, 8, 9]),
]


@pytest.mark.parametrize(("text", "values"), OPERATIONS)
def test_an_operation_computes(text: str, values: list[float]) -> None:
    top = """
const math = @import_module("<math>");
var av = [3]f32{ 1.0, 2.0, 3.0 };
var bv = [3]f32{ 4.0, 5.0, 6.0 };
var iv = [3]i32{ 7, 8, 9 };
var s: f32 = 3.0;
var total: f32;
const d = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> out[i] });
const a = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> av[i] });
const b = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> bv[i] });
const ia = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> iv[i] });
fn square(x: f32) f32 { return x * x; }
fn axpy(x: f32, k: f32, y: f32) f32 { return k * x + y; }
fn count(x: f32) void { total += x; }
fn fold(x: f32, acc: *f32) f32 { return acc.* + x; }
fn as_float(x: i32) f32 { return @as(f32, x); }
"""
    result: list[Any] = compute(text, "f32", 3, top)
    assert np.allclose(result, values, rtol=1e-6)


def test_tasks_are_bound_and_activated() -> None:
    top = """
const id = @get_local_task_id(10);
const again = @get_local_task_id(11);
task work() void { out[0] += 1; @activate(again); @unblock(again); }
task rest() void { out[1] = out[0] + 5; }
comptime {
  @bind_local_task(work, id); @bind_local_task(rest, again); @block(again);
}
"""
    assert compute("@activate(id);", "i16", 2, top) == [1, 6]
