"""Copies to the host, on both engines alike: also behind a variable, and through pointers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.runtime.csl.programs import build

from waferc_ir.machine import WSE3
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

PE = """
param px: u16;
var a = [3]u16 { 1, 2, 3 };
var b = [2]f32 { 1.0, 2.0 };
const a_ptr: [*]u16 = &a;
const b_ptr: [*]f32 = &b;
fn main() void { b[0] = @as(f32, px); sys_mod.unblock_cmd_stream(); }
comptime { @export_symbol(a_ptr, "a"); @export_symbol(b_ptr, "b"); @export_symbol(main); }
"""
EXPORTS = """
@export_name("a", [*]u16, true); @export_name("b", [*]f32, true);
@export_name("main", fn()void);
"""


@pytest.mark.parametrize("engine", [ReferenceEngine, VectorEngine])
def test_a_copy_goes_on_behind_the_variable(engine: Any) -> None:
    program = build(PE, exports=EXPORTS, width=2)
    (pe_class,) = program.classes
    places = {item.name: item.address for item in pe_class.objects}
    wafer = engine(program, WSE3)
    wafer.launch("main")
    size = places["b"] - places["a"] + 4
    words = wafer.read("a", 0, 0, 2, 1, size)[0]
    assert words[:, :3].tolist() == [[1, 2, 3]] * 2
    behind = np.ascontiguousarray(words[:, -4:]).view(np.float32)
    assert behind.tolist() == [[0.0, 2.0], [1.0, 2.0]]
    assert wafer.read("b", 0, 0, 1, 1, 3)[0, 0, :2].tolist() == [0.0, 2.0]
    with pytest.raises(RunError, match="elements are copied at b"):
        wafer.read("b", 0, 0, 1, 1, 30_000)
    with pytest.raises(RunError, match="copied at b, which has"):
        wafer.write("b", 0, 0, np.zeros((1, 1, 3), np.float32))


def test_an_exported_pointer_may_point_to_another_variable_on_each_pe() -> None:
    pe = """
param px: u16;
var a = @constants([2]u32, 7);
var b = @constants([2]u32, 8);
var here: [*]u32 = &a;
var there: [*]u32 = &b;
fn main() void {
  for (@range(u16, px)) |i| { const kept = here; here = there; there = kept; }
  here[0] += 10;
  sys_mod.unblock_cmd_stream();
}
comptime { @export_symbol(here, "here"); @export_symbol(main); }
"""
    exports = '@export_name("here", [*]u32, true); @export_name("main", fn()void);'
    made = build(pe, exports=exports, width=4)
    for engine in (VectorEngine(made, WSE3), ReferenceEngine(made, WSE3)):
        engine.launch("main")
        found = engine.read("here", 0, 0, 4, 1, 2)
        assert found.tolist() == [[[17, 7], [18, 8], [17, 7], [18, 8]]]
